"""Transaction bundles of 100 entries, and ``vaka load``, against COPY of the same rows into the same tables and indexes."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
import uvloop
import zstandard
from bench.figure import Figure, ratio
from bench.load_client import drive, request
from bench.place import API_CORE, Place, vaka
from bench.rows import batches, observations

from vaka.api.server import new_id

CONNECTIONS = 4
ROUNDS = 3
RESOURCES = 6_000
ENTRIES = 100
TABLES = ("version", "resource", "search_date", "search_quantity", "search_string")
CHUNK_ROWS = 2_000


def copied(place: Place, newest: int) -> float:
    """Resources a second when the rows of what was written after ``newest`` are copied into tables of the same making,
    ``CHUNK_ROWS`` resources a commit."""
    with psycopg.connect(place.dsn, autocommit=True) as connection:
        where = {
            "version": "seq > %s",
            "resource": "created > %s",
            **dict.fromkeys(TABLES[2:], "rkey IN (SELECT rkey FROM resource WHERE created > %s)"),
        }
        chunks: list[dict[str, bytes]] = []
        row = connection.execute("SELECT max(seq) FROM version").fetchone()
        assert row is not None
        for start in range(newest, int(row[0]), CHUNK_ROWS):
            chunk = {}
            for table in TABLES:
                condition = (
                    where[table]
                    .replace("> %s", f"> {start}")
                    .replace(
                        f"> {start}",
                        f"> {start} AND {'seq' if table == 'version' else 'created'} <= {start + CHUNK_ROWS}",
                    )
                )
                with connection.cursor().copy(
                    f"COPY (SELECT * FROM {table} WHERE {condition}) TO STDOUT (FORMAT binary)"
                ) as out:
                    chunk[table] = b"".join(bytes(part) for part in out)
            chunks.append(chunk)
        connection.execute("DROP SCHEMA IF EXISTS bench CASCADE; CREATE SCHEMA bench")
        for table in TABLES:
            source = "version_0" if table == "version" else table
            connection.execute(f"CREATE TABLE bench.{table} (LIKE public.{source} INCLUDING ALL)")
        # As much in the copies as in the originals, so that the indexes are as deep.
        for table in TABLES:
            connection.execute(
                f"INSERT INTO bench.{table} SELECT * FROM public.{table} WHERE {where[table].replace('> %s', f'<= {newest}')}"
            )
        connection.execute("VACUUM ANALYZE bench.resource")
        began = time.perf_counter()
        for chunk in chunks:
            with connection.transaction():
                for table in TABLES:
                    with connection.cursor().copy(f"COPY bench.{table} FROM STDIN (FORMAT binary)") as into:
                        into.write(chunk[table])
        seconds = time.perf_counter() - began
        count = connection.execute(f"SELECT count(*) FROM bench.resource WHERE created > {newest}").fetchone()
        connection.execute("DROP SCHEMA bench CASCADE")
    assert count is not None
    return int(count[0]) / seconds


def _newest(place: Place) -> int:
    with psycopg.connect(place.dsn) as connection:
        row = connection.execute("SELECT coalesce(max(seq), 0) FROM version").fetchone()
    assert row is not None
    return int(row[0])


def measure(place: Place) -> list[Figure]:
    bodies = observations(RESOURCES)
    bundles = batches(bodies, ENTRIES)
    by_bundle: list[float] = []
    by_load: list[float] = []
    by_copy: list[float] = []
    for _ in range(ROUNDS):
        place.pin()
        before = _newest(place)
        left = iter(bundles)
        run = uvloop.run(
            drive(
                "127.0.0.1",
                place.port,
                lambda left=left: request("POST", "/fhir", place.token, next(left)),  # type: ignore[misc]
                connections=CONNECTIONS,
                count=len(bundles),
            )
        )
        assert set(run.statuses) == {200}, run.statuses
        by_bundle.append(len(bodies) / run.seconds)
        by_copy.append(copied(place, before))
        by_load.append(_loaded(place, bodies))
    return [
        ratio(
            "bundles",
            f"transaction bundles of {ENTRIES} entries against COPY of the same rows",
            by_bundle,
            by_copy,
            0.25,
            0.5,
            "resources/s",
        ),
        ratio(
            "load", "`vaka load` (one worker) against COPY of the same rows", by_load, by_copy, 0.25, 0.5, "resources/s"
        ),
    ]


def _loaded(place: Place, bodies: list[bytes]) -> float:
    """Resources a second of ``vaka load`` with one worker on the API's core, its own start not counted."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "observations.ndjson.zst"
        lines = [b'{"id":"%s",' % new_id().encode() + body[1:] for body in bodies]
        path.write_bytes(zstandard.compress(b"\n".join(lines)))
        if (os.cpu_count() or 1) > 1:
            os.sched_setaffinity(0, {API_CORE})
        command = vaka("load", str(path), "--data", str(place.data), "--workers", "1", "--json")
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        told = json.loads(done.stdout)
    assert told["created"] == len(bodies), told
    return float(told["created"]) / float(told["seconds"])
