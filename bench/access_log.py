"""Bytes on disk for each access in the log's tables, which keep it (rows, indexes, descriptions), for a mix as a day has it.

Records go through the writer itself, its files and its shipping; what differs from a day is that it takes a minute. Quiet: one
access at a time, so a block for each, the worst case. Busy: 32 at once, which go in blocks together.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
from bench.figure import Figure
from bench.place import Place

from vaka.accesslog.record import Actor, Record
from vaka.accesslog.store import TableStore
from vaka.accesslog.tables import Connection
from vaka.accesslog.writer import AccessLog

RECORDS = 60_000
PEOPLE, PATIENTS, OWN_PATIENTS = 300, 30_000, 15
KINDS = ("Observation", "MedicationRequest", "Condition", "DocumentReference", "Encounter", "DiagnosticReport")


def day(chance: random.Random) -> Iterator[Record]:
    """Accesses of people at work with their own patients, and of systems: 62 % reads of one resource, 20 % of a list of
    one patient's resources, 4 % lists of a ward's patients, 12 % writes, 2 % refusals."""
    keys = [chance.getrandbits(64) - (1 << 63) for _ in range(PATIENTS)]
    people = []
    for number in range(PEOPLE):
        unit, provider = f"unit-{number % 40}-{chance.getrandbits(48):x}", f"provider-{number % 7}"
        own, post = (f"SE2321000016-{chance.getrandbits(24):06X}" for _ in range(2))
        session = f"{chance.getrandbits(128):032x}"
        name, title = f"Förnamn Efternamn {number}", "Legitimerad sjuksköterska"
        actor = Actor("", own, name, title, post, unit, provider, "care", "oidc", session)
        people.append((actor, chance.sample(keys, OWN_PATIENTS), chance.randrange(2_000)))
    systems = [(Actor(f"laboratory-{n}"), keys, n) for n in range(5)]
    while True:
        actor, patients, owner = chance.choice(people if chance.random() < 0.9 else systems)
        what, patient, seq = chance.random(), chance.choice(patients), chance.randrange(10**9)
        type_, at = chance.choice(KINDS), time.time_ns() // 1_000
        if what < 0.62:
            yield Record(at, actor, "read", "GET", type_, patients=(patient,), owners=(owner,), seqs=(seq,))
        elif what < 0.82:
            seqs = tuple(sorted(chance.randrange(10**9) for _ in range(int(chance.triangular(1, 32, 6)))))
            owners = tuple(sorted({owner, chance.randrange(2_000), chance.randrange(2_000)}))
            yield Record(at, actor, "search", "GET", type_, patients=(patient,), owners=owners, seqs=seqs)
        elif what < 0.86:
            ward = tuple(sorted(patients[:OWN_PATIENTS]))
            seqs = tuple(sorted(chance.randrange(10**9) for _ in ward))
            yield Record(at, actor, "search", "GET", "Encounter", patients=ward, owners=(owner,), seqs=seqs)
        elif what < 0.98:
            yield Record(at, actor, "create", "POST", type_, 201, patients=(patient,), owners=(owner,), seqs=(seq,))
        else:
            address = f"/fhir/{type_}/{chance.getrandbits(64):x}"
            yield Record(at, actor, "read", "GET", type_, 404, rule="A4", why="A4: no consent", address=address)


async def write(dsn: str, folder: Path, at_once: int) -> int:
    """Writes the day, ships it; bytes in the files before."""

    @asynccontextmanager
    async def connect() -> AsyncIterator[Connection]:
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
            yield connection

    log = await AccessLog.open(folder, TableStore(connect), "bench")
    records = day(random.Random(at_once))
    count = iter(range(RECORDS))

    async def one() -> None:
        for _ in count:
            await log.write(next(records))

    await asyncio.gather(*(one() for _ in range(at_once)))
    await log.shipper.ship(everything=True)
    await log.close()
    return sum(path.stat().st_size for path in folder.glob("*.log"))


def size(connection: psycopg.Connection) -> int:
    connection.execute("VACUUM log.run, log.described, log.head")
    row = connection.execute(
        "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c WHERE c.relnamespace = 'log'::regnamespace AND c.relkind = 'r'"
    ).fetchone()
    assert row is not None
    return int(row[0])


def measure(place: Place) -> list[Figure]:
    folder = Path(tempfile.mkdtemp(prefix="vaka-access-log-"))
    each: dict[str, tuple[float, float, float]] = {}
    try:
        with psycopg.connect(place.dsn, autocommit=True) as connection:
            for name, at_once in (("busy", 32), ("quiet", 1)):
                before, began = size(connection), time.perf_counter()
                files = asyncio.run(write(place.dsn, folder / name, at_once))
                seconds = time.perf_counter() - began
                each[name] = ((size(connection) - before) / RECORDS, files / RECORDS, RECORDS / seconds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    worst = max(value for value, _, _ in each.values())
    detail = "; ".join(
        f"{name}: {tables:.0f} B in tables and indexes, {files:.0f} B in files for a day, {rate:,.0f}/s written and shipped"
        for name, (tables, files, rate) in each.items()
    )
    return [
        Figure("access_log", "the access log on disk, for each access", round(worst, 1), "B", 100, 70, True, detail)
    ]
