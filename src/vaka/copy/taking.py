"""Fetches the record of who came into a copy's scope: the part of the feed that was passed by (decision 0015).

Invariants: what comes waits beside the record, and shows in one commit once all of it is here, so that a stop or a cut at any
point leaves the patient as one who is not held; it is asked for up to this copy's own place in a history that the journal holds,
so that the feed brings the rest; nothing is fetched while the copy is held, or does not trust the journal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from vaka import config, log
from vaka.copy import engine, lines, reconcile
from vaka.copy.apply import Applier
from vaka.copy.board import Field
from vaka.copy.client import Client
from vaka.copy.follow import Follower
from vaka.copy.intake import Told
from vaka.copy.lines import FORGED, Broken, Heartbeat, Mark, Unread
from vaka.errors import Unavailable, VakaError

PATH = "/feed/patient"


class _Over(Exception):
    """What was fetched is of no use any more: another seed, another history, or a copy that is held."""


async def keep_taking(follower: Follower, client: Client) -> None:
    """Takes in who waits, until cancelled."""
    tried: dict[str, int] = {}
    while True:
        waiting = await _waiting(follower)
        failed = False
        for start in range(0, len(waiting), config.COPY_TAKING_AT_ONCE):
            some = waiting[start : start + config.COPY_TAKING_AT_ONCE]
            for patient, error in zip(some, await _take_all(follower, client, some, tried), strict=True):
                if error is None:
                    tried.pop(patient, None)
                    continue
                failed = True
                tried[patient] = tried.get(patient, 0) + 1
                if tried[patient] == 1 and not isinstance(error, _Over):
                    reason = error.message if isinstance(error, VakaError) else type(error).__name__
                    log.warning("a patient could not be taken in: it is tried again", reason=reason)
            if failed:
                break
        if failed:
            await asyncio.sleep(config.COPY_TAKING_RETRY_S)
        elif not waiting:
            await follower.next_commit(config.COPY_TAKING_RETRY_S)


async def _waiting(follower: Follower) -> list[str]:
    if not _may(follower):
        return []
    intake = follower.applier.intake
    return await follower.in_thread(lambda: intake.waiting) if intake is not None else []


def _may(follower: Follower) -> bool:
    return (
        follower.opened and follower.seeds.is_open and not follower.hold.held and not follower.board[Field.DISTRUSTING]
    )


async def _take_all(
    follower: Follower, client: Client, patients: Sequence[str], tried: dict[str, int]
) -> list[BaseException | None]:
    work = [_take(follower, client, one, forged=tried.get(one, 0) + 1 >= config.COPY_BROKEN_TRIES) for one in patients]
    found = await asyncio.gather(*work, return_exceptions=True)
    for error in found:
        if isinstance(error, asyncio.CancelledError):
            raise error
        if isinstance(error, engine.Damaged):
            follower.found_damaged(error.message)
        elif error is not None and not isinstance(
            error, VakaError | _Over
        ):  # one patient's record must not stop others' (S4)
            log.error("fault in taking in a patient", exception=error)
    return found


async def _take(follower: Follower, client: Client, patient: str, *, forged: bool) -> None:
    """Fetches one patient's part of the feed, and has it applied. ``forged``: what is not of its hash is set aside."""
    applier = follower.applier
    assert applier.intake is not None
    generation = applier.intake.generation
    until = await follower.in_thread(lambda: applier.at)
    asked = {"patient": patient, "until": str(until.cursor)}
    asked |= {"hash": until.hash.hex()} if until.hash is not None else {}
    while True:
        before, waiting, size = asked.get("after"), list[Told](), 0
        async with client.ask(PATH, asked) as answer:
            known = await follower.in_thread(lambda: reconcile.known_epoch(applier))
            if answer.epoch != known:
                raise _Over
            async for text in answer.lines:
                line = lines.read(text)
                if isinstance(line, Mark):
                    await _stage(follower, applier, generation, patient, waiting)
                    await _settle(follower, applier, generation, patient)
                    return
                if isinstance(line, Heartbeat):
                    continue
                if isinstance(line, Unread) and line.reason == FORGED and not forged:
                    raise Broken("a body of the feed is not that of its hash")
                waiting.append(line)
                size += len(line.line)
                asked["after"] = str(line.cursor)
                if size >= config.COPY_BATCH_BYTES or len(waiting) >= config.COPY_BATCH_LINES:
                    await _stage(follower, applier, generation, patient, waiting)
                    waiting, size = [], 0
        await _stage(follower, applier, generation, patient, waiting)
        if asked.get("after") == before:
            raise Unavailable("the journal's answer ended without a mark")


def _require_same(follower: Follower, applier: Applier, generation: int) -> None:
    intake = applier.intake
    if not _may(follower) or follower.applier is not applier or intake is None or intake.generation != generation:
        raise _Over


async def _stage(follower: Follower, applier: Applier, generation: int, patient: str, told: Sequence[Told]) -> None:
    def work() -> None:
        _require_same(follower, applier, generation)
        assert applier.intake is not None
        with engine.told(applier.path), engine.transaction(applier.connection):
            applier.intake.stage(told, patient)

    if told:
        await follower.in_thread(work)


async def _settle(follower: Follower, applier: Applier, generation: int, patient: str) -> None:
    await follower.in_thread(lambda: _require_same(follower, applier, generation))
    await follower.taken_in(patient)
