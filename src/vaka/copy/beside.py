"""What the follower keeps beside the feed: the private feed's tables, what sheets and lists are read from, and what the
reserve shows.

Invariants: all of it is written by the one thread that writes the record; a reader of the private feed that is refused, cut or
silent holds nothing else up; the reserve is the truth of what it shows, the journal of the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import apsw

from vaka import config, log
from vaka.copy import derived, engine, private, revoked
from vaka.copy.apply import Applier
from vaka.copy.board import Board, Field, boottime_ns
from vaka.copy.client import Client
from vaka.copy.derived import Derived
from vaka.copy.files import Folder
from vaka.copy.follow import Follower
from vaka.copy.lease import Lease
from vaka.copy.own import Own
from vaka.copy.reserve import recovery
from vaka.copy.reserve.record import InRecord
from vaka.copy.reserve.store import ReserveStore
from vaka.errors import Conflict, Forbidden, Invalid, VakaError

_MARKS: Final = (b'{"horizon"', b'{"heartbeat"')
_LINES_MAX: Final = 500


def prepare(applier: Applier) -> None:
    """For each seed that is opened: the tables, and what is kept with each change."""
    private.create(applier.connection)
    derived.prepare(applier.connection, applier.codec)
    applier.putter.on_changed = Derived(applier.codec)


class Shown:
    """The reserve and own.db, as the record shows them (``seeds.Reserve``)."""

    def __init__(self, reserve: ReserveStore, own: Own) -> None:
        self._reserve = InRecord(reserve)
        self._own = own

    def apply(self, applier: Applier, number: int) -> None:
        """Shows the entry, or takes away what it showed where it is settled, withdrawn or not held."""
        self._reserve.apply(applier, number)

    def rebuild(self, applier: Applier) -> None:
        """All that waits, in a record that shows nothing of it."""
        self._reserve.rebuild(applier)
        self.own(applier)

    def own(self, applier: Applier) -> None:
        """What people have opened and closed on this copy."""
        private.show(applier.connection, self._own)
        applier.tell([None])


async def keep_private(follower: Follower, client: Client, board: Board) -> None:
    """Follows the private feed until cancelled."""
    away = False
    while True:
        pause_s = config.COPY_RETRY_MAX_S
        try:
            if follower.opened and not follower.hold.held:
                await _private_answer(follower, client, board)
                pause_s, away = 0.0, False
        except Conflict:
            log.warning("the private feed is read again from nothing")
            await _with(follower, private.begin_anew)
            pause_s = config.COPY_RETRY_MIN_S
        except VakaError as error:
            if not away:
                log.warning("private feed away", reason=error.message)
            away = True
            if isinstance(error, engine.Damaged):
                follower.found_damaged(error.message)
            if isinstance(error, Forbidden):
                pause_s = config.COPY_REFUSED_RETRY_S
        except Exception as error:  # whatever a hostile or newer line makes of our code
            log.error("the private feed cannot be applied", exception=error)
            pause_s = config.COPY_REFUSED_RETRY_S
        await asyncio.sleep(pause_s)


async def _with(follower: Follower, work: Callable[[apsw.Connection], Any]) -> Any:
    def told() -> Any:
        with engine.told(follower.applier.path):
            return work(follower.applier.connection)

    return await follower.in_thread(told)


async def _private_answer(follower: Follower, client: Client, board: Board) -> None:
    cursor = await _with(follower, private.cursor_of)
    asked = {"wait": str(config.COPY_WAIT_S), **({"after": cursor} if cursor else {})}
    waiting: list[bytes] = []
    began = follower.applier
    async with client.ask("/feed/private", asked) as answer:
        async for line in answer.lines:
            if follower.applier is not began or follower.hold.held:
                return
            marked = line.startswith(_MARKS)
            waiting.append(line)
            if marked or len(waiting) >= _LINES_MAX:
                if len(waiting) > 1 or line.startswith(_MARKS[0]):
                    lines = list(waiting)
                    await _with(follower, partial(_apply_private, follower.applier, lines))
                waiting.clear()
            if marked:
                board[Field.PRIVATE_NS] = boottime_ns()


def _apply_private(applier: Applier, lines: Sequence[bytes], connection: apsw.Connection) -> None:
    swept, intake = private.is_sweeping(connection), applier.intake
    try:
        with connection:
            private.apply(connection, lines)
            if intake is not None:  # who is merged with one who is held: in the same commit
                intake.join()
    except BaseException:
        if intake is not None:
            intake.forget()
        raise
    applier.tell([None] if swept else private.touched(lines))


async def keep_lease(follower: Follower, lease: Lease) -> None:
    """Begins the lease of the key anew while the private feed is heard, and shows where it has ended, until cancelled."""
    board = follower.board
    while True:
        held, silent_ns = lease.holds, boottime_ns() - board[Field.PRIVATE_NS]
        heard = board[Field.HORIZON_US] if silent_ns < 2 * config.COPY_LEASE_LOOK_S * 1e9 else 0
        try:
            await follower.in_thread(partial(lease.renew, heard) if heard else lease.pass_time)
        except OSError as error:  # no room: the lease goes on as it is
            log.warning("lease not kept", errno=error.errno)
        if held and not lease.holds:
            log.error("the lease of this copy's key has ended: it is not read from until it hears its journal")
        if follower.opened and board[Field.SEED] != follower.readable_seed():
            board.write({Field.SEED: follower.readable_seed()})
        await asyncio.sleep(config.COPY_LEASE_LOOK_S if lease.holds else 1.0)


async def keep_recovery(follower: Follower, folder: Folder, key: bytes) -> None:
    """Wraps the key of the reserve to the region's recovery key, once the journal has told of it, until cancelled."""
    told = False
    while True:
        try:
            heard = follower.opened and follower.board[Field.PRIVATE_NS]
            half = (
                await _with(follower, lambda connection: private.journal_key(connection, recovery.USE))
                if heard
                else None
            )
            if half is not None and await asyncio.to_thread(recovery.keep, folder, key, half):
                log.info("the reserve opens with the recovery key", key=recovery.fingerprint(half))
            elif heard and half is None and not told:
                log.warning("the region has no recovery key: without this copy's own, its reserve cannot be opened")
                told = True
        except (VakaError, OSError, ValueError) as error:
            log.warning("the reserve's key is not wrapped", kind=type(error).__name__)
        await asyncio.sleep(config.COPY_KEYS_LOOK_S)


async def keep_revoked(follower: Follower, folder: Folder, authority: Path) -> None:
    """Keeps the list of removed certificates as the journal tells it, until cancelled."""
    seen: bytes | None = None
    while True:
        told = seen
        try:
            if follower.opened:
                told = await _with(follower, lambda connection: private.journal_key(connection, revoked.USE))
            if told is not None and told != seen and await asyncio.to_thread(revoked.keep, folder, authority, told):
                log.info("the list of removed certificates has changed")
            seen = told
        except Invalid as error:  # told once
            seen = told
            log.error("the list of removed certificates is not taken", why=error.message)
        except (VakaError, OSError) as error:
            log.warning("the list of removed certificates is not kept", kind=type(error).__name__)
        await asyncio.sleep(config.COPY_KEYS_LOOK_S)


async def keep_sheets(follower: Follower) -> None:
    """Makes the fragments that have changed, and drops what is past its time, until cancelled."""
    while True:
        made = 0
        try:
            if follower.opened and follower.board[Field.WHOLE] and not follower.behind:
                made = await _with(follower, lambda connection: derived.make(connection, follower.applier.codec))
        except engine.Damaged as error:
            follower.found_damaged(error.message)
        except VakaError:  # no room, or the record is being seeded: the follower says so
            pass
        except Exception as error:  # one patient's sheet must not hold the feed up (S4)
            log.error("a sheet cannot be made", exception=error)
        if not made:
            await follower.next_commit(config.COPY_SHEETS_IDLE_S)
