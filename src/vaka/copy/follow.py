"""Follows the journal's feed into the record, for weeks, whatever comes (docs/operating/feed.md).

Invariants
- One thread writes; a batch is one commit with its cursor, and what was not committed is asked for again.
- Caught up, whole horizons are committed, one or, where more have come meanwhile, several: what a block precedes never shows
  without it. Catching up, ``whole`` is 0.
- The age of the data is counted from the moment before which all that was committed is applied (``Answer.known_ns``): a copy
  that lags, is held, braked or out of room grows old, and says so. That the journal answers is another number.
- Where the journal's history is another, nothing is applied before it has been compared (``copy.reconcile``).
- What a person or the brake holds stays held through a restart (``copy.hold``).
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from vaka import config, log
from vaka.copy import brake, engine, reconcile
from vaka.copy.ahead import Ahead, ahead
from vaka.copy.apply import Applier, At
from vaka.copy.board import Board, Distrust, Field, Journal, boottime_ns
from vaka.copy.buffer import Buffer
from vaka.copy.catching_up import CatchingUp, Rate
from vaka.copy.client import Answer, Client
from vaka.copy.hold import Hold
from vaka.copy.lease import Lease
from vaka.copy.lines import FORGED, Broken, Heartbeat, Line, Mark, Unread, Version
from vaka.copy.lost import LostFile
from vaka.copy.seeds import Seeds
from vaka.errors import Conflict, Forbidden, Unavailable, VakaError
from vaka.store.cursor import Cursor

_T = TypeVar("_T")


class Held(Exception):
    """Following stops here until a person lets it go on."""


class NotYet(Exception):
    """What comes next is younger than this copy may be (held back by a set time)."""


class Follower:
    """Of one copy. ``hold_back_s``: how old what is applied must be at least (S30)."""

    def __init__(
        self,
        client: Client,
        seeds: Seeds,
        board: Board,
        hold: Hold,
        lost: LostFile,
        *,
        limits: brake.Limits | None = None,
        hold_back_s: float = 0.0,
        lease: Lease | None = None,
    ) -> None:
        self.client = client
        self.seeds = seeds
        self.board = board
        self.hold = hold
        self.lost = lost
        self.rate = Rate()
        self.lease = lease
        self._limits = limits or brake.Limits()
        self._hold_back_s = hold_back_s
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="copy")
        self._buffer = Buffer()
        self._coming: Ahead | None = None
        self.catching_up = CatchingUp(self._buffer)
        self._counted = brake.Counted()
        self._unbraked = True  # what is read from the beginning, into a record that was never whole, is history
        self._marked = 0.0
        self._wrong: dict[Cursor, int] = {}
        self._waits = 0
        self._moved = asyncio.Condition()
        self._wake = asyncio.Event()
        self._at = Cursor(0, 0, 0)
        self.opened = False
        self.damaged: str | None = None
        self.anew = False
        board[Field.FOLLOWER_PID] = os.getpid()
        board[Field.JOURNAL] = Journal.UNKNOWN
        board[Field.LOST] = lost.count()
        self._show_holds()

    @property
    def applier(self) -> Applier:
        return self.seeds.applier

    @property
    def behind(self) -> bool:
        """Whether more of the feed has come than is applied."""
        return bool(self._buffer.lines) or (self._coming is not None and self._coming.waiting)

    async def in_thread(self, work: Callable[[], _T]) -> _T:
        """Work on the record's writing connection. Cancelled, it is still done."""
        future = asyncio.get_running_loop().run_in_executor(self._disk, work)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait({future})
            raise

    def close(self) -> None:
        self.catching_up.end()
        self._disk.shutdown()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            pause_s = await self._round()
            if pause_s > 0:
                self._wake.clear()
                try:
                    async with asyncio.timeout(pause_s):
                        await self._wake.wait()
                except TimeoutError:
                    pass

    def wake(self) -> None:
        """Something was decided: look again at once."""
        self._wake.set()

    async def _open(self) -> None:
        await self.seeds.open(self.in_thread)
        self.board[Field.DAMAGED] = self.seeds.damaged
        at = await self.in_thread(lambda: self.applier.at)
        self._unbraked = not self.seeds.in_use
        await self._show_reserve()
        await self.show_patients()
        self._show(at)
        self.opened = True

    async def _round(self) -> float:
        """One answer of the journal; how long to pause after it."""
        self.board[Field.FOLLOWER_NS] = boottime_ns()
        try:
            if self.anew or self.damaged is not None:
                await self._seed_again()
            elif not self.opened:
                await self._open()
            if self.hold.held:
                return await self._while_held()
            if self.board[Field.DISTRUSTING]:
                await self._reconcile()
            await self._answer()
            self._waits = 0
            return 0.0
        except (Held, NotYet):
            self._buffer.clear()
            return 1.0
        except reconcile.AnotherJournal as error:
            self._buffer.clear()
            log.error("another journal", message=error.message)
            return config.COPY_REFUSED_RETRY_S
        except Conflict as error:
            self._distrust(Distrust.HISTORY, error.message)
            return 0.0
        except engine.DiskFull as error:
            self._buffer.clear()
            if not self.board[Field.DISK_FULL]:
                log.error("no room to apply", message=error.message)
            self.board[Field.FOLLOWER_NS] = boottime_ns()  # it tries again: until then its word on the journal counts
            self.board[Field.DISK_FULL] = 1
            return config.COPY_DISK_RETRY_S
        except (engine.Damaged, engine.WrongKey) as error:
            self._buffer.clear()
            again = self.damaged is not None
            self.found_damaged(error.message)
            return self._backoff() if again else 0.0  # the disk may take no other
        except engine.Lasting as error:
            log.error("a file that nothing can make again is damaged", message=error.message, help=error.help)
            raise
        except Forbidden as error:
            self._away(error)
            return config.COPY_REFUSED_RETRY_S
        except VakaError as error:
            self._away(error)
            return self._backoff()

    def _backoff(self) -> float:
        longest: float = min(config.COPY_RETRY_MIN_S * 2**self._waits, config.COPY_RETRY_MAX_S)
        self._waits = min(self._waits + 1, 16)
        return longest * random.uniform(0.5, 1.0)  # noqa: S311  spreads copies, hides nothing

    def _away(self, error: VakaError) -> None:
        self._buffer.clear()
        if self.board[Field.JOURNAL] != Journal.AWAY:
            log.warning("journal away", reason=error.message)
        self.board[Field.JOURNAL] = Journal.AWAY

    def _heard(self) -> None:
        if self.board[Field.JOURNAL] != Journal.HEARD:
            log.info("journal heard")
        self.board[Field.JOURNAL] = Journal.HEARD

    def _distrust(self, why: Distrust, message: str) -> None:
        self._buffer.clear()
        self.board[Field.DISTRUSTING] = why
        log.error("the journal's history is not ours", reason=message)

    async def _answer(self) -> None:
        at = await self.in_thread(lambda: self.applier.at)
        cursor, digest = self._buffer.asked or (at.cursor, at.hash)
        came = 0
        async with self.client.read(cursor, digest, config.COPY_WAIT_S) as answer:
            await self._require_epoch(answer)
            self.catching_up.horizon_xid = answer.horizon_xid
            async with ahead(answer.lines) as coming:
                self._coming = coming
                dictionaries = await self.in_thread(lambda: self.applier.dictionaries) if self._unbraked else None
                async for line in self.catching_up.read(coming, dictionaries):
                    came += 1
                    self._heard()
                    await self._take(line, answer)
                    if self.hold.held:
                        raise Held
                    if self.damaged is not None or self.anew:
                        return
        if not came:
            raise Unavailable("the journal's answer was empty")

    async def _require_epoch(self, answer: Answer) -> None:
        known = await self.in_thread(lambda: reconcile.known_epoch(self.applier))
        if known == answer.epoch:
            return
        if known is None or not self.board[Field.SEQ]:
            await self.in_thread(lambda: reconcile.keep_epoch(self.applier, answer.epoch))
            return
        self._distrust(Distrust.EPOCH, f"epoch {answer.epoch}, known here: {known}")
        raise Held

    async def _reconcile(self) -> None:
        found = await reconcile.reconcile(self.client, self.applier, self.lost, self.in_thread)
        self.applier.tell([None])
        self._show(await self.in_thread(lambda: self.applier.at))
        self.board.write({Field.DISTRUSTING: Distrust.NONE, Field.LOST: self.lost.count(), Field.WHOLE: 0})
        if found:
            log.error("the journal lost versions that are held here", versions=found)

    async def _take(self, line: Line, answer: Answer) -> None:
        if isinstance(line, Version | Unread):
            if isinstance(line, Unread) and line.reason == FORGED:
                self._require_again(line)
            if self._hold_back_s and isinstance(line, Version):
                await self._hold_back(line, answer)
            self._buffer.add(line)
            if self._buffer.full:
                await self._commit(self._buffer.lines[: self._buffer.whole] or self._buffer.lines)
            return
        at = self._buffer.asked[0] if self._buffer.asked else self._at
        if (line.cursor.xid, line.cursor.seq) != (at.xid, at.seq):
            raise Broken("versions are missing before a mark of the feed")
        self.board[Field.SIGN_NS] = boottime_ns()
        comes = self._coming is not None and self._coming.waiting
        if self._buffer.lines and comes and not self._buffer.full and isinstance(line, Mark):
            self._buffer.lines.append(line)  # what has come meanwhile goes in the same commit
            return
        if isinstance(line, Heartbeat):
            if self._buffer.lines:
                await self._commit(self._buffer.lines)
            self._show_age(line, answer)
            return
        whole = bool(self.board[Field.WHOLE])
        if self._buffer.lines or not whole or time.monotonic() - self._marked > config.COPY_MARK_EVERY_S:
            await self._commit([*self._buffer.lines, line])
            self._marked = time.monotonic()
        self._show_age(line, answer)

    def _require_again(self, line: Unread) -> None:
        """A body that is not that of its hash was perhaps changed on the way: it is asked for again before it is set aside."""
        self._wrong[line.cursor] = self._wrong.get(line.cursor, 0) + 1
        if self._wrong[line.cursor] < config.COPY_BROKEN_TRIES:
            raise Broken("a body of the feed is not that of its hash")
        log.error("a version is set aside: its body is not that of its hash", cursor=str(line.cursor))
        self._wrong.clear()

    async def _hold_back(self, line: Version, answer: Answer) -> None:
        if line.updated_us > answer.now_us - self._hold_back_s * 1e6:
            if self._buffer.lines:
                await self._commit(self._buffer.lines)
            raise NotYet

    async def _commit(self, batch: Sequence[Line]) -> None:
        batch = list(batch)
        if self.hold.held:
            raise Held
        if self.hold.passes:
            self._counted = brake.Counted()
        elif not self._unbraked:
            counted, reason = brake.count(self._counted, batch, self._limits)
            if reason is not None:
                try:
                    self.hold.brake(reason)
                except OSError as error:  # nothing is applied all the same, until it can be kept
                    raise engine.DiskFull(f"the brake is on, and could not be kept: {reason}") from error
                self._show_holds()
                log.error("the brake is on: a person lets it go", reason=reason)
                raise Held
            self._counted = counted
        applied = await self.in_thread(lambda: self.applier.apply(batch))
        self._buffer.drop(len(batch))
        if applied.at.whole and not self._buffer.lines:
            self._buffer.asked = None
        self.rate.add(applied)
        if self.board[Field.DISK_FULL]:
            log.info("there is room again")
        if applied.conflicting:
            log.error("versions of ours have other bytes in the journal", versions=applied.conflicting)
        if applied.at.whole:
            self._unbraked = False
            self.hold.caught_up()
            self.catching_up.end()
            await self.in_thread(self.seeds.done)
        await self.show_patients()
        self.board.write({Field.DISK_FULL: 0, Field.ASIDE: applied.aside, Field.LOST: self.lost.count()})
        self._show(applied.at)
        self.catching_up.tell(self.board, self.rate)
        async with self._moved:
            self._moved.notify_all()

    @property
    def part(self) -> float | None:
        """Of the feed that is applied; None where that is not known."""
        return self.catching_up.part(self.board)

    def _show(self, at: At) -> None:
        c = self._at = at.cursor
        self.board.write({
            Field.EPOCH: c.epoch, Field.XID: c.xid, Field.SEQ: c.seq, Field.HORIZON_US: at.horizon_us,
            Field.WHOLE: int(at.whole and self.seeds.in_use), Field.SEED: self.readable_seed(), Field.HORIZON_XID: at.horizon_xid,
            Field.DAMAGED: self.seeds.damaged if self.damaged is None else self.seeds.current or 0,
        })  # fmt: skip

    async def show_patients(self) -> None:
        """How many are held whole, and how many are being fetched."""
        intake = self.applier.intake
        if intake is not None:
            whole, waiting = await self.in_thread(lambda: (sum(intake.known.values()), len(intake.waiting)))
            self.board.write({Field.PATIENTS: whole, Field.TAKING: waiting})

    async def _show_reserve(self) -> None:
        """What was written of a patient before this copy held the record."""
        reserve, applier = self.seeds.reserve, self.applier
        if reserve is not None and applier.intake is not None and self.seeds.in_use:
            await self.in_thread(lambda: reserve.rebuild(applier))

    async def taken_in(self, patient: str) -> None:
        """A patient who waited is whole: the record perhaps for the first time."""
        applier = self.applier
        await self.in_thread(lambda: applier.take_in(patient))
        at = await self.in_thread(lambda: applier.at)
        if at.whole and not self.seeds.in_use:
            await self.in_thread(self.seeds.done)
            self._show(at)
        await self._show_reserve()
        await self.show_patients()
        async with self._moved:
            self._moved.notify_all()

    def readable_seed(self) -> int:
        """0 where nothing is read from here: before the first seed, and once the key's lease has ended."""
        return (self.seeds.current or 0) if self.lease is None or self.lease.holds else 0

    def _show_age(self, mark: Mark | Heartbeat, answer: Answer) -> None:
        """All that precedes it is here; and what the journal's clock was."""
        self.board.write({Field.CLOCK_US: mark.at_us, Field.CLOCK_NS: answer.made_ns(mark)})
        if self.board[Field.WHOLE]:
            known_ns = max(self.board[Field.HEARD_NS], answer.known_ns(mark))
            self.board.write({Field.HEARD_NS: known_ns, Field.HORIZON_US: mark.at_us})

    def _show_holds(self) -> None:
        held = self.hold.held
        self.board.write({
            Field.FROZEN: int(held is not None and held.frozen), Field.BRAKED: int(held is not None and held.braked),
        })  # fmt: skip

    async def _while_held(self) -> float:
        """Nothing is applied; whether the journal is there is asked all the same."""
        self._buffer.clear()
        self._show_holds()
        at = await self.in_thread(lambda: self.applier.at)
        await self.client.holds(at.cursor, at.hash)
        self._heard()
        return 1.0

    # Decisions and findings -------------------------------------------------------------------------------------------

    def holds_changed(self) -> None:
        """A person has held or released it."""
        self._show_holds()
        self.wake()

    def found_damaged(self, message: str) -> None:
        log.error("the record in use is damaged: it is seeded again", message=message)
        self.damaged = message
        self.seeds.mark_damaged()
        self.board[Field.DAMAGED] = self.seeds.current or 0
        self.wake()

    async def _seed_again(self) -> None:
        trusting, self.opened = self.anew, False
        await self.seeds.again(self.in_thread, damaged=self.damaged is not None, anew=trusting)
        self.damaged, self.anew, self.opened = None, False, True
        self._unbraked = not self.seeds.in_use
        self._buffer.clear()
        self.board.write({Field.DAMAGED: self.seeds.damaged, Field.DISTRUSTING: Distrust.NONE})
        self._show(await self.in_thread(lambda: self.applier.at))

    async def next_commit(self, timeout_s: float) -> None:
        """Something was applied, or so long has passed."""
        try:
            async with asyncio.timeout(timeout_s), self._moved:
                await self._moved.wait()
        except TimeoutError:
            pass

    async def reached(self, cursor: Cursor, timeout_s: float) -> bool:
        """Whether the version at ``cursor`` is applied here, at the latest after so long."""
        wanted = (cursor.xid, cursor.seq)

        def there() -> bool:
            return self.board.read(Field.XID, Field.SEQ) >= wanted

        if there():
            return True
        try:
            async with asyncio.timeout(timeout_s), self._moved:
                await self._moved.wait_for(there)
        except TimeoutError:
            return False
        return True
