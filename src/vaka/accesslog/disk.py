"""The thread that the access log's file work is done in, one piece after the other.

A ThreadPoolExecutor would do; what it and asyncio put around each call is half of what a block of the log costs.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeAlias

_Job: TypeAlias = tuple[Callable[[], None], "asyncio.Future[None]"]


class Disk:
    """Made and used within one event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="access-log", daemon=True)
        self._thread.start()

    def do(self, work: Callable[[], None]) -> asyncio.Future[None]:
        """Done when ``work`` is, or holds what it raised; cancelled, the work is still done."""
        future = self._loop.create_future()
        self._jobs.put((work, future))
        return future

    async def close(self) -> None:
        """Once everything that was asked for is done."""
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            work, future = job
            error: Exception | None = None
            try:
                work()
            except Exception as raised:
                error = raised
            self._loop.call_soon_threadsafe(_tell, future, error)


def _tell(future: asyncio.Future[None], error: Exception | None) -> None:
    if future.done():  # nobody waits any more
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
