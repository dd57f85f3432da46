"""The log's tables: runs of blocks in, heads, and what a chapter's numbers stand for.

Invariants: a block is in the tables once, whoever brings it and however often (one at a time for a stream, what is covered is
left out); a run, what it describes and nothing else commit together; rows are never changed.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final, TypeAlias

from vaka import config
from vaka.accesslog.codec import Contents, Described, Lacking
from vaka.accesslog.runs import Run, row, take
from vaka.accesslog.runs import told as told_of

if TYPE_CHECKING:  # a copy reads what stands here, and has no PostgreSQL client
    import psycopg
    from psycopg.rows import TupleRow

Connection: TypeAlias = "psycopg.AsyncConnection[TupleRow]"
Connect: TypeAlias = "Callable[[], AbstractAsyncContextManager[Connection]]"
"""Gives a connection in autocommit whose durability was checked (``journal.pool``)."""

_PAUSE_S: Final = 0.005
_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@lru_cache(maxsize=1)
def statements() -> Mapping[str, str]:
    """The statements of ``sql/log.sql`` by name."""
    parts = _NAME.split((files("vaka.accesslog") / "sql" / "log.sql").read_text("utf-8"))
    return {name: sql.strip() for name, sql in zip(parts[1::2], parts[2::2], strict=True)}


async def put_run(connection: Connection, run: Run, *, whole: bool = True) -> int:
    """Puts what is not there yet of ``run`` into the tables; returns after COMMIT how many blocks that were. ``whole``: ``run``
    has all that is known of what they use; else the tables are asked, and Lacking tells what these do not know either."""
    sql = statements()
    told = await asyncio.to_thread(told_of, run.blocks, _PAUSE_S)  # a run is thousands of records
    for one in told.values():
        run.described.update(one.described)
    async with connection.transaction():
        await connection.execute(sql["lock_stream"], {"stream": run.stream})
        known = {**run.described, **({} if whole else await _known(connection, run, told.values()))}
        span = {"first": run.blocks[0].number, "last": run.blocks[-1].number}
        covered = await covered_blocks(connection, run.stream, **span)
        left = [block for block in run.blocks if not any(a <= block.number <= b for a, b in covered)]
        put = 0
        while left:
            count = take(left)
            part, left = left[:count], left[count:]
            values = await asyncio.to_thread(row, run.stream, part, [told[block.number] for block in part], known)
            await _make_partition(connection, values["began"])
            await _describe(
                connection, run.stream, part[0].chapter, [told[block.number] for block in part], run.described
            )
            await connection.execute(sql["insert_run"], values)
            put += count
    return put


async def _known(connection: Connection, run: Run, contents: Iterable[Contents]) -> dict[int, Described]:
    """What the tables know of what ``run`` uses and does not describe. Lacking."""
    named = frozenset[int]().union(*(one.named for one in contents)) - run.described.keys()
    askable = [number for number in named if 0 <= number < 1 << 31]
    known = await described(connection, run.stream, run.blocks[0].chapter, askable) if askable else {}
    if lacking := named - known.keys():
        raise Lacking(sorted(lacking))
    return known


async def make_partitions(connection: Connection, now: datetime) -> None:
    """This month's and the next's, ahead of need: making one locks the table."""
    for at in (now, (now.replace(day=1) + timedelta(days=32))):
        async with connection.transaction():
            await _make_partition(connection, at)


async def _make_partition(connection: Connection, at: datetime) -> None:
    made = await (await connection.execute(statements()["make_partition"], {"at": at})).fetchone()
    if made is not None:
        await connection.execute("SELECT pg_advisory_xact_lock(x'6c6f67'::int, 0)")
        await connection.execute(made[0])


async def _describe(
    connection: Connection, stream: str, chapter: int, contents: Sequence[Contents], known: Mapping[int, Described]
) -> None:
    """What these blocks describe, and what they use of ``known``: the blocks that describe it may come later, or from a file."""
    told: dict[int, Described] = {}
    for one in contents:
        told |= {**{number: known[number] for number in one.named if number in known}, **one.described}
    if told:
        values = {
            "stream": stream, "chapter": chapter, "numbers": list(told),
            "kinds": [one.kind for one in told.values()], "contents": [one.text for one in told.values()],
        }  # fmt: skip
        await connection.execute(statements()["insert_described"], values)


async def covered_blocks(
    connection: Connection, stream: str, *, first: int, last: int | None = None
) -> list[tuple[int, int]]:
    """(first, last) of each run that has blocks from ``first`` on (to ``last``), in order."""
    values = {"stream": stream, "first": first, "last": last, "span": config.LOG_RUN_MAX_BLOCKS}
    return [(a, b) for a, b in await (await connection.execute(statements()["covered"], values)).fetchall()]


async def described(
    connection: Connection, stream: str, chapter: int, numbers: Collection[int] | None = None
) -> dict[int, Described]:
    """What the tables know of a chapter's ``numbers``, None: of all."""
    values = {"stream": stream, "chapter": chapter, "numbers": list(numbers) if numbers is not None else None}
    rows = await connection.execute(statements()["described"], values)
    return {number: Described(kind, content) for number, kind, content in await rows.fetchall()}


async def put_head(connection: Connection, stream: str, system: str, block: int, hash_: bytes) -> None:
    """Tells that ``block`` is durable."""
    values = {"stream": stream, "system": system, "block": block, "hash": hash_}
    await connection.execute(statements()["put_head"], values)


async def newest(connection: Connection, stream: str) -> tuple[int, bytes] | None:
    """(number, hash) of the newest block that the tables know of, by head or by run."""
    found = []
    for name in ("head", "last_run"):
        told = await (await connection.execute(statements()[name], {"stream": stream})).fetchone()
        if told is not None:
            found.append((int(told[0]), bytes(told[1])))
    return max(found, default=None)
