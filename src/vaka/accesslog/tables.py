"""The log's tables: runs of blocks in, heads, and what a chapter's numbers stand for.

Invariants: a block is in the tables once, whoever brings it and however often (one at a time for a stream, what is covered is
left out); a run, what it describes and nothing else commit together; rows are never changed.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from itertools import chain
from typing import Any, TypeAlias

import psycopg
import zstandard
from psycopg.rows import TupleRow

from vaka import config
from vaka.accesslog.blocks import Block
from vaka.accesslog.codec import Contents, Described

Connection: TypeAlias = psycopg.AsyncConnection[TupleRow]
Connect: TypeAlias = Callable[[], AbstractAsyncContextManager[Connection]]
"""Gives a connection in autocommit whose durability was checked (``journal.pool``)."""

_LEVEL = 6
_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_RUN_MAX_BYTES = 1 << 30


@lru_cache(maxsize=1)
def statements() -> Mapping[str, str]:
    """The statements of ``sql/log.sql`` by name."""
    parts = _NAME.split((files("vaka.accesslog") / "sql" / "log.sql").read_text("utf-8"))
    return {name: sql.strip() for name, sql in zip(parts[1::2], parts[2::2], strict=True)}


def when(time_us: int) -> datetime:
    """An aware time, to the microsecond."""
    return datetime.fromtimestamp(time_us // 1_000_000, UTC).replace(microsecond=time_us % 1_000_000)


def microseconds(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000 + at.microsecond


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive blocks of one chapter and one month. ``described``: all that its chapter has described before; ``put_run`` adds
    what these blocks describe."""

    stream: str
    blocks: Sequence[Block]
    described: dict[int, Described]


def take(blocks: Sequence[Block]) -> int:
    """How many of ``blocks`` make a run: of one chapter and month, consecutive, not over the limits."""
    size, count = 0, 0
    for count, block in enumerate(blocks):
        if count and (
            block.chapter != blocks[0].chapter
            or block.number != blocks[0].number + count
            or when(block.time_us).date().replace(day=1) != when(blocks[0].time_us).date().replace(day=1)
            or size >= config.LOG_RUN_BYTES
            or count >= config.LOG_RUN_MAX_BLOCKS
        ):
            return count
        size += len(block.bare)
    return count + 1 if blocks else 0


def row(
    stream: str, blocks: Sequence[Block], told: Sequence[Contents], described: Mapping[int, Described]
) -> dict[str, Any]:
    """A run as the table holds it. ``told``: the contents of each block."""
    actors = set(chain.from_iterable(one.actors for one in told))
    first, last = blocks[0], blocks[-1]
    content = zstandard.ZstdCompressor(level=_LEVEL).compress(b"".join(block.bare for block in blocks))
    return {
        "stream": stream, "first": first.number, "last": last.number, "chapter": first.chapter,
        "records": sum(one.records for one in told),
        "began": when(min(block.time_us for block in blocks)), "ended": when(max(block.time_us for block in blocks)),
        "before": first.before, "hash": last.hash,
        "patients": sorted(set(chain.from_iterable(one.patients for one in told))),
        "persons": sorted({described[actor].actor().key for actor in actors if actor in described}),
        "content": content,
    }  # fmt: skip


def unpacked(content: bytes) -> bytes:
    """The blocks of a row. ValueError where they cannot be had."""
    try:
        return zstandard.ZstdDecompressor().decompress(content, max_output_size=_RUN_MAX_BYTES)
    except zstandard.ZstdError as error:
        raise ValueError(f"the run cannot be unpacked: {error}") from error


def _told(blocks: Sequence[Block]) -> dict[int, Contents]:
    """The contents of each block by its number. Damaged."""
    return {block.number: block.contents() for block in blocks}


async def put_run(connection: Connection, run: Run) -> int:
    """Puts what is not there yet of ``run`` into the tables; returns after COMMIT how many blocks that were."""
    sql = statements()
    told = await asyncio.to_thread(_told, run.blocks)  # a run is thousands of records
    for one in told.values():
        run.described.update(one.described)
    async with connection.transaction():
        await connection.execute(sql["lock_stream"], {"stream": run.stream})
        span = {"first": run.blocks[0].number, "last": run.blocks[-1].number}
        covered = await covered_blocks(connection, run.stream, **span)
        left = [block for block in run.blocks if not any(a <= block.number <= b for a, b in covered)]
        put = 0
        while left:
            count = take(left)
            part, left = left[:count], left[count:]
            values = await asyncio.to_thread(
                row, run.stream, part, [told[block.number] for block in part], run.described
            )
            await _make_partition(connection, values["began"])
            await _describe(connection, run.stream, part[0].chapter, [told[block.number] for block in part])
            await connection.execute(sql["insert_run"], values)
            put += count
    return put


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


async def _describe(connection: Connection, stream: str, chapter: int, contents: Sequence[Contents]) -> None:
    told: dict[int, Described] = {}
    for one in contents:
        told |= one.described
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


async def described(connection: Connection, stream: str, chapter: int) -> dict[int, Described]:
    """What the tables know of a chapter's numbers."""
    rows = await connection.execute(statements()["described"], {"stream": stream, "chapter": chapter})
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
