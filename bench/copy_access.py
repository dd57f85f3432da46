"""What a person's reading costs at a copy beside a program's that no rule and no log stands before: same rows, same run.

As ``bench.access`` does for the journal. A: people in many sessions at the copy's own port, each access durably logged. B: a
token with full rights at a second process on the same file, whose log is taken out (``bench.unlogged_copy``).
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import Final

import psycopg
import uvloop
from bench.access import READABLE, tokens_of
from bench.figure import Figure, ratio
from bench.load_client import drive as drive_once
from bench.load_client import request
from bench.site import Site
from bench.unlogged_copy import without
from bench.wrk import Load, drive, said

from vaka.fhir.definitions import type_name

CONNECTIONS: Final = (128, 64)
ROUNDS: Final = 5
SECONDS: Final = 3
ROWS: Final = 5_000
PEOPLE: Final = 40
"""At a unit: nobody asks more than a person does, and the door (``api.admission``) takes each for one."""
NAME: Final = "copy_access"


def measure(site: Site) -> list[Figure]:
    with psycopg.connect(site.place.dsn, autocommit=True) as connection:
        rows = connection.execute(READABLE, {"now": time.time_ns() // 1_000, "rows": ROWS}).fetchall()
    assert len(rows) > 500, f"only {len(rows)} rows can be read by somebody"
    tokens = tokens_of(site.place, {row[2]: row[3] for row in rows}, PEOPLE)
    asked = [(f"/fhir/{type_name(number)}/{id_}", unit) for number, id_, unit, _ in rows]
    people = [request("GET", address, token) for address, unit in asked for token in random.sample(tokens[unit], 1)]
    program = [request("GET", address, site.token) for address, _ in asked]
    _check(site, asked[0][0], tokens[asked[0][1]][0])
    _meet(site, [request("GET", address, token) for address, unit in _one_each(asked) for token in tokens[unit]])
    figures = []
    with without(site) as (port, pid):
        site.pin()
        serving = [site.pid("serve-1", 1)]
        for connections in CONNECTIONS:

            def a(connections: int = connections) -> Load:
                return drive(site.ports[0], people, connections=connections, seconds=SECONDS, server=serving)

            def b(connections: int = connections) -> Load:
                return drive(port, program, connections=connections, seconds=SECONDS, server=[pid])

            a(), b()
            runs = [(a(), b()) for _ in range(ROUNDS)]
            what = (
                f"reading by id at a copy with decision and durable log, {sum(map(len, tokens.values()))} people at "
                f"{len(tokens)} units, against reading without either, {connections} connections each"
            )
            name = NAME if connections == CONNECTIONS[0] else f"{NAME}, {connections} connections"
            ours, theirs = [one.per_second for one, _ in runs], [one.per_second for _, one in runs]
            figures.append(
                ratio(
                    name,
                    what,
                    ours,
                    theirs,
                    0.55,
                    0.7,
                    "/s",
                    said(runs),
                )
            )
    return figures


def _one_each(asked: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """An address for each unit."""
    return [(address, unit) for unit, address in {unit: address for address, unit in asked}.items()]


def _check(site: Site, address: str, token: str) -> None:
    """That the copy answers these itself: passed on, they would be the journal's figures."""
    for proof in (token, site.token):
        answer = site.ask(address, proof)
        assert answer.status_code == 200, answer.text
        assert answer.headers["vaka-answered-by"] == "copy"


def _meet(site: Site, requests: Sequence[bytes]) -> None:
    """Each session is seen once: who has not been seen yet waits among those who log in."""
    left = list(requests)
    uvloop.run(drive_once("127.0.0.1", site.ports[0], left.pop, connections=4, count=len(left)))
