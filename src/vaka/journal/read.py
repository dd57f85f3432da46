"""Reading: current versions by id, many requests answered by one statement; old versions; history.

Source: https://hl7.org/fhir/R4/http.html#read, #vread, #history.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from psycopg import AsyncRawCursor

from vaka.access.filter import AccessFilter
from vaka.access.session import Right, Session
from vaka.fhir.definitions import type_name, type_number
from vaka.fhir.keys import resource_key
from vaka.journal.access import ORIGIN, batched, gate, on_versions, rule_on_versions
from vaka.journal.arrays import element, integers, joined
from vaka.journal.pool import Connection, Pool
from vaka.journal.statements import statements
from vaka.store.codec import Codec
from vaka.store.gate import Gate
from vaka.store.granted import READING, fits, require_open
from vaka.store.page import HistoryPage
from vaka.store.seen import seen, whole_seen
from vaka.store.through import now_us
from vaka.store.version import Action, Version

_BATCH_MAX = 256
FLIGHTS_MAX = 2
"""Reads that wait while this many statements are under way go together in the next one."""


def version_of(row: Sequence[Any], codec: Codec) -> Version:
    """A Version from the columns that every statement of read.sql has."""
    body = codec.decompress(row[8], row[9]) if row[9] is not None else None
    return Version(
        type_name(row[1]), row[2], row[3], row[4], row[5], Action(row[6]), row[7], body, row[10], row[0], row[11], row[12],
        row[13], row[14],
    )  # fmt: skip


_PLACES = ("%(keys)s", "%(units)s", "%(providers)s", "%(people)s", "%(a_now)s")


@cache
def _read_for(rule: str) -> bytes:
    """``read_current_for`` with PostgreSQL's own placeholders: psycopg would take so long a text apart each time."""
    sql = statements("read")["read_current_for"].replace("{rule}", rule)
    for number, place in enumerate(_PLACES, start=1):
        sql = sql.replace(place, f"${number}")
    return sql.encode()


@lru_cache(maxsize=4_096)
def _who(session: Session) -> tuple[bytes, bytes, bytes]:
    """Unit, provider and person as elements of arrays."""
    return element(session.assignment.unit), element(session.assignment.provider), element(session.person)


def _of_versions(name: str, through: Gate) -> str:
    sql = (
        statements("read")[name].replace("{access}", on_versions(through)).replace("{rule}", rule_on_versions(through))
    )
    return sql.replace("{origin}", ORIGIN)


@dataclass(slots=True)
class _Waiting:
    """Reads by key that one statement will answer. ``sessions``: who asks, where its rule is asked of a row ``q``."""

    through: Gate
    keys: list[int]
    sessions: list[Session]
    futures: list[asyncio.Future[Version | None]]


class Reader:
    """Reads on connections of ``pool``, current versions on those of ``keyed``: a read never waits for long searches."""

    def __init__(self, pool: Pool, keyed: Pool, codec: Codec) -> None:
        self._pool = pool
        self._keyed = keyed
        self._codec = codec
        self._waiting: dict[object, _Waiting] = {}
        self._flights = 0

    async def read(self, type_: str, id_: str, *, access: AccessFilter) -> Version | None:
        """The current version, a deletion included; None if there is none that ``access`` lets through."""
        future: asyncio.Future[Version | None] = asyncio.get_running_loop().create_future()
        rule = batched(access)
        through = gate(access) if rule is None else Gate("", rule=rule)
        waiting = self._waiting.get(through)
        if waiting is None:
            waiting = self._waiting[through] = _Waiting(through, [], [], [])
        waiting.keys.append(resource_key(type_, id_))
        waiting.futures.append(future)
        if rule is not None and access.session is not None:
            waiting.sessions.append(access.session)
        if self._flights < FLIGHTS_MAX:
            self._flights += 1
            task = asyncio.ensure_future(self._fly())
            _RUNNING.add(task)
            task.add_done_callback(_RUNNING.discard)
        found = await future
        if found is None or (found.type, found.id) != (type_, id_):
            return None
        whole = await self.unmasked(found, access) if found.protected else None
        return whole or seen(access, found)

    async def unmasked(self, version: Version, access: AccessFilter) -> Version | None:
        """``version`` whole where it is of a protected identity and the caller may see that: with the right to, where the own
        unit takes part in the care (A10). None otherwise."""
        session = access.session
        if not version.protected or session is None or not session.may(Right.PROTECTED):
            return None
        values = {"patients": integers([version.rkey]), "unit": session.assignment.unit, "person": session.person}
        async with self._pool.connection() as connection:
            cursor = await connection.execute(statements("access")["is_attended"], {**values, "now": now_us()})
            row = await cursor.fetchone()
        if row is None or not row[1]:
            return None
        return whole_seen(access, version)

    async def _fly(self) -> None:
        try:
            while self._waiting:
                group = next(iter(self._waiting))
                wanted = self._waiting.pop(group)
                try:
                    async with self._keyed.connection() as connection:
                        await self._answer(connection, wanted)
                        while group in self._waiting:  # the same connection, as long as there is more of this
                            wanted = self._waiting.pop(group)
                            await self._answer(connection, wanted)
                except BaseException as error:
                    told = error if isinstance(error, Exception) else RuntimeError("reading was stopped")
                    for future in wanted.futures:
                        if not future.done():
                            future.set_exception(told)
                    if not isinstance(error, Exception):
                        raise
        finally:
            self._flights -= 1

    async def _answer(self, connection: Connection, wanted: _Waiting) -> None:
        if wanted.sessions:
            await self._answer_people(connection, wanted)
            return
        keys = list(dict.fromkeys(wanted.keys))
        found: dict[int, Version] = {}
        for start in range(0, len(keys), _BATCH_MAX):
            found |= await self._current(connection, keys[start : start + _BATCH_MAX], wanted.through)
        for rkey, future in zip(wanted.keys, wanted.futures, strict=True):
            if not future.done():
                future.set_result(found.get(rkey))

    async def _answer_people(self, connection: Connection, wanted: _Waiting) -> None:
        sql = _read_for(wanted.through.rule)
        for start in range(0, len(wanted.keys), _BATCH_MAX):
            part = slice(start, start + _BATCH_MAX)
            units, providers, people = zip(*map(_who, wanted.sessions[part]), strict=True)
            values = (integers(wanted.keys[part]), joined(units), joined(providers), joined(people), now_us())
            cursor = AsyncRawCursor(connection)
            await cursor.execute(sql, values, prepare=True, binary=True)
            found = {row[15]: version_of(row, self._codec) for row in await cursor.fetchall()}
            for n, future in enumerate(wanted.futures[part], start=1):
                if not future.done():
                    future.set_result(found.get(n))

    async def _current(self, connection: Connection, keys: Iterable[int], through: Gate) -> dict[int, Version]:
        sql = through.into(statements("read")["read_current"])
        bound = {"keys": integers(keys), **dict(through.values)}
        cursor = await connection.execute(sql, bound, prepare=True, binary=True)
        return {row[0]: version_of(row, self._codec) for row in await cursor.fetchall()}

    async def current(self, connection: Connection, keys: Sequence[int], *, access: AccessFilter) -> dict[int, Version]:
        """Current versions by resource key, on a connection that is in the middle of something."""
        through = gate(access, letter=READING)
        return await self._current(connection, keys, through)

    async def by_seqs(self, connection: Connection, seqs: Sequence[int], *, access: AccessFilter) -> dict[int, Version]:
        """Versions by sequence number."""
        through = gate(access, letter=READING)
        sql = _of_versions("read_versions", through)
        cursor = await connection.execute(sql, {"seqs": integers(seqs), **dict(through.values)})
        found = [version_of(row, self._codec) for row in await cursor.fetchall()]
        return {version.seq: seen(access, version) for version in found if fits(access, READING, version)}

    async def vread(self, type_: str, id_: str, version: int, epoch: int, *, access: AccessFilter) -> Version | None:
        through = gate(access)
        sql = _of_versions("read_version", through)
        values = {"rkey": resource_key(type_, id_), "version": version, "epoch": epoch, **dict(through.values)}
        async with self._pool.connection() as connection:
            row = await (await connection.execute(sql, values)).fetchone()
        found = version_of(row, self._codec) if row else None
        if found is None or (found.type, found.id) != (type_, id_) or not fits(access, "r", found):
            return None
        return await self.unmasked(found, access) or seen(access, found)

    async def history(self, page: HistoryPage, *, access: AccessFilter) -> list[Version]:
        """Versions, newest first, at most ``page.limit``; the last of so many is not to be given out."""
        scope = "instance" if page.id is not None else "type" if page.type is not None else "system"
        letter = "r" if scope == "instance" else "s"
        if scope == "type" and page.type is not None:
            require_open(access, (page.type,), letter)
        through = gate(access, letter=letter)
        sql = _of_versions(f"history_{scope}", through)
        values = {
            "rkey": resource_key(page.type, page.id) if page.type and page.id else None,
            "type": type_number(page.type) if page.type else None,
            "before": page.before_seq,
            "since_us": page.since_us,
            "until_us": page.until_us,
            "at_us": page.at_us,
            "limit": page.limit,
            **dict(through.values),
        }
        found: list[Version] = []
        async with self._pool.connection() as connection:
            while len(found) < page.limit:  # again where versions are left out, so that a page is as long as it can be
                rows = await (await connection.execute(sql, values)).fetchall()
                versions = [version_of(row, self._codec) for row in rows]
                found += [version for version in versions if fits(access, letter, version)]
                if len(rows) < page.limit:
                    break
                values["before"] = versions[-1].seq
        shown = page.limit - 1  # the one past the page only tells that there is more
        return [seen(access, version) for version in found[:shown]] + found[shown : page.limit]

    async def newest_seq(self) -> int:
        async with self._pool.connection() as connection:
            row = await (await connection.execute(statements("read")["newest_seq"])).fetchone()
        assert row is not None
        return int(row[0])


_RUNNING: set[asyncio.Task[None]] = set()
