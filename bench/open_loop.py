"""An open-loop HTTP/1.1 load generator: requests leave when their time has come, whatever has come back.

A stream has a rate and a number of keep-alive connections, each with one request under way, as many as a server takes from so
many callers. What is due and finds no free connection is turned away here, and counts as not answered: it could not be sent.
An answer's time counts from when its request was due, not from when it was sent (no coordinated omission). Answers must have
Content-Length.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from bench.load_client import take_answer

_STEP_S: Final = 0.001


class Late(RuntimeError):
    """The load could not offer what it should in time."""


@dataclass(slots=True)
class Stream:
    """One kind of request, and what came of it. ``make``: the bytes of the next; ``times_s``: of each 2xx."""

    name: str
    per_s: float
    connections: int
    make: Callable[[], bytes]
    due: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    turned_away: int = 0
    unanswered: int = 0
    times_s: list[float] = field(default_factory=list)

    @property
    def good(self) -> int:
        return len(self.times_s)

    def within(self, limit_s: float) -> float:
        """The part of what was due that was answered well within ``limit_s``."""
        return sum(one <= limit_s for one in self.times_s) / self.due if self.due else 1.0

    def quantile_ms(self, q: float) -> float:
        ordered = sorted(self.times_s)
        return ordered[min(int(len(ordered) * q), len(ordered) - 1)] * 1_000 if ordered else 0.0


class _Connection(asyncio.Protocol):
    def __init__(self, free: list[_Connection], run: _Run, stream: Stream) -> None:
        self._free, self._run, self._stream = free, run, stream
        self._buffer = bytearray()
        self._due: float | None = None
        self._transport: asyncio.Transport | None = None

    @property
    def waits(self) -> bool:
        """Whether a request that counts has had no answer yet."""
        return self._due is not None and self._run.counts(self._due)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._free.append(self)

    def send(self, request: bytes, due: float) -> None:
        assert self._transport is not None
        if not self._transport.is_closing():  # else it stays without an answer
            self._due = due
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        status, due = take_answer(self._buffer), self._due
        if status is None:
            return
        self._due = None
        self._free.append(self)
        if due is not None and self._run.counts(due):
            statuses = self._stream.statuses
            statuses[status] = statuses.get(status, 0) + 1
            if 200 <= status < 300:
                self._stream.times_s.append(time.perf_counter() - due)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        if self in self._free:
            self._free.remove(self)


@dataclass(slots=True)
class _Run:
    """The time within which what is due counts."""

    begins: float
    ends: float

    def counts(self, due: float) -> bool:
        return self.begins <= due < self.ends


async def offer(
    host: str, port: int, streams: Sequence[Stream], *, warm_up_s: float, seconds: float, patience_s: float = 3.0,
    step_s: float = _STEP_S, until: Callable[[], bool] | None = None,
) -> list[float]:  # fmt: skip
    """Offers all ``streams`` at once, and counts what is due in the ``seconds`` after ``warm_up_s``, or ``until`` that is so.
    Answers are waited for as long as ``patience_s`` after the end. ``step_s``: how long it rests between looks at what is due, 0:
    not at all. How late what counts was sent, in seconds."""
    loop = asyncio.get_running_loop()
    run = _Run(0.0, 0.0)
    free: list[list[_Connection]] = [[] for _ in streams]
    every: list[_Connection] = []
    for stream, idle in zip(streams, free, strict=True):
        for _ in range(stream.connections):
            _, made = await loop.create_connection(lambda i=idle, s=stream: _Connection(i, run, s), host, port)  # type: ignore[misc]
            every.append(made)
    chance = random.Random(1)
    began = time.perf_counter()
    run.begins, run.ends = began + warm_up_s, began + warm_up_s + seconds
    following = [began + chance.expovariate(stream.per_s) if stream.per_s else run.ends for stream in streams]
    late: list[float] = []
    while (now := time.perf_counter()) < run.ends and not (until is not None and until()):
        for number, stream in enumerate(streams):
            due, idle = following[number], free[number]
            while due <= now:
                counts = run.counts(due)
                stream.due += counts
                if idle:
                    idle.pop(chance.randrange(len(idle))).send(stream.make(), due)
                    if counts:
                        late.append(time.perf_counter() - due)
                else:
                    stream.turned_away += counts
                due += chance.expovariate(stream.per_s)
            following[number] = due
        await asyncio.sleep(step_s)
    patience = time.perf_counter() + patience_s
    while time.perf_counter() < patience and any(one.waits for one in every):
        await asyncio.sleep(0.01)
    for one in every:
        one.close()
    for stream in streams:
        stream.unanswered = stream.due - stream.turned_away - sum(stream.statuses.values())
    return late
