"""How long the slowest of a hundred sheets takes at half the peak, beside nginx at half its own: an open loop, the same bytes.

Peaks are measured in the same run, by wrk; the load is h2load's. Where that cannot offer half of nginx's peak, nginx gets what it
can: that is on nginx's side.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from statistics import median
from typing import Final

from bench.figure import Figure
from bench.h2load import Caller, times_ms
from bench.nginx import nginx
from bench.open_loop import Late
from bench.sheets_of import BROWSER, asked, get
from bench.site import Site
from bench.wrk import drive

CONNECTIONS: Final = 128
PEOPLE: Final = 4
"""Of whom each has some of the connections."""
ROUNDS: Final = 5
SECONDS: Final = 5
OFFERED_PART_MIN: Final = 33
TRIES: Final = 4


def measure(site: Site) -> list[Figure]:
    found = asked(site)
    files = {f"/{number}.json": body for number, body in enumerate(found.bodies)}
    headers = ("Accept: application/json", f"Accept-Encoding: {BROWSER}")
    of: dict[str, list[str]] = {}
    for address, token in found.sheets:
        of.setdefault(token, []).append(address)
    most = sorted(of, key=lambda token: len(of[token]))[-PEOPLE:]
    people = [Caller((*headers, f"Authorization: Bearer {token}"), of[token]) for token in most]
    same = [Caller(headers, list(files)) for _ in people]
    with nginx(files, {"Content-Encoding": found.encoding}) as (port, worker):
        site.pin()
        with suppress(PermissionError):  # what is measured is the servers, not who else wants this core
            os.setpriority(os.PRIO_PROCESS, 0, -15)
        of_files = [get(address, found.encoding) for address in files]
        peaks = _peak(site.ports[0], found.requests, site.pid("serve-1", 1)), _peak(port, of_files, worker.pid)
        sides = [
            (site.ports[0], people, _offered(site.ports[0], people, peaks[0])),
            (port, same, _offered(port, same, peaks[1])),
        ]
        runs = [[_in_time(*side) for side in sides] for _ in range(ROUNDS)]
    ours, theirs = (median(run[n] for run in runs) for n in (0, 1))
    told = [f"at {side[2]:,.0f}/s of {peak:,.0f}/s" for side, peak in zip(sides, peaks, strict=True)]
    if sides[0][2] < peaks[0] / 2:
        raise Late(f"the load could not offer half of this copy's peak: {told[0]}")
    return [Figure(
        "latency", f"p99 of sheets at half the peak ({found.said}), against nginx at half its own",
        round(ours / theirs, 2), "×", 3, 1.5, lower_is_better=True,
        detail=f"{ours:.2f} ms {told[0]} against {theirs:.2f} ms {told[1]} (medians of {ROUNDS} interleaved runs of {SECONDS} s)",
    )]  # fmt: skip


def _peak(port: int, requests: Sequence[bytes], pid: int) -> float:
    drive(port, requests, connections=CONNECTIONS, seconds=2, server=[pid])
    return drive(port, requests, connections=CONNECTIONS, seconds=3, server=[pid]).per_second


def _offered(port: int, callers: Sequence[Caller], peak: float) -> float:
    """Half the peak; or a half of that, and so on, until the load can offer it."""
    rate = peak / 2
    while rate > peak / OFFERED_PART_MIN:
        try:
            _p99_ms(port, callers, rate)
            return rate
        except Late:
            rate /= 2
    raise Late(f"the load cannot offer {rate:,.0f}/s in time")


def _in_time(port: int, callers: Sequence[Caller], rate: float) -> float:
    """As ``_p99_ms``; a run that could not be offered whole, since this machine stood still for a moment, is none: another one.
    Late where none can."""
    for _ in range(TRIES - 1):
        with suppress(Late):
            return _p99_ms(port, callers, rate)
    return _p99_ms(port, callers, rate)


def _p99_ms(port: int, callers: Sequence[Caller], rate: float) -> float:
    times = times_ms(port, callers, connections=CONNECTIONS, per_s=rate, seconds=SECONDS)
    return times[int(len(times) * 0.99)]
