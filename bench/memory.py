"""Resident memory of one API process under mixed load: reads, creations, searches, bundles and a feed reader at once."""

from __future__ import annotations

import asyncio
import random

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
        await asyncio.gather(
            drive("127.0.0.1", port, lambda: get(f"/fhir/Patient/{random.choice(patients)}"), connections=8, seconds=SECONDS),
            drive("127.0.0.1", port, lambda: request("POST", "/fhir/Observation", token, random.choice(bodies)), connections=8, seconds=SECONDS),
            drive("127.0.0.1", port, lambda: request("POST", "/fhir", token, random.choice(bundles)), connections=2, seconds=SECONDS),
            drive("127.0.0.1", port, lambda: get(f"/fhir/Observation?patient={random.choice(patients)}&_sort=-date&_count=100"), connections=8, seconds=SECONDS),
            drive("127.0.0.1", port, lambda: get(f"/fhir/Patient/{random.choice(patients)}/$everything"), connections=2, seconds=SECONDS),
        )  # fmt: skip
        watching.cancel()

    uvloop.run(mixed())
    value = round(peak / 1e6, 1)
    detail = f"largest of samples every 100 ms during {SECONDS:g} s of reads, creations, bundles, searches and $everything, 28 connections"
    return [
        Figure("memory", "resident memory of one API process under mixed load", value, "MB", 250, 150, True, detail)
    ]
