"""All ask at once: 1, 2, 5 and 10 times what the server can answer, in an open loop.

The serving process, of a journal or (``bench.copy_overload``) of a copy, is held down to a part of its core, so that the other
core can offer ten times what that answers. A fifth of the capacity is urgent at every level (people whose patient is open: one
cannot have more of the important than there is in all); the rest are people's reads, a program's, and what browsers fetch ahead.
Peak: the most that it answers of what it has answered at that level, in the same shares of each class: a person's read costs
a third more than a program's, and at ten times the capacity people are all that is answered. It is measured between two
halves of the level, several rounds of them: the speed of a machine that others share is not the same for long.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

import psycopg
import uvloop
from bench.access import READABLE, tokens_of
from bench.figure import Figure, sized
from bench.load_client import drive, request
from bench.open_loop import Late, Stream, offer
from bench.place import API_CORE, Place
from bench.quota import held_down

from vaka.api.admission import Class, Shared
from vaka.fhir.definitions import type_name

LEVELS: Final = (1, 2, 5, 10)
PART: Final = 0.3
ROUNDS: Final = 7
URGENT_PART: Final = 0.12
REST: Final = {Class.READ: 0.5, Class.INTEGRATION: 0.3, Class.BACKGROUND: 0.2}
MIX: Final = {Class.URGENT: URGENT_PART, **{class_: part * (1 - URGENT_PART) for class_, part in REST.items()}}
"""At once the capacity."""
CONNECTIONS: Final = {Class.URGENT: 100, Class.READ: 400, Class.INTEGRATION: 200, Class.BACKGROUND: 100}
PEAK_CONNECTIONS: Final = 48
PEAK_IDLE: Final = sum(CONNECTIONS.values()) - PEAK_CONNECTIONS
"""So that the peak is of as many callers as are offered: with the 48 alone a server answers 7 % more (2026-11-30)."""
PEAK_S: Final = 4.0
WARM_UP_S: Final = 3.0
SECONDS: Final = float(sized("overload_s", 4))
"""Of each half."""
LIMIT_S: Final = 0.25
LATE_P99_MAX_S: Final = LIMIT_S / 5
"""Of the load: above, it is its own lateness that would be measured."""
ROWS: Final = 5_000
READERS: Final = 192
READERS_AT_ONCE: Final = 48


@dataclass(slots=True)
class Asking:
    """What callers of each class ask: a read by id."""

    place: Place
    urgent: list[bytes]
    reads: Iterator[bytes]
    program: list[bytes]
    ahead: list[bytes]

    def of(self, class_: Class) -> Callable[[], bytes]:
        match class_:
            case Class.URGENT:
                return lambda: random.choice(self.urgent)
            case Class.READ:
                return self._read
            case Class.INTEGRATION:
                return lambda: random.choice(self.program)
        return lambda: random.choice(self.ahead)

    def _read(self) -> bytes:
        """What a session has been shown is urgent when it asks again. RuntimeError where each has seen all."""
        try:
            return next(self.reads)
        except StopIteration:
            raise RuntimeError("each reader has seen every patient: measure with more (VAKA_BENCH_PATIENTS)") from None

    def mixed(self, shares: Mapping[Class, float]) -> Callable[[], bytes]:
        """One of a mix."""
        makes = [self.of(class_) for class_ in shares]
        weights = list(itertools.accumulate(shares.values()))

        def make() -> bytes:
            (one,) = random.choices(makes, cum_weights=weights)
            return one()

        return make


def asking_of(place: Place) -> Asking:
    with psycopg.connect(place.dsn, autocommit=True) as connection:
        rows = connection.execute(READABLE, {"now": time.time_ns() // 1_000, "rows": ROWS}).fetchall()
        patients = [row[0] for row in connection.execute(
            "SELECT id FROM resource WHERE NOT deleted AND patient = rkey ORDER BY rkey LIMIT 400"
        )]  # fmt: skip
    units = {row[2]: row[3] for row in rows}
    tokens = tokens_of(place, units)
    addresses = [(f"/fhir/{type_name(number)}/{id_}", random.choice(tokens[unit])) for number, id_, unit, _ in rows]
    # Other sessions, to each of which each patient is new: what it has not been shown is not open to it.
    others = list(zip(*tokens_of(place, units, READERS).values(), strict=True))
    random.shuffle(patients)
    ahead = "\r\nSec-Purpose: prefetch"
    return Asking(
        place,
        [request("GET", address, token) for address, token in addresses],
        (request("GET", f"/fhir/Patient/{patient}", token) for patient, token in _unseen(patients, others)),
        [request("GET", address, place.token) for address, _ in addresses],
        [request("GET", address, token + ahead) for address, token in addresses],
    )


def _unseen(patients: Sequence[str], tokens: Sequence[Sequence[str]]) -> Iterator[tuple[str, str]]:
    """Each patient with each token once, ``READERS_AT_ONCE`` people of each unit by turns."""
    for first in range(0, len(tokens), READERS_AT_ONCE):
        readers = list(itertools.chain.from_iterable(tokens[first : first + READERS_AT_ONCE]))
        for turn in range(len(patients)):
            for number, token in enumerate(readers):
                yield patients[(turn + number) % len(patients)], token


def _streams(asking: Asking, level: float, capacity: float) -> list[Stream]:
    rates = {Class.URGENT: URGENT_PART * capacity}
    rates |= {class_: part * (level - URGENT_PART) * capacity for class_, part in REST.items()}
    return [Stream(c.name.lower(), rate, CONNECTIONS[c], asking.of(c)) for c, rate in rates.items()]


def measure(place: Place) -> list[Figure]:
    asking = asking_of(place)
    place.pin(postgres=API_CORE)  # which is held down: there is room for it there, and the load takes all of the other
    return measured("overload", asking, place.port, place.pid("journal"), place.data / "run" / "admission")


@dataclass(slots=True)
class _Level:
    """What came of one level, a round after the other. ``ratios``: of good answers to the peak of their mix, or to what was due
    where that is less: more than is asked nobody can answer."""

    ratios: list[float] = field(default_factory=list)
    good: list[float] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)
    urgent_due: int = 0
    urgent_in_time: float = 0.0
    urgent_ms: list[float] = field(default_factory=list)
    how: str = ""

    def add(self, halves: Sequence[list[Stream]], peak: float, how: str) -> None:
        every = [stream for streams in halves for stream in streams]
        seconds = SECONDS * len(halves)
        good = sum(stream.good for stream in every) / seconds
        self.ratios.append(good / min(peak, sum(stream.due for stream in every) / seconds))
        self.good.append(good)
        self.peaks.append(peak)
        for urgent, *_ in halves:
            self.urgent_due += urgent.due
            self.urgent_in_time += urgent.within(LIMIT_S) * urgent.due
            self.urgent_ms += [one * 1_000 for one in urgent.times_s]
        said = "; ".join(f"{s.name} {s.good / SECONDS:,.0f}/s of {s.due / SECONDS:,.0f}/s" for s in halves[-1])
        self.how = f"answered of due at the end: {said}; {how}"


def measured(name: str, asking: Asking, port: int, pid: int, admission: Path) -> list[Figure]:
    """The figures of the serving process ``pid``. ``admission``: where its door tells of itself. Late where the load was."""
    levels = {level: _Level() for level in LEVELS}
    _peak(port, asking, MIX)  # at its full speed: who has not been seen yet waits among those who log in
    with held_down(pid, PART):
        for _ in range(ROUNDS):
            capacity = _peak(port, asking, MIX)
            for level, found in levels.items():
                halves = [_streams(asking, level, capacity) for _ in range(2)]
                late = _offered(port, halves[0])
                peak = _peak(port, asking, {class_: stream.good for class_, stream in zip(MIX, halves[0], strict=True)})
                late += _offered(port, halves[1])
                how = f"{_told(admission)}; the load {late_ms(late, level):.0f} ms late in one of a hundred"
                found.add(halves, peak, how)
    figures = []
    for level, one in levels.items():
        rounds = ", ".join(f"{ratio:.2f}" for ratio in one.ratios)
        times = sorted(one.urgent_ms) or [0.0]
        figures.append(Figure(
            name, f"{level} × of capacity offered: goodput of peak", round(median(one.ratios), 3), "×", 0.9, 0.95,
            detail=f"{median(one.good):,.0f}/s of {median(one.peaks):,.0f}/s at {PART:.0%} of a core (rounds {rounds}); "
            f"{one.how}",
        ))  # fmt: skip
        figures.append(Figure(
            name, f"{level} × of capacity offered: urgent within {LIMIT_S * 1_000:.0f} ms",
            round(one.urgent_in_time / max(one.urgent_due, 1) * 100, 3), "%", 99.9, 100,
            detail=f"{one.urgent_due} due, {len(one.urgent_ms)} answered, p50 {times[len(times) // 2]:.0f} ms, "
            f"p99.9 {times[min(int(len(times) * 0.999), len(times) - 1)]:.0f} ms",
        ))  # fmt: skip
    return figures


def _offered(port: int, streams: list[Stream]) -> list[float]:
    """Offers them; how late each was."""
    return uvloop.run(offer("127.0.0.1", port, streams, warm_up_s=WARM_UP_S, seconds=SECONDS))


def _peak(port: int, asking: Asking, mix: Mapping[Class, float]) -> float:
    """Good answers a second, to as many callers as are offered, some of whom always ask again as soon as there is an answer."""
    make = asking.mixed(mix)
    uvloop.run(drive("127.0.0.1", port, make, connections=PEAK_CONNECTIONS, idle=PEAK_IDLE, seconds=PEAK_S / 4))
    run = uvloop.run(drive("127.0.0.1", port, make, connections=PEAK_CONNECTIONS, idle=PEAK_IDLE, seconds=PEAK_S))
    return run.statuses.get(200, 0) / run.seconds


def late_ms(late: Sequence[float], level: int) -> float:
    worst = sorted(late)[int(len(late) * 0.99)]
    if worst > LATE_P99_MAX_S:
        raise Late(
            f"at {level} × the load was {worst * 1_000:.0f} ms late in one of a hundred: it could not offer so much"
        )
    return worst * 1_000


def _told(admission: Path) -> str:
    """What the door says of itself."""
    return "; ".join(f"limit {slot.limit}, showing {slot.step.name.lower()}" for slot in Shared.look(admission))
