"""Create over HTTP, against bare inserts of the same rows with the same indexes."""

from __future__ import annotations

import tempfile
from pathlib import Path

import uvloop
from bench.figure import Figure, ratio
from bench.load_client import drive, request
from bench.place import Place
from bench.read import bare
from bench.rows import observations, prepare

CONNECTIONS = 16
ROUNDS = 5
PER_ROUND = 3_000


def measure(place: Place) -> list[Figure]:
    bodies = observations(PER_ROUND)
    place.pin()
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(ROUNDS):
            left = iter(bodies)
            run = uvloop.run(
                drive(
                    "127.0.0.1",
                    place.port,
                    lambda left=left: request("POST", "/fhir/Observation", place.token, next(left)),  # type: ignore[misc]
                    connections=CONNECTIONS,
                    count=len(bodies),
                )
            )
            assert set(run.statuses) == {201}, run.statuses
            ours.append(run.per_second)
            path = Path(folder) / f"{number}.pickle"
            prepare(bodies, path)
            theirs.append(bare(place, "create", CONNECTIONS, 60.0, str(path)))
    what = f"create over HTTP against bare inserts of the same Observations, one commit each, {CONNECTIONS} connections each"
    return [ratio("create", what, ours, theirs, 0.4, 0.7, "/s")]
