"""The other side of the comparison: the same driver, straight at the database, no pipelining. Run as a process of its own on
the API's core: ``python -m bench.bare MODE DSN CONNECTIONS SECONDS [FILE]``; prints operations a second."""

from __future__ import annotations

import asyncio
import os
import pickle
import random
import sys
import time
from pathlib import Path
from typing import Any

import psycopg
import uvloop
from bench.place import API_CORE

from vaka.journal.arrays import register
from vaka.journal.statements import statements

_SELECT = "SELECT v.body FROM resource r JOIN version v ON v.seq = r.seq WHERE r.rkey = %s"


async def reading(dsn: str, connections: int, seconds: float) -> float:
    """Bare SELECTs of the current bodies of Observations, one row each."""
    opened = [await psycopg.AsyncConnection.connect(dsn, autocommit=True) for _ in range(connections)]
    keys = [row[0] for row in await (await opened[0].execute("SELECT rkey FROM bench_keys")).fetchall()]
    done = 0
    end = time.perf_counter() + seconds

    async def loop(connection: psycopg.AsyncConnection[Any]) -> None:
        nonlocal done
        while time.perf_counter() < end:
            cursor = await connection.execute(_SELECT, (random.choice(keys),), prepare=True)
            row = await cursor.fetchone()
            assert row is not None
            done += 1

    await asyncio.gather(*[loop(connection) for connection in opened])
    for connection in opened:
        await connection.close()
    return done / seconds


async def inserting(dsn: str, connections: int, seconds: float, path: Path) -> float:
    """Bare inserts of prepared rows: one statement with its own commit for each resource."""
    prepared: list[dict[str, Any]] = pickle.loads(path.read_bytes())
    opened = [await psycopg.AsyncConnection.connect(dsn, autocommit=True) for _ in range(connections)]
    for connection in opened:
        register(connection)
    sql = statements("write")["append"]
    left = iter(prepared)
    done = 0
    began = time.perf_counter()
    end = began + seconds

    async def loop(connection: psycopg.AsyncConnection[Any]) -> None:
        nonlocal done
        while time.perf_counter() < end and (values := next(left, None)) is not None:
            await connection.execute(sql, values, prepare=True)
            done += 1

    await asyncio.gather(*[loop(connection) for connection in opened])
    elapsed = time.perf_counter() - began
    for connection in opened:
        await connection.close()
    return done / elapsed


def main() -> None:
    mode, dsn, connections, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {API_CORE})
    if mode == "read":
        print(uvloop.run(reading(dsn, connections, seconds)))
    else:
        print(uvloop.run(inserting(dsn, connections, seconds, Path(sys.argv[5]))))


if __name__ == "__main__":
    main()
