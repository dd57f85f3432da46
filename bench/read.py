"""Read by id over HTTP, against the same driver's bare SELECT of the same rows: without the access log, as issue 2 asks, and as
it is served."""

from __future__ import annotations

import random
import subprocess
import sys

import psycopg
import uvloop
from bench.figure import Figure, ratio
from bench.load_client import drive, request
from bench.place import Place
from bench.without import without

CONNECTIONS = 32
ROUNDS = 5
SECONDS = 3.0


def bare(place: Place, mode: str, connections: int, seconds: float, *more: str) -> float:
    """Operations a second of the bare driver, in a process of its own on the API's core."""
    command = [sys.executable, "-m", "bench.bare", mode, place.dsn, str(connections), str(seconds), *more]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure(place: Place) -> list[Figure]:
    with psycopg.connect(place.dsn, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS bench_keys")
        connection.execute(
            "CREATE TABLE bench_keys AS SELECT rkey, id FROM resource WHERE NOT deleted AND type ="
            " (SELECT type FROM resource GROUP BY type ORDER BY count(*) DESC LIMIT 1) LIMIT 5000"
        )
        ids = [row[0] for row in connection.execute("SELECT id FROM bench_keys").fetchall()]
        kind = connection.execute(
            "SELECT type FROM resource WHERE rkey = (SELECT rkey FROM bench_keys LIMIT 1)"
        ).fetchone()
    from vaka.fhir.definitions import type_name

    assert kind is not None
    type_ = type_name(kind[0])
    what = f"read by id over HTTP against bare SELECTs of the same {type_}s, {CONNECTIONS} connections each"
    found = []
    with without(place) as other:
        place.pin()
        for name, port, said in (
            ("read", other, what),
            ("read, logged", place.port, what + ", each read durably logged"),
        ):
            ours, theirs = [], []
            for _ in range(ROUNDS):
                run = uvloop.run(
                    drive(
                        "127.0.0.1",
                        port,
                        lambda: request("GET", f"/fhir/{type_}/{random.choice(ids)}", place.token),
                        connections=CONNECTIONS,
                        seconds=SECONDS,
                    )
                )
                assert set(run.statuses) == {200}, run.statuses
                ours.append(run.per_second)
                theirs.append(bare(place, "read", CONNECTIONS, SECONDS))
            found.append(ratio(name, said, ours, theirs, 0.5, 0.7, "/s"))
    return found
