"""What a person's reading costs beside a program's that no rule and no log stands before: same rows, same run.

A: people in many sessions, each reading what the rules let them read, each access durably logged. B: a token with full rights at
a second API process on the same database, whose log is taken out (``bench.unlogged``).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import psycopg
import uvloop
from bench.figure import Figure, ratio
from bench.load_client import Run, drive, request
from bench.place import Place
from bench.without import without

from vaka.access.session import Assignment
from vaka.api import sessions
from vaka.api.keyring import Keyring
from vaka.fhir.definitions import type_name

CONNECTIONS = (128, 64)
"""The journal of a region at its busiest, and a quieter one: the more wait for the disk together, the less each costs."""
ROUNDS = 5
SECONDS = 3.0
ROWS = 5_000
PEOPLE_AT_A_UNIT = 4

READABLE = """
SELECT r.type, r.id, o.unit, o.provider FROM resource r JOIN owner o USING (owner)
WHERE NOT r.deleted AND r.patient IS NOT NULL AND o.unit IS NOT NULL AND o.kind NOT IN ('person', 'consent')
  AND EXISTS (SELECT 1 FROM care_relation c WHERE c.patient = r.patient AND c.unit = o.unit
              AND c.from_us <= %(now)s AND c.until_us > %(now)s + 3600000000)
ORDER BY r.rkey LIMIT %(rows)s
"""


def tokens_of(place: Place, units: dict[str, str], people: int = PEOPLE_AT_A_UNIT) -> dict[str, list[str]]:
    """Sessions of the people at each unit."""
    made = sessions.Sessions(Keyring(place.data, "session"))
    return {
        unit: [
            made.make(sessions.begin(
                person=f"TSTBENCH-{unit}-{n}"[:60], practitioner=f"bench-{n}", name="Bench", way="demo",
                assignment=Assignment(f"bench-{unit}-{n}"[:60], unit, provider, title="Bench"),
            ))
            for n in range(people)
        ]
        for unit, provider in units.items()
    }  # fmt: skip


def measure(place: Place) -> list[Figure]:
    with psycopg.connect(place.dsn, autocommit=True) as connection:
        values = {"now": time.time_ns() // 1_000, "rows": ROWS}
        rows = connection.execute(READABLE, values).fetchall()
    assert len(rows) > 500, f"only {len(rows)} rows can be read by somebody"
    tokens = tokens_of(place, {row[2]: row[3] for row in rows})
    asked = [(f"/fhir/{type_name(number)}/{id_}", unit) for number, id_, unit, _ in rows]

    def by_people() -> bytes:
        address, unit = random.choice(asked)
        return request("GET", address, random.choice(tokens[unit]))

    def by_program() -> bytes:
        return request("GET", random.choice(asked)[0], place.token)

    def run(port: int, make: Callable[[], bytes], connections: int) -> Run:
        done = uvloop.run(drive("127.0.0.1", port, make, connections=connections, seconds=SECONDS))
        assert set(done.statuses) == {200}, done.statuses
        return done

    people = sum(len(one) for one in tokens.values())
    figures = []
    with without(place) as other:
        place.pin()
        for connections in CONNECTIONS:
            run(place.port, by_people, connections)
            run(other, by_program, connections)
            ours, theirs = [], []
            for _ in range(ROUNDS):
                ours.append(run(place.port, by_people, connections).per_second)
                theirs.append(run(other, by_program, connections).per_second)
            what = (
                f"reading by id with decision and durable log, {people} people at {len(tokens)} units, against reading"
                f" without either, {connections} connections each"
            )
            name = "access" if connections == CONNECTIONS[0] else f"access, {connections} connections"
            figures.append(ratio(name, what, ours, theirs, 0.75, 0.75, "/s"))
    return figures
