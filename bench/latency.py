"""How long the slowest of a hundred sheets takes at half the peak, beside nginx at half its own: an open loop, the same bytes.

Peaks are measured in the same run, by wrk. An answer's time counts from when its request was due. The generator looks all the
time at what is due; where it was itself late, what it measured would be its own lateness: that is an error, not a figure. Where
it cannot offer half of nginx's peak, nginx gets what it can: that is on nginx's side.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from statistics import median
from typing import Final

import uvloop
from bench.figure import Figure
from bench.nginx import nginx
from bench.open_loop import Stream, offer
from bench.sheets_of import asked, get
from bench.site import Site
from bench.wrk import drive

CONNECTIONS: Final = 128
ROUNDS: Final = 3
SECONDS: Final = 5.0
WARM_UP_S: Final = 1.0
LATE_P99_MAX_S: Final = 0.001
OFFERED_PART_MIN: Final = 33


class Late(RuntimeError):
    """The load could not offer what it should in time."""


def measure(site: Site) -> list[Figure]:
    found = asked(site)
    files = {f"/{number}.json": body for number, body in enumerate(found.bodies)}
    with nginx(files, {"Content-Encoding": found.encoding}) as (port, worker):
        site.pin()
        with suppress(PermissionError):  # what is measured is the servers, not who else wants this core
            os.setpriority(os.PRIO_PROCESS, 0, -15)
        of_files = [get(address, found.encoding) for address in files]
        sides = [
            (site.ports[0], found.requests, _peak(site.ports[0], found.requests, site.pid("serve-1", 1))),
            (port, of_files, _peak(port, of_files, worker.pid)),
        ]
        halves = sides[0][2] / 2, _offered(*sides[1])
        runs = [[_p99_ms(*side[:2], half) for side, half in zip(sides, halves, strict=True)] for _ in range(ROUNDS)]
    ours, theirs = (median(run[n] for run in runs) for n in (0, 1))
    peak = sides[1][2]
    return [Figure(
        "latency", f"p99 of sheets at half the peak ({found.said}), against nginx at half its own",
        round(ours / theirs, 2), "×", 3, 1.5, lower_is_better=True,
        detail=f"{ours:.2f} ms at {halves[0]:,.0f}/s against {theirs:.2f} ms at {halves[1]:,.0f}/s of {peak:,.0f}/s "
            f"(medians of {ROUNDS} interleaved runs of {SECONDS:g} s)",
    )]  # fmt: skip


def _peak(port: int, requests: Sequence[bytes], pid: int) -> float:
    drive(port, requests, connections=CONNECTIONS, seconds=2, server=[pid])
    return drive(port, requests, connections=CONNECTIONS, seconds=3, server=[pid]).per_second


def _offered(port: int, requests: Sequence[bytes], peak: float) -> float:
    """Half the peak; or a half of that, and so on, until the load can offer it."""
    rate = peak / 2
    while rate > peak / OFFERED_PART_MIN:
        try:
            _p99_ms(port, requests, rate)
            return rate
        except Late:
            rate /= 2
    raise Late(f"the load cannot offer {rate:,.0f}/s in time")


def _p99_ms(port: int, requests: Sequence[bytes], rate: float) -> float:
    make: Callable[[], bytes] = lambda: random.choice(requests)  # noqa: E731
    stream = Stream("sheets", rate, CONNECTIONS, make)
    late = uvloop.run(offer("127.0.0.1", port, [stream], warm_up_s=WARM_UP_S, seconds=SECONDS, step_s=0.0))
    check(stream, late)
    return stream.quantile_ms(0.99)


def check(stream: Stream, late: Sequence[float]) -> None:
    """RuntimeError where not all was answered well; Late where the generator was, or could not send."""
    if set(stream.statuses) != {200} or stream.unanswered:
        raise RuntimeError(f"at half the peak: answers {stream.statuses}, {stream.unanswered} without an answer")
    if stream.turned_away:
        raise Late(f"{stream.turned_away} of {stream.due} found no connection at half the peak")
    worst = sorted(late)[int(len(late) * 0.99)]
    if worst > LATE_P99_MAX_S:
        raise Late(f"the load was {worst * 1_000:.1f} ms late in one of a hundred: it could not offer so much")
