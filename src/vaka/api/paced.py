"""Answers that are sent no faster than they are read.

Granian takes whatever ``response_stream`` is given and keeps it until the reader has it; from a file it reads only what it
can send on. So a long answer goes through a pipe that it is told to read as a file. Invariants: of one answer this process
holds a pipe and a piece, not the rest; at most ``PACED_MAX`` answers are under way; a reader that takes nothing for
``PACED_IDLE_TIMEOUT_S`` is cut off, and sees it by the length that was announced. docs/decisions/0006-http.md.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Protocol

from vaka import config


class Sender(Protocol):
    """What is used of Granian's RSGI protocol object."""

    def response_file(self, status: int, headers: list[tuple[str, str]], file: str) -> None: ...


class Pacing:
    """Sends long answers, a bounded number at once."""

    def __init__(self, most: int = config.PACED_MAX, idle_timeout_s: float = config.PACED_IDLE_TIMEOUT_S) -> None:
        self._most = most
        self._idle_timeout_s = idle_timeout_s
        self._under_way = 0

    @property
    def full(self) -> bool:
        """Whether no more can be begun."""
        return self._under_way >= self._most

    async def send(
        self, protocol: Sender, status: int, headers: list[tuple[str, str]], stream: AsyncGenerator[bytes, None]
    ) -> None:
        """Sends ``stream``, which is of ``PACED_BYTES`` or more (it must fill a pipe) and whose length ``headers`` tell.
        OSError where the reader leaves, and where it stalls (TimeoutError)."""
        ours, into = os.pipe()
        self._under_way += 1
        try:
            os.set_blocking(into, False)
            protocol.response_file(status, headers, f"/proc/self/fd/{ours}")
            async with aclosing(stream):
                async for piece in stream:
                    left = memoryview(piece)
                    while left:
                        try:
                            left = left[os.write(into, left) :]
                        except BlockingIOError:
                            await self._room(into)
                            if ours >= 0:  # Granian reads from it by now: when it closes its end, the pipe must break
                                os.close(ours)
                                ours = -1
        finally:
            self._under_way -= 1
            os.close(into)
            if ours >= 0:
                os.close(ours)

    async def _room(self, into: int) -> None:
        """Until the pipe, which is full, takes something, or its reader has gone."""
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_writer(into, ready.set)
        try:
            async with asyncio.timeout(self._idle_timeout_s):
                await ready.wait()
        finally:
            loop.remove_writer(into)
