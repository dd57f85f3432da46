"""The access log of one process: an access is on disk before its answer leaves.

Invariants
- ``write`` returns when the record is durable: in the file (group commit: all that wait go in one block, one flush, off the
  event loop) or, where no file can be written, in the store (``accesslog.store``).
- The chain advances block by block whatever happens to a write; a block whose write failed is written again as the same
  bytes, here or there, so that it can never be twice with two contents.
- The ladder (traps: Log): file; on an error a new file, the ballast released; the block straight into the store (the journal's
  tables; of a copy, the journal's acknowledgement, else a neighbour's: ``accesslog.ladder``); then only what is urgent is
  served, each with an incident line, and the blocks wait in memory until one of the others is back.
- On a copy the store may be away at a start. What went there alone is noted beforehand (``files.mark_elsewhere``), so that no
  number is given to two blocks.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import IO, Final, TypeAlias

from vaka import config, log
from vaka.accesslog import blocks, files, runs
from vaka.accesslog.blocks import Block
from vaka.accesslog.codec import Described, Encoder
from vaka.accesslog.disk import Disk
from vaka.accesslog.files import Segment
from vaka.accesslog.ladder import Ladder
from vaka.accesslog.record import Record
from vaka.accesslog.ship import Shipper
from vaka.accesslog.store import LogStore
from vaka.errors import Unavailable

Told: TypeAlias = Callable[[bool], None]
_READ_PAUSE_S: Final = 0.002


class State(StrEnum):
    FILE = "file"
    DATABASE = "database"
    NOWHERE = "nowhere"


def unwritable() -> Unavailable:
    return Unavailable(
        "the access log cannot be written, and what is read or changed must be logged",
        help="what was asked may have been done: a write with an Idempotency-Key can be sent again",
        retry_after_s=5,
    )


class AccessLog:
    """An open access log. Make it with ``AccessLog.open``."""

    def __init__(
        self, folder: Path, stream: str, lock: IO[str], store: LogStore, system: str, *,
        segment_bytes: int, ballast_bytes: int, fallback: Ladder | None = None, key: bytes | None = None,
    ) -> None:  # fmt: skip
        self.folder, self.stream, self.system = folder, stream, system
        self._key = key
        # Who is answered here goes before: they wait for this interpreter while a run is read.
        shipper = partial(Shipper, store=store, key=key, pause_s=_READ_PAUSE_S)
        self.shipper = shipper(folder)
        self._closed = [shipper(path) for path in files.closed_folders(folder)]
        self._noted = False
        self.state = State.FILE
        self.under_way = 0
        """Requests that are being answered, counted by who answers them: each may bring a record soon."""
        self._loop = asyncio.get_running_loop()
        self._lock = lock
        self._beside = store
        self._instead: Ladder | LogStore = fallback or store
        self._segment_bytes, self._ballast_bytes = segment_bytes, ballast_bytes
        self._number, self._hash = 0, blocks.genesis(stream)
        self._told = 0
        self._encoder, self._chapter = Encoder(), 0
        self._segment: Segment | None = None
        self._retry_at = 0.0
        self._owed: list[tuple[Block, dict[int, Described]]] = []
        self._waiting: list[tuple[Record, Told, int | None]] = []
        self._flushing = False
        self._all_here: asyncio.Future[None] | None = None
        self._one = asyncio.Lock()
        self._disk = Disk()
        self._tasks: set[asyncio.Task[None]] = set()
        self._beats: list[asyncio.Task[None]] = []
        self._sparing: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls, folder: Path, store: LogStore, system: str, *,
        segment_bytes: int = config.LOG_SEGMENT_BYTES, ballast_bytes: int = config.LOG_BALLAST_BYTES,
        fallback: Ladder | None = None, key: bytes | None = None,
    ) -> AccessLog:  # fmt: skip
        """Goes on where the last process ended, in a new segment. Setup where another process writes there. Where the
        store may be away (of a copy) and is: a log whose end may be there alone is put aside, and another begun. So is one whose
        end may be with a neighbour (``fallback``: where blocks go that no file takes). ``key``: 32 bytes, what
        its files are encrypted with."""
        stream, lock = await asyncio.to_thread(files.open_folder, folder)
        if fallback is not None and await asyncio.to_thread(files.is_elsewhere, folder):
            lock.close()
            await asyncio.to_thread(files.close_folder, folder, stream)
            stream, lock = await asyncio.to_thread(files.open_folder, folder)
        known: tuple[int, bytes] | None = None
        try:
            known = await store.newest(stream)
            await store.prepare(datetime.now(UTC))
        except (OSError, Unavailable):
            if not store.may_be_away:
                lock.close()
                raise
            log.warning("access log goes on without its store", stream=stream)
            if await asyncio.to_thread(files.is_elsewhere, folder):
                lock.close()
                await asyncio.to_thread(files.close_folder, folder, stream)
                stream, lock = await asyncio.to_thread(files.open_folder, folder)
        with suppress(OSError):  # so that there is room for the note
            if known is not None or not await asyncio.to_thread(files.is_elsewhere, folder):
                await asyncio.to_thread(files.mark_elsewhere, folder, False)
        found = cls(folder, stream, lock, store, system, segment_bytes=segment_bytes, ballast_bytes=ballast_bytes,
                    fallback=fallback, key=key)  # fmt: skip
        await found._resume(known)
        if not await asyncio.to_thread(files.keep_ballast, folder, ballast_bytes):
            log.warning("access log has no ballast", size_bytes=ballast_bytes)
        await found._reopen()
        found._beats = [asyncio.create_task(found._beat()), asyncio.create_task(found._ship())]
        return found

    async def _resume(self, known: tuple[int, bytes] | None) -> None:
        ends: list[tuple[int, bytes]] = []
        for _, path in reversed(await asyncio.to_thread(files.segments, self.folder)):
            scanned = await asyncio.to_thread(files.scan, path, self._key)
            if scanned is None or scanned.stream != self.stream:
                log.error("access log segment is damaged", path=path.name)
                continue
            if scanned.torn:
                log.warning("access log ends in a torn block", path=path.name, byte=scanned.used)
            last = scanned.blocks[-1] if scanned.blocks else None
            ends.append((last.number, last.hash) if last else (scanned.first - 1, scanned.before))
            await asyncio.to_thread(files.trim, scanned)
            break
        if known is not None:
            if ends and known[0] > ends[0][0]:
                # Blocks that went to the tables alone; or a tail that is gone, which verify will find missing.
                log.warning("access log goes on after its files' end", files=ends[0][0], tables=known[0])
            ends.append(known)
        self._number, self._hash = max(ends, default=(0, self._hash))
        self._told = known[0] if known else 0

    async def write(self, record: Record, *, urgent: bool = False) -> None:
        """Returns when ``record`` is durable. Unavailable where that cannot be; not so for what is ``urgent``, which is told
        in the process's log and waits in memory."""
        if not await self.submit(record):
            self.missed(record, urgent=urgent)

    def missed(self, record: Record, *, urgent: bool) -> None:
        """What ``write`` does where ``record`` could not be made durable."""
        if not urgent:
            raise unwritable()
        log.error(
            "access not yet logged", activity=record.activity, person=record.actor.person or record.actor.principal,
            patients=" ".join(map(str, record.patients[:4])), owed=len(self._owed),
        )  # fmt: skip

    def submit(self, record: Record) -> asyncio.Future[bool]:
        """Puts ``record`` in line: whether it is durable. A future that is cancelled keeps nothing from being written."""
        future: asyncio.Future[bool] = self._loop.create_future()
        self.line_up(record, partial(_settle, future))
        return future

    def line_up(self, record: Record, told: Told, at_us: int | None = None) -> None:
        """Puts ``record`` in line, as of ``at_us`` where the same, which is kept, has happened again since; ``told``, which must
        not raise, is called with whether it is durable."""
        if len(record.patients) <= config.LOG_PATIENTS_MAX:  # most records
            self._waiting.append((record, told, at_us))
        else:
            parts = record.parts()
            each = _All(len(parts), told)
            self._waiting += [(part, each, at_us) for part in parts]
        if self._all_here is not None and len(self._waiting) >= self.under_way:
            _wake(self._all_here)
        if not self._flushing:
            self._flushing = True
            task = self._loop.create_task(self._flush())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def require(self, *, urgent: bool) -> None:
        """Unavailable where nothing can be logged now and the request is not ``urgent``: before anything is done for it."""
        if self.state == State.NOWHERE and not urgent:
            raise unwritable()

    async def close(self) -> None:
        """Writes what waits, tells the head, and closes."""
        for beat in self._beats:
            beat.cancel()
        while self._tasks:
            await asyncio.wait(list(self._tasks))
        async with self._one:
            try:
                await self._put_head()
            except Exception as error:
                log.warning("access log head not told", kind=type(error).__name__)
            if self._segment is not None:
                self._segment.close()
        await self._disk.close()
        self._lock.close()

    # One batch after the other.

    async def _flush(self) -> None:
        try:
            while self._waiting:
                if len(self._waiting) < self.under_way:
                    await self._gather()
                count = in_one_block(self._waiting)
                batch, self._waiting = self._waiting[:count], self._waiting[count:]
                durable = False
                try:
                    async with self._one:
                        durable = await self._store([one[0] for one in batch], [one[2] for one in batch])
                except Exception as error:
                    log.error("access log", exception=error)
                finally:
                    for one in batch:
                        one[1](durable)
                    await asyncio.sleep(0)  # they are answered, and no longer under way
        finally:
            self._flushing = False

    async def _gather(self) -> None:
        """Until all who are under way have brought their record, or for a moment: a block for each would cost more than the
        moment (as commit_delay of PostgreSQL). Who is alone does not wait."""
        loop = asyncio.get_running_loop()
        self._all_here = loop.create_future()
        timer = loop.call_later(config.LOG_GATHER_S, _wake, self._all_here)
        await self._all_here
        timer.cancel()
        self._all_here = None

    async def _store(self, records: Sequence[Record], again: Sequence[int | None]) -> bool:
        """Makes the next block, and stores it and what is owed."""
        if self._segment is None:
            await self._reopen()
        if self._segment is not None and self._segment.half_full and self._sparing is None:
            self._sparing = asyncio.create_task(self._prepare_spare())
        if self._owed and sum(len(block.bare) for block, _ in self._owed) > config.LOG_OWED_MAX_BYTES:
            log.error("access log: memory is full of what could not be logged", lost=len(records))
            return False
        time_us = time.time_ns() // 1_000
        number = self._number + 1
        payload = self._encoder.payload(records, time_us, again)
        block = blocks.make(number, self._chapter or number, time_us, payload, self._hash)
        if self._segment is not None and not self._segment.fits(len(block.framed)):
            self._segment.close()
            self._segment = None
            self._begin_chapter()
            payload = self._encoder.payload(records, time_us, again)
            block = blocks.make(number, number, time_us, payload, self._hash)
            await self._reopen()
        self._number, self._hash, self._chapter = number, block.hash, block.chapter
        self._owed.append((block, self._encoder.described))
        if len(self._owed) == 1 and self.state == State.FILE and await self._to_file():  # nearly always
            return True
        return await self._pay()

    async def _pay(self) -> bool:
        """Stores all that is owed, by the ladder."""
        if not self._owed:
            return True
        if await self._to_file() or (await self._reopen() and await self._to_file()):
            return self._is(State.FILE)
        if await self._to_database():
            return self._is(State.DATABASE)
        self._is(State.NOWHERE)
        return False

    def _is(self, state: State) -> bool:
        if state != self.state:
            told = log.info if state == State.FILE else log.error
            told("access log", written_to=state.value, before=self.state.value, owed=len(self._owed))
            self.state = state
        return True

    async def _to_file(self) -> bool:
        segment = self._segment
        if segment is None:
            return False
        content = b"".join([blocks.sealed(block, self._key) for block, _ in self._owed])
        try:
            await self._disk.do(partial(segment.append, content))
            self._owed.clear()
            return True
        except OSError as error:
            _tell(error)
        segment.abandon()
        self._segment = None
        self._begin_chapter()
        return False

    async def _reopen(self) -> bool:
        """Opens a new segment, with the ballast's room if it must be; what is owed comes first in it."""
        if self._segment is not None:
            return True
        if time.monotonic() < self._retry_at:
            return False
        if self._sparing is not None:
            await self._sparing
            self._sparing = None
        first, before = self._number + 1, self._hash
        if self._owed:
            first, before = self._owed[0][0].number, self._owed[0][0].before

        def make() -> None:
            known = files.segments(self.folder)
            number = known[-1][0] + 1 if known else 1
            size = self._segment_bytes
            self._segment = Segment.create(self.folder, number, self.stream, first, before, size=size)

        if await self._try(make):
            return True
        if await asyncio.to_thread(files.release_ballast, self.folder):
            log.error("access log: ballast released", folder=str(self.folder))
            if await self._try(make):
                return True
        self._retry_at = time.monotonic() + config.LOG_RETRY_S
        return False

    async def _prepare_spare(self) -> None:
        try:
            await asyncio.to_thread(files.prepare_spare, self.folder, self._segment_bytes)
        except OSError as error:
            log.warning("access log: no next file", errno=error.errno)

    def _begin_chapter(self) -> None:
        """What comes next stands on its own: what described it before may be in a file that cannot be read."""
        self._encoder, self._chapter = Encoder(), 0

    async def _try(self, work: Callable[[], None]) -> bool:
        try:
            await self._disk.do(work)
        except OSError as error:
            _tell(error)
            return False
        return True

    async def _to_database(self) -> bool:
        try:
            if not self._noted:  # before it is so: a start without the store must not number its blocks again
                await asyncio.to_thread(files.mark_elsewhere, self.folder, True)
                self._noted = True
            async with asyncio.timeout(config.LOG_DATABASE_TIMEOUT_S):
                while self._owed:
                    described = self._owed[0][1]
                    part = [block for block, known in self._owed if known is described]
                    await self._instead.put_run(runs.Run(self.stream, part, described))
                    del self._owed[: len(part)]
        except Exception as error:  # whatever it is, the next step of the ladder answers it
            log.error("access log to the database", kind=type(error).__name__)
            return False
        return True

    # Now and then.

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(config.LOG_HEAD_EVERY_S)
            try:
                async with self._one:
                    if await self._reopen() and not self._owed:
                        self._is(State.FILE)
                    await self._pay()
                await self._put_head()
                if self._segment is not None:
                    await asyncio.to_thread(files.keep_ballast, self.folder, self._ballast_bytes)
            except Exception as error:
                log.warning("access log head not told", kind=type(error).__name__)

    async def _put_head(self) -> None:
        number, hash_ = (
            (self._owed[0][0].number - 1, self._owed[0][0].before) if self._owed else (self._number, self._hash)
        )
        if number > self._told:
            await self._beside.put_head(self.stream, self.system, number, hash_)
            self._told = number

    async def _ship(self) -> None:
        month = datetime.now(UTC).month
        while True:
            await asyncio.sleep(config.LOG_SHIP_EVERY_S)
            try:
                await self.shipper.ship()
                for shipper in self._closed:
                    await shipper.ship(everything=True)
                if (now := datetime.now(UTC)).month != month:
                    await self._beside.prepare(now)
                    month = now.month
            except Exception as error:
                log.warning("access log not shipped", kind=type(error).__name__)


def _tell(error: OSError) -> None:
    log.error("access log file", errno=error.errno, kind=type(error).__name__)


class _All:
    """Tells once all parts of a record were told of: whether all are durable."""

    def __init__(self, parts: int, told: Told) -> None:
        self._left, self._told, self._durable = parts, told, True

    def __call__(self, durable: bool) -> None:
        self._left -= 1
        self._durable = self._durable and durable
        if not self._left:
            self._told(self._durable)


def _settle(future: asyncio.Future[bool], durable: bool) -> None:
    if not future.done():
        future.set_result(durable)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def in_one_block(waiting: Sequence[tuple[Record, object, int | None]]) -> int:
    """How many of these go into one block: one or more, as far as both limits let."""
    count = min(len(waiting), config.LOG_BLOCK_MAX_RECORDS)
    if sum([len(one[0].patients) for one in waiting[:count]]) <= config.LOG_BLOCK_MAX_PATIENTS:  # nearly always
        return count
    left = config.LOG_BLOCK_MAX_PATIENTS
    for n in range(count):
        left -= len(waiting[n][0].patients)
        if left < 0:
            return max(n, 1)
    return count
