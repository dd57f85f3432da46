"""Reading: current versions by id, many requests answered by one statement; old versions; history.

Source: https://hl7.org/fhir/R4/http.html#read, #vread, #history.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from vaka.access.filter import AccessFilter
from vaka.fhir.definitions import type_name, type_number
from vaka.fhir.keys import resource_key
from vaka.journal.access import access_sql
from vaka.journal.arrays import integers
from vaka.journal.codec import Codec
from vaka.journal.pool import Connection, Pool
from vaka.journal.statements import statements
from vaka.journal.version import Action, Version

_BATCH_MAX = 256
_FLIGHTS_MAX = 2
"""Reads that wait while this many statements are under way go together in the next one."""


def version_of(row: Sequence[Any], codec: Codec) -> Version:
    """A Version from the columns that every statement of read.sql has."""
    body = codec.decompress(row[8], row[9]) if row[9] is not None else None
    return Version(
        type_name(row[1]),
        row[2],
        row[3],
        row[4],
        row[5],
        Action(row[6]),
        row[7],
        body,
        row[10],
        row[0],
        row[11],
        row[12],
    )


def seen(access: AccessFilter, version: Version) -> Version:
    """Notes for the access log that ``access`` is given ``version``."""
    access.trail.touched.append(version.touched)
    return version


class Reader:
    """Reads on connections of ``pool``."""

    def __init__(self, pool: Pool, codec: Codec) -> None:
        self._pool = pool
        self._codec = codec
        self._waiting: dict[str, dict[int, list[asyncio.Future[Version | None]]]] = {}
        self._flights = 0

    async def read(self, type_: str, id_: str, *, access: AccessFilter) -> Version | None:
        """The current version, a deletion included; None if there is none that ``access`` lets through."""
        future: asyncio.Future[Version | None] = asyncio.get_running_loop().create_future()
        by_key = self._waiting.setdefault(access_sql(access), {})
        by_key.setdefault(resource_key(type_, id_), []).append(future)
        if self._flights < _FLIGHTS_MAX:
            self._flights += 1
            task = asyncio.ensure_future(self._fly())
            _RUNNING.add(task)
            task.add_done_callback(_RUNNING.discard)
        found = await future
        return seen(access, found) if found is not None and (found.type, found.id) == (type_, id_) else None

    async def _fly(self) -> None:
        try:
            while self._waiting:
                condition = next(iter(self._waiting))
                wanted = self._waiting.pop(condition)
                try:
                    async with self._pool.connection() as connection:
                        await self._answer(connection, condition, wanted)
                        while condition in self._waiting:  # the same connection, as long as there is more of this
                            wanted = self._waiting.pop(condition)
                            await self._answer(connection, condition, wanted)
                except BaseException as error:
                    told = error if isinstance(error, Exception) else RuntimeError("reading was stopped")
                    for future in (future for futures in wanted.values() for future in futures):
                        if not future.done():
                            future.set_exception(told)
                    if not isinstance(error, Exception):
                        raise
        finally:
            self._flights -= 1

    async def _answer(
        self, connection: Connection, condition: str, wanted: dict[int, list[asyncio.Future[Version | None]]]
    ) -> None:
        keys = list(wanted)
        found: dict[int, Version] = {}
        for start in range(0, len(keys), _BATCH_MAX):
            found |= await self._current(connection, keys[start : start + _BATCH_MAX], condition)
        for rkey, futures in wanted.items():
            for future in futures:
                if not future.done():
                    future.set_result(found.get(rkey))

    async def _current(self, connection: Connection, keys: Iterable[int], condition: str) -> dict[int, Version]:
        sql = statements("read")["read_current"].replace("{access}", condition)
        cursor = await connection.execute(sql, {"keys": integers(keys)}, prepare=True, binary=True)
        return {row[0]: version_of(row, self._codec) for row in await cursor.fetchall()}

    async def current(self, connection: Connection, keys: Sequence[int], *, access: AccessFilter) -> dict[int, Version]:
        """Current versions by resource key, on a connection that is in the middle of something."""
        return await self._current(connection, keys, access_sql(access))

    async def by_seqs(self, connection: Connection, seqs: Sequence[int], *, access: AccessFilter) -> dict[int, Version]:
        """Versions by sequence number."""
        sql = statements("read")["read_versions"].replace("{access}", access_sql(access))
        cursor = await connection.execute(sql, {"seqs": integers(seqs)})
        return {row[10]: seen(access, version_of(row, self._codec)) for row in await cursor.fetchall()}

    async def vread(self, type_: str, id_: str, version: int, epoch: int, *, access: AccessFilter) -> Version | None:
        sql = statements("read")["read_version"].replace("{access}", access_sql(access))
        values = {"rkey": resource_key(type_, id_), "version": version, "epoch": epoch}
        async with self._pool.connection() as connection:
            row = await (await connection.execute(sql, values)).fetchone()
        found = version_of(row, self._codec) if row else None
        return seen(access, found) if found is not None and (found.type, found.id) == (type_, id_) else None

    async def history(self, page: HistoryPage, *, access: AccessFilter) -> list[Version]:
        """Versions, newest first, at most ``page.limit``; the last of so many is not to be given out."""
        scope = "instance" if page.id is not None else "type" if page.type is not None else "system"
        sql = statements("read")[f"history_{scope}"].replace("{access}", access_sql(access))
        values = {
            "rkey": resource_key(page.type, page.id) if page.type and page.id else None,
            "type": type_number(page.type) if page.type else None,
            "before": page.before_seq,
            "since_us": page.since_us,
            "until_us": page.until_us,
            "at_us": page.at_us,
            "limit": page.limit,
        }
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(sql, values)).fetchall()
        found = [version_of(row, self._codec) for row in rows]
        for version in found[: page.limit - 1]:  # the one past the page only tells that there is more
            seen(access, version)
        return found

    async def newest_seq(self) -> int:
        async with self._pool.connection() as connection:
            row = await (await connection.execute(statements("read")["newest_seq"])).fetchone()
        assert row is not None
        return int(row[0])


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Which versions: of one resource (type and id), a type, or all; older than ``before_seq``; made at ``since_us`` or later
    and before ``until_us``; ``at_us``: still current then, or made later."""

    type: str | None
    id: str | None
    before_seq: int
    since_us: int
    until_us: int
    at_us: int | None
    limit: int


_RUNNING: set[asyncio.Task[None]] = set()
