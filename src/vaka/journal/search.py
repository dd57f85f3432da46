"""Searching: settles what depends on other resources, runs one page, counts when asked, includes.

Paging: pages are keyset pages over (sort values, creation, key) with a fixed upper sequence: what matched and did not
change appears once, what changed since the first page at most once (traps: Paging). The default order is newest
creation first. Keys are 64-bit hashes: where an answer decides a write (conditional interactions) it is verified on
the original (docs/decisions/0001).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson
from psycopg import errors as pg

from vaka import config
from vaka.access.filter import AccessFilter
from vaka.errors import Busy
from vaka.fhir.criteria import Criterion, Query
from vaka.fhir.definitions import type_number
from vaka.fhir.extract import extract
from vaka.fhir.keys import parameter_mask
from vaka.fhir.query import matches, sort_text
from vaka.journal.access import gate, owned_gate
from vaka.journal.aliases import Aliases
from vaka.journal.arrays import integers
from vaka.journal.compile import Sql
from vaka.journal.paging import COLUMNS, SEEN, WIDTH, page_sql, scope, sort_value, unchanged
from vaka.journal.pool import Connection
from vaka.journal.read import version_of
from vaka.store.codec import Codec
from vaka.store.gate import Gate
from vaka.store.granted import fits, require_open
from vaka.store.ordering import Place, in_order, require_sortable, too_many_to_sort
from vaka.store.page import Page, Position
from vaka.store.settling import Ask, Carrying, Few, Referred, settle
from vaka.store.version import Version

_BREATHE_EVERY = 200
_MATCHES_LOOKED_AT = 32
"""One decides; more are looked at, since visible ones go before hidden ones."""


def _seen(row: Sequence[Any]) -> tuple[int, str]:
    """What SEEN told: the newest sequence and the snapshot."""
    return row[WIDTH + 1], row[WIDTH + 2]


@dataclass(frozen=True, slots=True)
class Match:
    """What a condition matches; ``visible``: whether the caller may know of it."""

    id: str
    visible: bool


class Searcher:
    """Runs searches on a connection."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self.aliases = Aliases()

    def _through(self, access: AccessFilter) -> Gate:
        """The gate of a search, which knows whether patients were merged (S23)."""
        through = gate(access, letter="s")
        return replace(through, merged=True) if self.aliases.into else through

    async def settle(self, connection: Connection, node: Criterion, through: Gate) -> Criterion:
        """Replaces each chain, ``_has`` and long list of keys that has few matches by the keys of those."""
        settling = settle(node, self.aliases.keys_together)
        try:
            ask = next(settling)
            while True:
                ask = settling.send(await self._answer(connection, ask, through))
        except StopIteration as settled:
            found: Criterion = settled.value
            return found

    async def _answer(self, connection: Connection, ask: Ask, through: Gate) -> list[int] | None:
        match ask:
            case Few(types, inner, limit):
                return await self._few(connection, types, inner, through, limit)
            case Referred(type_, parameters, inner, limit):
                return await self._referred(connection, type_, parameters, inner, through, limit)
            case Carrying(keys, limit):
                return await self._carrying(connection, keys, limit)

    async def _few(
        self, connection: Connection, types: tuple[str, ...], inner: Criterion, through: Gate, limit: int
    ) -> list[int] | None:
        sql = Sql(through)
        text = f"SELECT r.rkey FROM resource r WHERE {scope(sql, types, inner)} LIMIT {limit + 1:d}"
        rows = await (await connection.execute(text.encode(), sql.values, prepare=False)).fetchall()
        return [row[0] for row in rows] if len(rows) <= limit else None

    async def _carrying(self, connection: Connection, keys: tuple[int, ...], limit: int) -> list[int] | None:
        """What carries one of many keys, None if that is much. The planner takes a long list to match nearly everything, and
        would compare each row's keys with all of it; OFFSET 0 makes it look up each key."""
        text = (
            "SELECT x.rkey FROM unnest(%(keys)s::bigint[]) k"
            " CROSS JOIN LATERAL (SELECT r.rkey FROM resource r WHERE r.tokens @> ARRAY[k] OFFSET 0) x"
            f" LIMIT {limit + 1:d}"
        )
        rows = await (await connection.execute(text.encode(), {"keys": integers(keys)}, prepare=False)).fetchall()
        return sorted({row[0] for row in rows}) if len(rows) <= limit else None

    async def _referred(
        self,
        connection: Connection,
        type_: str,
        parameters: tuple[str, ...],
        inner: Criterion,
        through: Gate,
        limit: int,
    ) -> list[int] | None:
        sql = Sql(through)
        within = scope(sql, (type_,), inner)
        masks = sql.bind(integers([parameter_mask(name) for name in parameters]))
        text = (
            f"WITH few AS MATERIALIZED (SELECT r.tokens FROM resource r WHERE {within} LIMIT {limit + 1:d})"
            f" SELECT (SELECT count(*) FROM few),"
            f" ARRAY(SELECT DISTINCT p.rkey FROM few, unnest(few.tokens) k, unnest({masks}::bigint[]) m"
            f" JOIN resource p ON p.rkey = k # m)"
        ).replace("unnest(few.tokens) k, unnest", "unnest(few.tokens) k CROSS JOIN unnest")
        row = await (await connection.execute(text.encode(), sql.values, prepare=False)).fetchone()
        assert row is not None
        return list(row[1]) if row[0] <= limit else None

    async def page(
        self, connection: Connection, query: Query, *, access: AccessFilter, count: int, at: Position | None = None
    ) -> Page:
        """One page of at most ``count`` matches. Busy when the search takes longer than the named limit."""
        require_sortable(query, access)
        require_open(access, query.types, "s")
        try:
            return await self._page(connection, query, self._through(access), count, at or Position(None))
        except pg.QueryCanceled as error:
            raise Busy(
                f"the search took longer than {config.SEARCH_TIMEOUT_S:g} s",
                help="narrow it, for example by patient, code or date",
            ) from error

    async def _page(self, connection: Connection, query: Query, through: Gate, count: int, at: Position) -> Page:
        where = await self.settle(connection, query.where, through)
        total = None
        if query.total != "none" or query.summary == "count":
            total = await self._count(connection, query, where, through)
        if count == 0:
            return Page((), None, total)
        if any(key.source == "text" for key in query.sort):
            found, following = await self._by_text(connection, query, where, through, count, at)
        else:
            found, following = await self._by_rows(connection, query, where, through, count, at)
        if total is None and following is None and at.created is None:
            total = len(found)
        return Page(tuple(found), following, total)

    async def _count(self, connection: Connection, query: Query, where: Criterion, through: Gate) -> int:
        sql = Sql(through)
        text = f"SELECT count(*) FROM resource r WHERE {scope(sql, query.types, where)}"
        row = await (await connection.execute(text.encode(), sql.values, prepare=False)).fetchone()
        assert row is not None
        return int(row[0])

    async def _by_rows(
        self, connection: Connection, query: Query, where: Criterion, through: Gate, count: int, at: Position
    ) -> tuple[list[Version], Position | None]:
        """Rows in order, those that have the first sort value, then those that lack it."""
        rows: list[Any] = []
        lead = query.sort[0] if query.sort else None
        phases = ("all",) if lead is None or lead.source in ("updated", "id") else ("with", "without")
        for phase in phases:
            if phase == "with" and at.created is not None and at.values[0] is None:
                continue
            if len(rows) > count:
                break
            begin = (
                at if phase != "without" or (at.created is not None and at.values[0] is None) else Position(at.upper)
            )
            text, values = page_sql(query, where, through, phase, begin, count + 1 - len(rows))
            cursor = await connection.execute(text.encode(), values, prepare=False)
            shown = {row[0] for row in rows}  # what lost its value between the two phases stands in both
            rows.extend(row for row in await cursor.fetchall() if row[0] not in shown)
        following = None
        if len(rows) > count:
            last = rows[count - 1]
            following = Position(at.upper or _seen(rows[0]), tuple(last[WIDTH + 3 :]), last[WIDTH], last[0])
            rows = rows[:count]
        return [version_of(row, self._codec) for row in rows], following

    async def _by_text(
        self, connection: Connection, query: Query, where: Criterion, through: Gate, count: int, at: Position
    ) -> tuple[list[Version], Position | None]:
        """Token, uri and reference values stand in no search row: all matches are read and sorted here, up to a limit."""
        sql = Sql(through)
        limit = config.SORTED_BY_TEXT
        conditions = [scope(sql, query.types, where), unchanged(sql, at)]
        columns = [
            COLUMNS,
            through.rule_on(),
            "r.created",
            SEEN,
            *(sort_value(sql, n, key) for n, key in enumerate(query.sort)),
        ]
        text = (
            f"SELECT {', '.join(columns)} FROM resource r JOIN version v ON v.seq = r.seq"
            f" WHERE {' AND '.join(conditions)} LIMIT {limit + 1}"
        )
        rows = await (await connection.execute(text.encode(), sql.values, prepare=False)).fetchall()
        if len(rows) > limit:
            raise too_many_to_sort(query, limit)
        places: list[Place] = []
        for number, row in enumerate(rows):
            version = version_of(row, self._codec)
            resource = orjson.loads(version.body or b"{}")
            values = [
                sort_text(resource, k) if k.source == "text" else row[WIDTH + 3 + n] for n, k in enumerate(query.sort)
            ]
            places.append((tuple(values), row[WIDTH], version.rkey, version))
            if number % _BREATHE_EVERY == _BREATHE_EVERY - 1:
                await asyncio.sleep(0)
        places = in_order(places, query.sort, at)
        following = None
        if len(places) > count:
            places = places[:count]
            following = Position(at.upper or _seen(rows[0]), *places[-1][:3])
        return [place[3] for place in places], following

    def _verified(self, version: Version, where: Criterion) -> bool:
        if version.body is None:
            return False
        return matches(extract(orjson.loads(version.body)), version.rkey, version.updated_us, where) is not False

    async def matching(
        self,
        connection: Connection,
        types: tuple[str, ...],
        where: Criterion,
        *,
        access: AccessFilter,
        identity: Criterion | None = None,
    ) -> list[Match]:
        """What a conditional interaction matches, verified on the original, visible ones first. Matched is what the caller sees,
        what the caller's provider owns, and by ``identity`` everything; chains pass through what the caller sees."""
        require_open(access, types, "s")
        through = self._through(access)
        where = await self.settle(connection, where, through)
        sql = Sql(through)
        owned = owned_gate(access)
        sql.values.update(owned.values)
        numbers = sql.bind(integers([type_number(name) for name in types]))
        ways = [f"(({sql.condition(where)}) AND (({sql.access}) OR ({owned.on()})))"]
        if identity is not None:
            ways.append(f"({sql.condition(identity)})")
        text = (
            f"SELECT {COLUMNS}, 0, ({sql.access}) AS visible FROM resource r JOIN version v ON v.seq = r.seq"
            f" WHERE r.type = ANY({numbers}::smallint[]) AND NOT r.deleted AND ({' OR '.join(ways)})"
            f" ORDER BY visible DESC LIMIT {_MATCHES_LOOKED_AT}"
        )
        rows = await (await connection.execute(text.encode(), sql.values, prepare=False)).fetchall()
        found = []
        for row in rows:
            version = version_of(row, self._codec)
            visible = bool(row[WIDTH]) and fits(access, "s", version)
            if self._verified(version, where) or (
                not visible and identity is not None and self._verified(version, identity)
            ):
                found.append(Match(version.id, visible))
        return sorted(found, key=lambda match: not match.visible)

    async def included(
        self, connection: Connection, keys: Sequence[int], *, access: AccessFilter, limit: int
    ) -> list[Version]:
        """At most ``limit`` resources that carry one of ``keys``, newest creation first. Looks up key by key, as above."""
        sql = Sql(gate(access, letter="s"))
        sql.values["keys"] = integers(keys)
        shield = "" if sql.gate.everything else " AND NOT EXISTS (SELECT 1 FROM protected x WHERE x.patient = r.rkey)"
        text = (
            "WITH r AS MATERIALIZED (SELECT DISTINCT x.* FROM unnest(%(keys)s::bigint[]) k CROSS JOIN LATERAL"
            " (SELECT r.rkey, r.type, r.id, r.seq, r.created, r.patient, r.owner FROM resource r"
            f" WHERE r.tokens @> ARRAY[k] AND NOT r.deleted AND ({sql.access}){shield} OFFSET 0) x"
            f" ORDER BY x.created DESC LIMIT {limit:d})"
            f" SELECT {COLUMNS}, {sql.gate.rule_on()} FROM r JOIN version v ON v.seq = r.seq ORDER BY r.created DESC"
        )
        rows = await (await connection.execute(text.encode(), sql.values, prepare=False)).fetchall()
        return [version_of(row, self._codec) for row in rows]
