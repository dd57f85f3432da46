"""All ask at once: 1, 2, 5 and 10 times what the server can answer, in an open loop.

The serving process, of a journal or (``bench.copy_overload``) of a copy, is held down to a part of its core, so that the other
core can offer ten times what that answers. A fifth of the capacity is urgent at every level (people whose patient is open: one
cannot have more of the important than there is in all); the rest are people's reads, a program's, and what browsers fetch ahead.
Peak: the most that it answers of the same mix.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
import uvloop
from bench.access import READABLE, tokens_of
from bench.figure import Figure, sized
from bench.load_client import drive, request
from bench.open_loop import Late, Stream, offer
from bench.place import Place
from bench.quota import held_down

from vaka.api.admission import Class, Shared
from vaka.fhir.definitions import type_name

LEVELS: Final = (1, 2, 5, 10)
PART: Final = 0.2
URGENT_PART: Final = 0.12
REST: Final = {Class.READ: 0.5, Class.INTEGRATION: 0.3, Class.BACKGROUND: 0.2}
CONNECTIONS: Final = {Class.URGENT: 100, Class.READ: 400, Class.INTEGRATION: 200, Class.BACKGROUND: 100}
PEAK_CONNECTIONS: Final = 48
PEAK_S: Final = 6.0
WARM_UP_S: Final = 4.0
SECONDS: Final = float(sized("overload_s", 10))
LIMIT_S: Final = 0.25
LATE_P99_MAX_S: Final = LIMIT_S / 5
"""Of the load: above, it is its own lateness that would be measured."""
ROWS: Final = 5_000
READERS: Final = 3


@dataclass(slots=True)
class Asking:
    """What callers of each class ask. Each kind is a read by id, so that all cost the same."""

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
                return lambda: next(self.reads)
            case Class.INTEGRATION:
                return lambda: random.choice(self.program)
        return lambda: random.choice(self.ahead)

    def mixed(self) -> bytes:
        """One of the mix at once the capacity."""
        if random.random() < URGENT_PART:
            return self.of(Class.URGENT)()
        return self.of(random.choices(list(REST), list(REST.values()))[0])()


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
    others = [token for _ in range(READERS) for some in tokens_of(place, units).values() for token in some]
    pairs = list(itertools.product(patients, others))
    random.shuffle(pairs)
    ahead = "\r\nSec-Purpose: prefetch"
    return Asking(
        place,
        [request("GET", address, token) for address, token in addresses],
        (request("GET", f"/fhir/Patient/{patient}", token) for patient, token in itertools.cycle(pairs)),
        [request("GET", address, place.token) for address, _ in addresses],
        [request("GET", address, token + ahead) for address, token in addresses],
    )


def _streams(asking: Asking, level: float, capacity: float) -> list[Stream]:
    rates = {Class.URGENT: URGENT_PART * capacity}
    rates |= {class_: part * (level - URGENT_PART) * capacity for class_, part in REST.items()}
    return [Stream(c.name.lower(), rate, CONNECTIONS[c], asking.of(c)) for c, rate in rates.items()]


def measure(place: Place) -> list[Figure]:
    asking = asking_of(place)
    place.pin()
    return measured("overload", asking, place.port, place.pid("journal"), place.data / "run" / "admission")


def measured(name: str, asking: Asking, port: int, pid: int, admission: Path) -> list[Figure]:
    """The figures of the serving process ``pid``. ``admission``: where its door tells of itself. Late where the load was."""
    found: list[tuple[list[Stream], float, str]] = []
    _peak(port, asking)  # at its full speed: who has not been seen yet waits among those who log in
    with held_down(pid, PART):
        before = _peak(port, asking)
        for level in LEVELS:
            streams = _streams(asking, level, before)
            late = uvloop.run(offer("127.0.0.1", port, streams, warm_up_s=WARM_UP_S, seconds=SECONDS))
            how = f"{_told(admission)}; the load {late_ms(late, level):.0f} ms late in one of a hundred"
            after = _peak(port, asking)
            found.append((streams, (before + after) / 2, how))
            before = after
    figures = []
    for level, (streams, peak, how) in zip(LEVELS, found, strict=True):
        urgent, good = streams[0], sum(stream.good for stream in streams) / SECONDS
        said = "; ".join(f"{s.name} {s.good / SECONDS:,.0f}/s of {s.due / SECONDS:,.0f}/s" for s in streams)
        figures.append(Figure(
            name, f"{level} × of capacity offered: goodput of peak", round(good / peak, 3), "×", 0.9, 0.95,
            detail=f"{good:,.0f}/s of {peak:,.0f}/s at {PART:.0%} of a core; answered of due: {said}; {how}",
        ))  # fmt: skip
        figures.append(Figure(
            name, f"{level} × of capacity offered: urgent within {LIMIT_S * 1_000:.0f} ms",
            round(urgent.within(LIMIT_S) * 100, 3), "%", 99.9, 100,
            detail=f"{urgent.due} due, {urgent.statuses}, p50 {urgent.quantile_ms(0.5):.0f} ms, "
            f"p99.9 {urgent.quantile_ms(0.999):.0f} ms",
        ))  # fmt: skip
    return figures


def _peak(port: int, asking: Asking) -> float:
    """Good answers a second, to who asks again as soon as the answer is there. Measured before and after each level: the speed of
    a machine that others share is not the same all the time."""
    uvloop.run(drive("127.0.0.1", port, asking.mixed, connections=PEAK_CONNECTIONS, seconds=PEAK_S / 4))
    run = uvloop.run(drive("127.0.0.1", port, asking.mixed, connections=PEAK_CONNECTIONS, seconds=PEAK_S))
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
