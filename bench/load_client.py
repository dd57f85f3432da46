"""A small HTTP/1.1 load generator: keep-alive connections on asyncio, as many requests under way as connections.

Closed loop: each connection sends its next request when it has its answer. Answers must have Content-Length.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast


@dataclass(slots=True)
class Run:
    """What a run did: answers by status, seconds, and each answer's time in ms."""

    seconds: float = 0.0
    statuses: dict[int, int] = field(default_factory=dict)
    times_ms: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return sum(self.statuses.values()) / self.seconds if self.seconds else 0.0

    def quantile_ms(self, q: float) -> float:
        ordered = sorted(self.times_ms)
        return ordered[min(int(len(ordered) * q), len(ordered) - 1)] if ordered else 0.0


def take_answer(buffer: bytearray) -> int | None:
    """Takes an answer out of what was received; its status. None where it is not there in whole."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = bytes(buffer[:end]).lower()
    at = head.find(b"content-length: ")
    length = int(head[at + 16 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
    if len(buffer) < end + 4 + length:
        return None
    del buffer[: end + 4 + length]
    return int(head[9:12])


class _Connection(asyncio.Protocol):
    """``ready``: is told that it can send."""

    def __init__(self, ready: Callable[[_Connection], None], run: Run, done: asyncio.Future[None]) -> None:
        self._ready = ready
        self._run = run
        self._done = done
        self._buffer = bytearray()
        self._sent = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ready(self)

    def send(self, request: bytes) -> None:
        assert self._transport is not None
        self._sent = time.perf_counter()
        self._transport.write(request)

    def close(self) -> None:
        assert self._transport is not None
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        status = take_answer(self._buffer)
        if status is None:
            return
        self._run.statuses[status] = self._run.statuses.get(status, 0) + 1
        self._run.times_ms.append((time.perf_counter() - self._sent) * 1_000)
        self._ready(self)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(None)


async def drive(
    host: str, port: int, make: Callable[[], bytes], *, connections: int, seconds: float = 0.0, count: int = 0, idle: int = 0
) -> Run:  # fmt: skip
    """Sends what ``make`` gives, for ``seconds`` or ``count`` requests in all, on ``connections`` at once. ``idle``: so many more
    are open, and each request goes out on whichever has none under way: a server does not have the few that ask at hand."""
    run = Run()
    loop = asyncio.get_running_loop()
    end = time.perf_counter() + seconds if seconds else float("inf")
    left = count or -1
    free: list[_Connection] = []

    def ready(one: _Connection) -> None:
        nonlocal left
        free.append(one)
        if len(every) <= idle:
            return
        if left == 0 or time.perf_counter() >= end:
            for each in free:
                each.close()
            free.clear()
            return
        left -= 1
        chosen = random.randrange(len(free))
        free[chosen], free[-1] = free[-1], free[chosen]
        free.pop().send(make())

    began = time.perf_counter()
    every: list[asyncio.Future[None]] = []
    for _ in range(connections + idle):
        done: asyncio.Future[None] = loop.create_future()
        every.append(done)
        await loop.create_connection(lambda done=done: _Connection(ready, run, done), host, port)  # type: ignore[misc]
    await asyncio.gather(*every)
    run.seconds = time.perf_counter() - began
    return run


def request(
    method: str, path: str, token: str, body: bytes = b"", content_type: str = "application/fhir+json"
) -> bytes:
    """The bytes of one request."""
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
    if body:
        head += f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body
