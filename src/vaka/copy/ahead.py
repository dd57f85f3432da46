"""Lines of an answer, read while those before them are applied.

Invariants: what waits is bounded in bytes; nothing is given out of turn; an error of the answer is raised only once all that came
before it was taken. ``waiting`` tells whether more has come: who commits can then take it along, so that a copy that is behind
makes few large commits, and one that is not makes each at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from vaka import config


class Ahead:
    """Of one answer."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._lines: deque[bytes] = deque()
        self._size_bytes = 0
        self._came = asyncio.Event()
        self._taken = asyncio.Event()
        self._ended = False
        self._error: Exception | None = None

    @property
    def waiting(self) -> bool:
        return bool(self._lines)

    def forget(self) -> None:
        self._lines.clear()

    async def read(self, source: AsyncIterator[bytes]) -> None:
        """Reads ``source`` to its end."""
        try:
            async for line in source:
                self._lines.append(line)
                self._size_bytes += len(line)
                self._came.set()
                while self._size_bytes >= self._limit_bytes:
                    self._taken.clear()
                    await self._taken.wait()
        except Exception as error:
            self._error = error
        finally:
            self._ended = True
            self._came.set()

    def __aiter__(self) -> Ahead:
        return self

    async def __anext__(self) -> bytes:
        if not await self._there():
            raise StopAsyncIteration
        return self._next()

    async def some(self, count: int) -> list[bytes]:
        """What has come, at most ``count`` lines; at least one, once it comes; none at the end."""
        if not await self._there():
            return []
        return [self._next() for _ in range(min(count, len(self._lines)))]

    async def _there(self) -> bool:
        while not self._lines:
            if self._ended:
                if self._error is not None:
                    raise self._error
                return False
            self._came.clear()
            await self._came.wait()
        return True

    def _next(self) -> bytes:
        line = self._lines.popleft()
        self._size_bytes -= len(line)
        self._taken.set()
        return line


@asynccontextmanager
async def ahead(source: AsyncIterator[bytes], limit_bytes: int = config.COPY_BATCH_BYTES) -> AsyncIterator[Ahead]:
    """``source``, read ahead by at most ``limit_bytes`` and a line."""
    lines = Ahead(limit_bytes)
    reading = asyncio.create_task(lines.read(source))
    try:
        yield lines
    finally:
        reading.cancel()
        try:
            await asyncio.wait({reading})  # not the task itself: a stop that comes meanwhile would pass for its end
        finally:
            lines.forget()
