"""The journal killed, frozen and started again under load, and one of two copies killed: who reads must not notice.

Readers ask for sheets and resources in an open loop at half of what was answered before, or as often as the load can ask, which
shares its core with the journal that starts; a probe of its own process asks one copy each 10 ms; some writes go on, to the
journal or the reserve, since what waits for the journal must keep no reader waiting. A read that is not answered 200 by the copy
has failed.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import orjson
import psutil
import uvloop
from bench.clients import Clients
from bench.figure import Figure
from bench.load_client import drive, request
from bench.open_loop import Stream, offer
from bench.probe import Probe
from bench.running import ready
from bench.sheets_of import asked
from bench.site import Site, until

FROZEN_S: Final = 4.0
AFTER_S: Final = 2.0
GAP_MAX_S: Final = 0.25
CONNECTIONS_MIN: Final = 256
"""Else as many as ask within the longest gap that may be: who finds none free has failed."""
READS_PER_S_MAX: Final = 2_000.0
WRITES_PER_S: Final = 10.0
CLIENTS: Final = 32
RUN_MAX_S: Final = 75.0


def measure(site: Site) -> list[Figure]:
    found = asked(site)
    site.pin()
    peak = uvloop.run(drive("127.0.0.1", site.ports[0], _any_of(found.requests), connections=48, seconds=3)).per_second
    per_s = min(peak / 2, READS_PER_S_MAX)
    told = [
        _journal(site, found.requests, per_s, name, how)
        for name, how in (
            ("killed and started again", _kill),
            ("frozen", _freeze),
            ("killed with PostgreSQL", _kill_both),
        )
    ]
    answers = sum(one.answers for one in told)
    failed = sum(
        (Counter({f"{one.name}: {why}": count for why, count in one.failed.items()}) for one in told), Counter()
    )
    gap = max(told, key=lambda one: one.gap_ms)
    detail = "; ".join(f"{one.name}: {one.answers:,} reads, longest gap {one.gap_ms:.0f} ms" for one in told)
    load = f"load {per_s:,.0f} sheets/s (of {peak:,.0f}) and {WRITES_PER_S:g} writes/s"
    return [
        Figure("away", "journal killed, frozen, started again: failed reads", failed.total(), "", 0, 0, True,
               f"of {answers:,}; {load}; {dict(failed) or 'none'}"),
        Figure("away", "the same: longest gap between answers to a 10 ms probe", round(gap.gap_ms, 1), "ms",
               GAP_MAX_S * 1_000, 50, True, f"{detail}; {load}"),
        _copy(site, found.requests),
    ]  # fmt: skip


@dataclass(slots=True)
class _Told:
    name: str
    answers: int = 0
    gap_ms: float = 0.0
    failed: Counter[str] = field(default_factory=Counter)


def _any_of(requests: Sequence[bytes]) -> Callable[[], bytes]:
    return lambda: random.choice(requests)


def _journal(site: Site, requests: Sequence[bytes], per_s: float, name: str, how: Callable[[Site], None]) -> _Told:
    """One fault, and until the journal is back and a little longer. RuntimeError where it does not come back."""
    until(lambda: ready(site.place.port), "the journal is there")
    connections = max(CONNECTIONS_MIN, int(per_s * GAP_MAX_S))
    reads = Stream("reads", per_s, connections, _any_of(requests))
    body = orjson.dumps({"resourceType": "Patient", "name": [{"family": "Bench"}]})
    writes = Stream("writes", WRITES_PER_S, CONNECTIONS_MIN, lambda: request("POST", "/fhir/Patient", site.token, body))
    over = threading.Event()
    broken: list[Exception] = []

    def fault() -> None:
        try:
            time.sleep(AFTER_S)
            how(site)
            until(lambda: ready(site.place.port), "the journal is back")
            time.sleep(AFTER_S)
        except Exception as error:
            broken.append(error)
        over.set()

    with Probe(site.ports[0], requests[0]) as probe:
        thread = threading.Thread(target=fault)
        thread.start()
        uvloop.run(
            offer("127.0.0.1", site.ports[0], [reads, writes], warm_up_s=1.0, seconds=RUN_MAX_S, until=over.is_set)
        )
        thread.join()
    if broken:
        raise broken[0]
    seen = probe.told
    failed = Counter({str(status): count for status, count in reads.statuses.items() if status != 200})
    failed += Counter({"no answer": reads.unanswered, "no connection free": reads.turned_away}) + Counter(seen.failed)
    return _Told(name, reads.good + seen.answers, seen.gap_ms, failed)


def _kill(site: Site) -> None:
    os.kill(site.pid("journal"), signal.SIGKILL)
    until(lambda: not ready(site.place.port), "the journal is gone")


def _freeze(site: Site) -> None:
    journal = site.pid("journal")
    os.kill(journal, signal.SIGSTOP)
    time.sleep(FROZEN_S)
    if psutil.pid_exists(journal):
        os.kill(journal, signal.SIGCONT)


def _kill_both(site: Site) -> None:
    postgres = psutil.Process(site.pid("postgres"))
    for process in (psutil.Process(site.pid("journal")), postgres, *postgres.children(recursive=True)):
        process.kill()
    until(lambda: not ready(site.place.port), "the journal is gone")


def _copy(site: Site, requests: Sequence[bytes]) -> Figure:
    """All processes of the first copy are killed at once; each client asks the other when one does not answer."""
    until(lambda: all(map(ready, site.ports)), "both copies are there")
    with Clients(site.ports, requests, CLIENTS) as clients:
        time.sleep(AFTER_S)
        for process in site.copies[0].family():
            process.kill()
        until(lambda: not ready(site.ports[0]), "the copy is gone")
        until(lambda: ready(site.ports[0]), "the copy is back")
        time.sleep(AFTER_S)
    if not clients.retried:
        raise RuntimeError("no client met the copy that was killed")
    return Figure(
        "away", "one of two copies killed: failed reads of clients that know both, after one retry", len(clients.failed), "",
        0, 0, True, f"of {clients.answers:,} sheets that {CLIENTS} clients read, {clients.retried} after a retry; "
        f"{dict(Counter(clients.failed)) or 'none'}",
    )  # fmt: skip
