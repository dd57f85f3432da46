"""Lines of the feed read, and what follows from each alone made, by processes beside the follower: while it has much to catch
up with.

Invariants: a worker makes what the follower would make, by the same functions; lines keep their order; what is under way is
bounded; a worker ends with its parent; where one fails, the follower does its work itself.
"""

from __future__ import annotations

import asyncio
import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import replace
from typing import Final, TypeAlias

from vaka import config, log
from vaka.copy.ahead import Ahead
from vaka.copy.lines import Broken, Line, Version, read
from vaka.copy.rows import make
from vaka.process import PR_SET_PDEATHSIG, leave_evidence
from vaka.store.codec import Codec

Read: TypeAlias = tuple[list[Line], str | None]
"""Lines up to the first that is broken, and what is wrong with that one."""
_NICE: Final = 5  # what answers goes before
_codec: Codec | None = None


class Workers:
    """``dictionaries``: of the file that is filled."""

    def __init__(self, dictionaries: Mapping[int, bytes]) -> None:
        count = max(1, min((os.cpu_count() or 2) - 1, config.COPY_WORKERS_MAX))
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(count, context, initializer=_begin, initargs=(dict(dictionaries),))
        self._broken = False
        self.ended = False
        log.info("catching up with workers", workers=count)

    def close(self) -> None:
        """No more is begun; what is under way is still given."""
        self.ended = True
        self._pool.shutdown(wait=False)

    async def read(self, coming: Ahead) -> AsyncIterator[Line]:
        """Lines in their order, until ``coming`` or this has ended. Broken: what comes next is not the feed."""
        under_way: asyncio.Queue[asyncio.Task[Read] | None] = asyncio.Queue()
        room = asyncio.Semaphore(config.COPY_WORKER_CHUNKS)
        sending = asyncio.create_task(self._send(coming, under_way, room))
        try:
            while (chunk := await under_way.get()) is not None:
                made, broken = await chunk
                room.release()
                for line in made:
                    yield line
                if broken is not None:
                    raise Broken(broken)
            await sending
        finally:
            sending.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await sending
            while not under_way.empty():
                if (left := under_way.get_nowait()) is not None:
                    left.cancel()

    async def _send(
        self, coming: Ahead, under_way: asyncio.Queue[asyncio.Task[Read] | None], room: asyncio.Semaphore
    ) -> None:
        try:
            while not self.ended and (texts := await coming.some(config.COPY_WORKER_LINES)):
                await room.acquire()
                under_way.put_nowait(asyncio.create_task(self._read(texts)))
        finally:
            under_way.put_nowait(None)

    async def _read(self, texts: Sequence[bytes]) -> Read:
        if not self.ended and not self._broken:
            try:
                return await asyncio.wrap_future(self._pool.submit(read_all, texts))
            except BrokenProcessPool as error:
                self._broken = True
                log.error("workers have ended: what they did is done here", exception=error)
        return _read_with(texts, None)


def _begin(dictionaries: Mapping[int, bytes]) -> None:
    global _codec  # noqa: PLW0603  one worker is one process
    leave_evidence()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    os.nice(_NICE)
    _codec = Codec(dict(dictionaries))


def read_all(texts: Sequence[bytes]) -> Read:
    """In a worker."""
    return _read_with(texts, _codec)


def _read_with(texts: Sequence[bytes], codec: Codec | None) -> Read:
    made: list[Line] = []
    for text in texts:
        try:
            line = read(text)
        except Broken as error:
            return made, error.message
        if codec is not None and isinstance(line, Version) and line.body is not None:
            line = replace(line, made=make(line.body, line.patient, codec))
        made.append(line)
    return made, None
