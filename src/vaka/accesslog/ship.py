"""From files to the store (``accesslog.store``): runs of consecutive blocks, each once, in steps of which any can be the last.

Invariant: a kill between any two steps loses and doubles nothing: a run commits whole, what the tables cover is passed over
(``tables.put_run``), and a file goes only when all of it is there and a day old. A restored database is so given again what
the files still hold. Anyone may ship: the process that writes, and whoever wants to read what is newest.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from vaka import config, log
from vaka.accesslog import files, runs
from vaka.accesslog.blocks import Block
from vaka.accesslog.codec import Described
from vaka.accesslog.runs import Run, Turns
from vaka.accesslog.store import LogStore


class Shipper:
    """Ships the log in ``folder``. It remembers how far it has read, so that each look costs what is new. ``key``: as of
    ``blocks.sealed``; ``pause_s``: of ``Turns``, while it reads."""

    def __init__(self, folder: Path, store: LogStore, key: bytes | None = None, *, pause_s: float = 0.0) -> None:
        self._folder, self._key, self._pause_s = folder, key, pause_s
        self._store = store
        self._stream = ""
        self._at: tuple[int, int, bytes] | None = None  # segment, byte, hash before
        self._chapter = 0
        self._described: dict[int, Described] = {}
        self._waiting: list[Block] = []
        self._shipped = 0
        self._kept: set[Path] = set()
        self._one = asyncio.Lock()

    async def ship(self, *, everything: bool = False) -> int:
        """Ships what makes a whole run, or is old enough (``everything``: all); returns the number of blocks put."""
        async with self._one:
            return await self._ship(everything)

    async def _ship(self, everything: bool) -> int:
        if not self._stream:
            name = await asyncio.to_thread(files.stream_name, self._folder)
            self._stream = name if name is not None else ""
            if not self._stream:
                return 0
        put = 0
        while True:
            more = await asyncio.to_thread(self._read)
            while self._waiting:
                count = runs.take(self._waiting)
                whole = count < len(self._waiting)
                age_s = time.time() - self._waiting[0].time_us / 1_000_000
                if not (whole or everything or more or age_s >= config.LOG_SHIP_AGE_S):
                    break
                put += await self._put(self._waiting[:count])
                del self._waiting[:count]
            if not more:
                break
        if self._shipped:
            await self._remove_old()
        return put

    async def _remove_old(self) -> None:
        """Removes old files of which the tables have every block: what could not be read is in the file alone."""
        for path, first, last in await asyncio.to_thread(files.old, self._folder):
            if last > self._shipped:
                return
            covered = await self._store.covered(self._stream, first=first, last=last)
            following = first
            for begins, ends in covered:
                if begins > following:
                    break
                following = max(following, ends + 1)
            if following <= last:
                if path not in self._kept:
                    self._kept.add(path)
                    log.error("access log file kept: not all of it can be read", path=path.name, block=following)
                continue
            await asyncio.to_thread(path.unlink)

    async def _put(self, blocks: list[Block]) -> int:
        if blocks[0].chapter != self._chapter:
            self._described = await self._store.described(self._stream, blocks[0].chapter)
            self._chapter = blocks[0].chapter
        put = await self._store.put_run(Run(self._stream, blocks, self._described))
        self._shipped = max(self._shipped, blocks[-1].number)
        return put

    def _read(self) -> bool:
        """Reads on in the segment it is at, until what waits makes a run; whether there is more. While the store is away no more
        waits in memory than that."""
        known = files.segments(self._folder)
        if not known:
            return False
        if self._at is None or self._at[0] not in {number for number, _ in known}:
            self._at = (known[0][0], 0, b"")
        number, at, before = self._at
        following = next((other for other, _ in known if other > number), None)
        path = dict(known)[number]
        size, turns = sum(len(block.bare) for block in self._waiting), Turns(self._pause_s)
        for block, end in files.read_from(path, at, before, self._key):
            turns.rest()
            if len(self._waiting) > config.LOG_RUN_MAX_BLOCKS or size > config.LOG_RUN_BYTES:
                return True
            if not self._waiting or block.number > self._waiting[-1].number:
                self._waiting.append(block)
                size += len(block.bare)
            self._at = (number, end, block.hash)
        if following is not None:
            self._at = (following, 0, b"")
        return following is not None
