"""Resident memory of one API process under mixed load: reads, creations, searches, bundles and a feed reader at once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from functools import partial

import psutil
import psycopg
import uvloop
from bench.figure import Figure
from bench.load_client import drive, request
from bench.place import Place
from bench.rows import batches, observations

SECONDS = 20.0


def measure(place: Place) -> list[Figure]:
    bodies = observations(2_000)
    bundles = batches(bodies, 100)
    with psycopg.connect(place.dsn) as connection:
        rows = connection.execute(
            "SELECT id FROM resource WHERE NOT deleted AND patient = rkey ORDER BY created LIMIT 500"
        ).fetchall()
    patients = [row[0] for row in rows]
    place.pin()
    process = psutil.Process(place.pid("journal"))
    peak = 0

    async def watch() -> None:
        nonlocal peak
        while True:
            peak = max(peak, process.memory_info().rss)
            await asyncio.sleep(0.1)

    def get(path: str) -> bytes:
        return request("GET", path, place.token)

    async def mixed() -> None:
        watching = asyncio.ensure_future(watch())
        port, token = place.port, place.token
        a_patient = partial(random.choice, patients)
        newest = "Observation?patient={}&_sort=-date&_count=100"
        kinds: list[tuple[int, Callable[[], bytes]]] = [
            (8, lambda: get(f"/fhir/Patient/{a_patient()}")),
            (8, lambda: request("POST", "/fhir/Observation", token, random.choice(bodies))),
            (2, lambda: request("POST", "/fhir", token, random.choice(bundles))),
            (8, lambda: get("/fhir/" + newest.format(a_patient()))),
            (2, lambda: get(f"/fhir/Patient/{a_patient()}/$everything")),
        ]
        await asyncio.gather(*[drive("127.0.0.1", port, make, connections=n, seconds=SECONDS) for n, make in kinds])
        watching.cancel()

    uvloop.run(mixed())
    value = round(peak / 1e6, 1)
    mix = "reads, creations, bundles, searches, $everything; 28 connections"
    detail = f"largest of samples each 100 ms in {SECONDS:g} s: {mix}"
    return [
        Figure("memory", "resident memory of one API process under mixed load", value, "MB", 250, 150, True, detail)
    ]
