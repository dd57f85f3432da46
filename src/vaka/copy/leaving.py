"""Who leaves a copy that holds some units' patients: whom nothing makes one of theirs any more, and has not for a month.

Invariants: what decides is what came in by (``copy.scope``), read again from what stands here in the transaction that takes it
out; who has an entry that waits, or something that cannot be read, stays, and so does whoever names, or was merged with, one
who stays; all that stands of a patient goes in one commit, and reading goes to the journal from then on, as of anybody who is
not held; the cursor does not move: who comes back is fetched whole, and versions go forward only. Nobody leaves while the copy
is behind, busy, held, or distrusts the journal.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import orjson

from vaka import config, log
from vaka.copy.apply import Applier
from vaka.copy.board import Field
from vaka.copy.follow import Follower
from vaka.copy.scope import named_patients
from vaka.copy.statements import statements
from vaka.errors import VakaError
from vaka.fhir.compartments import of_nobody
from vaka.fhir.definitions import type_name, type_number
from vaka.fhir.keys import resource_key

_DAY_US: Final = 86_400 * 1_000_000


async def keep_leaving(follower: Follower) -> None:
    """Looks now and then, until cancelled."""
    await asyncio.sleep(config.COPY_LEAVE_FIRST_S)
    while True:
        try:
            await sweep(follower)
        except VakaError as error:
            log.warning("patients out of scope stay for now", reason=error.message)
        await asyncio.sleep(config.COPY_LEAVE_EVERY_S)


async def sweep(follower: Follower) -> None:
    """Looks at everybody once, and takes out who has left, as far as it stays quiet."""
    applier = follower.applier
    if applier.intake is None:
        return
    links: dict[str, set[str]] = {}
    known = await follower.in_thread(lambda: list(applier.intake.known) if applier.intake is not None else [])
    for start in range(0, len(known), config.COPY_LEAVE_LOOK):
        some = known[start : start + config.COPY_LEAVE_LOOK]
        if not await _quiet(follower, applier):
            return
        links |= await follower.in_thread(lambda some=some: without_reason(applier, some))  # type: ignore[misc]
    leaving = apart(links, known)
    for start in range(0, len(leaving), config.COPY_LEAVE_AT_ONCE):
        some = leaving[start : start + config.COPY_LEAVE_AT_ONCE]
        if not await _quiet(follower, applier):
            return
        gone = await follower.in_thread(lambda some=some: take_leave(applier, some, leaving))  # type: ignore[misc]
        log.info("patients out of scope have left", patients=len(gone))
        await follower.show_patients()


async def _quiet(follower: Follower, applier: Applier) -> bool:
    """After a pause for others: whether nothing else is to be done."""
    await asyncio.sleep(config.COPY_LEAVE_PAUSE_S)
    board = follower.board
    return bool(
        follower.opened and follower.seeds.is_open and follower.applier is applier and board[Field.WHOLE]
        and not follower.hold.held and not board[Field.DISTRUSTING] and not board[Field.TAKING]
        and not board[Field.DISK_FULL] and follower.rate.per_second < config.COPY_LEAVE_QUIET_PER_S
    )  # fmt: skip


def without_reason(applier: Applier, patients: Sequence[str], now_us: int | None = None) -> dict[str, set[str]]:
    """Those of ``patients`` whom nothing of their own makes one of the units', each with the patients whom they name or were
    merged with."""
    assert applier.intake is not None
    scope, sql = applier.intake.scope, statements("scope")
    then_us = (now_us or time.time_ns() // 1_000) - config.COPY_LEAVE_AFTER_DAYS * _DAY_US
    found: dict[str, set[str]] = {}
    for patient in patients:
        key = resource_key("Patient", patient)
        waits: bool = applier.connection.execute(sql["unsettled"], (key,)).get
        if patient not in applier.intake.known or not applier.intake.known[patient] or waits:
            continue
        named = {one for (one,) in applier.connection.execute(sql["merged"], (key,))}
        for _, type_, unit, updated_us, dictionary, packed in applier.connection.execute(sql["of_patient"], (key,)):
            body = applier.codec.decompress(dictionary, packed) if packed is not None else None
            if scope.holds(unit, type_name(type_), body, updated_us, then_us):
                break
            named |= named_patients(body)
        else:
            found[patient] = named - {patient}
    return found


def apart(links: Mapping[str, Collection[str]], known: Collection[str]) -> list[str]:
    """Those of ``links`` who have nothing to do with anybody of ``known`` who stays. Pure."""
    staying = set(known) - set(links)
    left = dict(links)
    while linked := [one for one, named in left.items() if not staying.isdisjoint(named)]:
        for one in linked:
            del left[one]
        staying.update(linked)
    return list(left)


def take_leave(
    applier: Applier, patients: Sequence[str], leaving: Collection[str], now_us: int | None = None
) -> list[str]:
    """Takes out what stands of those of ``patients`` of whom it is still so, ``leaving`` being all who go; who they were."""
    gone: list[str] = []

    def keys() -> list[int]:
        intake = applier.intake
        assert intake is not None
        others = set(intake.known) - set(leaving)
        gone.extend(one for one, named in without_reason(applier, patients, now_us).items() if others.isdisjoint(named))
        found = _standing(applier, gone) if gone else []
        intake.leave(gone)
        return found

    applier.let_go(keys)
    return gone


def _standing(applier: Applier, gone: Sequence[str]) -> list[int]:
    """Keys of all that stands here for their sake alone."""
    intake = applier.intake
    assert intake is not None
    patients = {resource_key("Patient", one) for one in gone}
    everybodys = [type_number(type_) for type_ in of_nobody()]
    values = (orjson.dumps(list(patients)).decode(), orjson.dumps(everybodys).decode())
    found = []
    for rkey, patient, unit, dictionary, packed in applier.connection.execute(statements("scope")["all_of"], values):
        if patient is not None:
            found.append(rkey)
            continue
        body = applier.codec.decompress(dictionary, packed) if packed is not None else None
        named = named_patients(body) & set(intake.known)
        if named and named <= set(gone) and not intake.scope.concerns(unit, body):
            found.append(rkey)
    return found
