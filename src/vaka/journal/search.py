"""Searching: settles what depends on other resources, runs one page, counts when asked, includes.

Paging: pages are keyset pages over (sort values, creation, key) with a fixed upper sequence: what matched and did not
change appears once, what changed since the first page at most once (traps: Paging). The default order is newest
creation first. Keys are 64-bit hashes: where an answer decides a write (conditional interactions) it is verified on
the original (docs/decisions/0001).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson
from psycopg import errors as pg

from vaka import config
from vaka.access.filter import AccessFilter
from vaka.errors import Busy, Invalid
from vaka.fhir.criteria import All, Chain, Criterion, Has, Ids, Not, Query, SortKey, Tokens
from vaka.fhir.criteria import Any as AnyOf
from vaka.fhir.definitions import type_number
from vaka.fhir.extract import extract
from vaka.fhir.keys import parameter_mask
from vaka.fhir.query import matches, sort_text
from vaka.journal.access import access_sql
from vaka.journal.arrays import integers
from vaka.journal.codec import Codec
from vaka.journal.compile import Sql
from vaka.journal.pool import Connection
from vaka.journal.read import version_of
from vaka.journal.version import Version

_COLUMNS = "r.rkey, r.type, r.id, v.version, v.epoch, v.updated_us, v.action, v.redacted, v.dictionary, v.body, v.seq"
_NEWEST = "(SELECT last_value FROM version_seq)"
_SOURCES = {
    "date": ("search_date", "low"),
    "quantity": ("search_quantity", "low"),
    "string": ("search_string", "value"),
}


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page begins. ``upper``: newest sequence at the first page, None on it. ``values``: the last row's sort
    values (None: missing), ``created`` and ``rkey`` its ties."""

    upper: int | None
    values: tuple[Any, ...] = ()
    created: int | None = None
    rkey: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    matches: tuple[Version, ...]
    next: Position | None
    total: int | None


class Searcher:
    """Runs searches on a connection."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    async def settle(self, connection: Connection, node: Criterion, access: AccessFilter) -> Criterion:
        """Replaces each chain and ``_has`` whose inner search has few matches by the keys of those."""
        match node:
            case All(parts):
                return All(tuple([await self.settle(connection, part, access) for part in parts]))
            case AnyOf(parts):
                return AnyOf(tuple([await self.settle(connection, part, access) for part in parts]))
            case Not(part):
                return Not(await self.settle(connection, part, access))
            case Chain(parameters, types, inner):
                inner = await self.settle(connection, inner, access)
                found = await self._few(connection, types, inner, access)
                if found is None:
                    return replace(node, inner=inner)
                return Tokens(tuple(rkey ^ parameter_mask(name) for name in parameters for rkey in found))
            case Has(type_, parameters, inner):
                inner = await self.settle(connection, inner, access)
                referred = await self._referred(connection, type_, parameters, inner, access)
                return replace(node, inner=inner) if referred is None else Ids(tuple(referred))
        return node

    async def _few(
        self, connection: Connection, types: tuple[str, ...], inner: Criterion, access: AccessFilter
    ) -> list[int] | None:
        sql = Sql(access_sql(access))
        text = f"SELECT r.rkey FROM resource r WHERE {_scope(sql, types, inner)} LIMIT {config.CHAIN_COLLECT_MAX + 1}"
        rows = await (await connection.execute(text.encode(), sql.values, prepare=False)).fetchall()
        return [row[0] for row in rows] if len(rows) <= config.CHAIN_COLLECT_MAX else None

    async def _referred(
        self, connection: Connection, type_: str, parameters: tuple[str, ...], inner: Criterion, access: AccessFilter
    ) -> list[int] | None:
        sql = Sql(access_sql(access))
        scope = _scope(sql, (type_,), inner)
        masks = sql.bind(integers([parameter_mask(name) for name in parameters]))
        limit = config.CHAIN_COLLECT_MAX + 1
        text = (
            f"WITH few AS MATERIALIZED (SELECT r.tokens FROM resource r WHERE {scope} LIMIT {limit})"
            f" SELECT (SELECT count(*) FROM few),"
            f" ARRAY(SELECT DISTINCT p.rkey FROM few, unnest(few.tokens) k, unnest({masks}::bigint[]) m"
            f" JOIN resource p ON p.rkey = k # m)"
        ).replace("unnest(few.tokens) k, unnest", "unnest(few.tokens) k CROSS JOIN unnest")
        row = await (await connection.execute(text.encode(), sql.values, prepare=False)).fetchone()
        assert row is not None
        return list(row[1]) if row[0] < limit else None

    async def page(
        self, connection: Connection, query: Query, *, access: AccessFilter, count: int, at: Position | None = None
    ) -> Page:
        """One page of at most ``count`` matches. Busy when the search takes longer than the named limit."""
        try:
            return await self._page(connection, query, access, count, at or Position(None))
        except pg.QueryCanceled as error:
            raise Busy(
                f"the search took longer than {config.SEARCH_TIMEOUT_S:g} s",
                help="narrow it, for example by patient, code or date",
            ) from error

    async def _page(self, connection: Connection, query: Query, access: AccessFilter, count: int, at: Position) -> Page:
        where = await self.settle(connection, query.where, access)
        total = None
        if query.total != "none" or query.summary == "count":
            total = await self._count(connection, query, where, access)
        if count == 0:
            return Page((), None, total)
        if any(key.source == "text" for key in query.sort):
            found, following = await self._by_text(connection, query, where, access, count, at)
        else:
            found, following = await self._by_rows(connection, query, where, access, count, at)
        if total is None and following is None and at.created is None:
            total = len(found)
        return Page(tuple(found), following, total)

    async def _count(self, connection: Connection, query: Query, where: Criterion, access: AccessFilter) -> int:
        sql = Sql(access_sql(access))
        text = f"SELECT count(*) FROM resource r WHERE {_scope(sql, query.types, where)}"
        row = await (await connection.execute(text.encode(), sql.values, prepare=False)).fetchone()
        assert row is not None
        return int(row[0])

    async def _by_rows(
        self, connection: Connection, query: Query, where: Criterion, access: AccessFilter, count: int, at: Position
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
            text, values = _page_sql(query, where, access, phase, begin, count + 1 - len(rows))
            cursor = await connection.execute(text.encode(), values, prepare=False)
            rows.extend(await cursor.fetchall())
        following = None
        if len(rows) > count:
            rows = rows[:count]
            last = rows[-1]
            following = Position(at.upper or last[12], tuple(last[13:]), last[11], last[0])
        return [version_of(row, self._codec) for row in rows], following

    async def _by_text(
        self, connection: Connection, query: Query, where: Criterion, access: AccessFilter, count: int, at: Position
    ) -> tuple[list[Version], Position | None]:
        """Token, uri and reference values stand in no search row: all matches are read and sorted here, up to a limit."""
        sql = Sql(access_sql(access))
        limit = config.SORTED_BY_TEXT
        text = (
            f"SELECT {_COLUMNS}, r.created, {_NEWEST} FROM resource r JOIN version v ON v.seq = r.seq"
            f" WHERE {_scope(sql, query.types, where)} AND {_unchanged(at)} LIMIT {limit + 1}"
        )
        rows = await (await connection.execute(text.encode(), sql.values, prepare=False)).fetchall()
        if len(rows) > limit:
            raise Invalid(
                f"more than {limit} resources match; that many cannot be sorted by {query.sort[0].parameter}",
                path="_sort",
                help="narrow the search, or sort by a date, string, number or quantity parameter",
            )
        created = {row[0]: row[11] for row in rows}
        found = [version_of(row, self._codec) for row in rows]
        found.sort(key=lambda version: (-created[version.rkey], version.rkey))
        for key in reversed(query.sort):
            texts = {version.rkey: sort_text(orjson.loads(version.body or b"{}"), key) for version in found}
            present = [version for version in found if texts[version.rkey] is not None]
            present.sort(key=lambda version: texts[version.rkey] or "", reverse=key.descending)
            found = present + [version for version in found if texts[version.rkey] is None]
        offset = 0
        if at.created is not None:
            offset = int(at.values[0])
        page = found[offset : offset + count]
        more = offset + count < len(found)
        upper = at.upper or (rows[0][12] if rows else 0)
        return page, Position(upper, (offset + count,), 0, 0) if more else None

    def _verified(self, version: Version, where: Criterion) -> bool:
        if version.body is None:
            return False
        return matches(extract(orjson.loads(version.body)), version.rkey, version.updated_us, where) is not False

    async def keys(
        self, connection: Connection, types: tuple[str, ...], where: Criterion, *, access: AccessFilter, limit: int
    ) -> list[tuple[str, str]]:
        """(type, id) of at most ``limit`` matches, for conditional interactions; verified on the original."""
        where = await self.settle(connection, where, access)
        sql = Sql(access_sql(access))
        text = (
            f"SELECT {_COLUMNS} FROM resource r JOIN version v ON v.seq = r.seq"
            f" WHERE {_scope(sql, types, where)} LIMIT {limit:d}"
        )
        rows = await (await connection.execute(text.encode(), sql.values, prepare=False)).fetchall()
        found = [version_of(row, self._codec) for row in rows]
        return [(version.type, version.id) for version in found if self._verified(version, where)]

    async def included(
        self, connection: Connection, types: Sequence[str], where: Criterion, *, access: AccessFilter, limit: int
    ) -> list[Version]:
        """At most ``limit`` resources of ``types`` that satisfy ``where``, newest creation first."""
        sql = Sql(access_sql(access))
        text = (
            f"SELECT {_COLUMNS} FROM resource r JOIN version v ON v.seq = r.seq"
            f" WHERE {_scope(sql, tuple(types), where)} ORDER BY r.created DESC LIMIT {limit:d}"
        )
        rows = await (await connection.execute(text.encode(), sql.values, prepare=False)).fetchall()
        return [version_of(row, self._codec) for row in rows]


def _scope(sql: Sql, types: tuple[str, ...], where: Criterion) -> str:
    """Type, life and access around ``where``. Keys belong to one type each and stand on living resources alone: beside
    a key that must hold, type and life say nothing new and would only mislead the planner's estimate."""
    condition = sql.condition(where)
    keyed = len(types) == 1 and any(
        isinstance(part, Tokens) and part.keys for part in (where.parts if isinstance(where, All) else (where,))
    )
    if keyed:
        return f"({condition}) AND ({sql.access})"
    numbers = [type_number(name) for name in types]
    of_type = (
        f"r.type = {numbers[0]}" if len(numbers) == 1 else f"r.type = ANY({sql.bind(integers(numbers))}::smallint[])"
    )
    return f"{of_type} AND NOT r.deleted AND ({condition}) AND ({sql.access})"


def _unchanged(at: Position) -> str:
    """What has changed since the first page is not shown again."""
    return "TRUE" if at.upper is None else f"r.seq <= {at.upper:d}"


def _page_sql(
    query: Query, where: Criterion, access: AccessFilter, phase: str, at: Position, limit: int
) -> tuple[str, dict[str, object]]:
    sql = Sql(access_sql(access))
    conditions = [_scope(sql, query.types, where), _unchanged(at)]
    joins: list[str] = []
    columns: list[str] = []
    order: list[tuple[str, bool, bool, int]] = []
    for n, key in enumerate(query.sort):
        expression, nullable = _sort_column(sql, n, key, phase, joins, conditions)
        if expression is None:
            columns.append("NULL AS k0")
            continue
        columns.append(f"{expression} AS k{n}")
        order.append((expression, key.descending, nullable, n))
    if at.created is not None:
        conditions.append(_after(sql, order, at))
    order_text = [
        f"{expression}{' DESC' if descending else ''}{' NULLS LAST' if nullable else ''}"
        for expression, descending, nullable, _ in order
    ]
    order_text += ["r.created DESC", "r.rkey"] if not order else ["r.rkey"]
    inner = (
        f"SELECT {', '.join(['r.rkey', 'r.type', 'r.id', 'r.seq', 'r.created', *columns])} FROM resource r {' '.join(joins)}"
        f" WHERE {' AND '.join(conditions)} ORDER BY {', '.join(order_text)} LIMIT {limit:d}"
    )
    outer = [f"r.k{n}{' DESC' if key.descending else ''} NULLS LAST" for n, key in enumerate(query.sort)]
    outer += ["r.created DESC", "r.rkey"] if not order else ["r.rkey"]
    told = ", ".join([_COLUMNS, "r.created", _NEWEST, *(f"r.k{n}" for n in range(len(columns)))])
    text = (
        f"WITH r AS MATERIALIZED ({inner}) SELECT {told}"
        f" FROM r JOIN version v ON v.seq = r.seq ORDER BY {', '.join(outer)}"
    )
    return text, sql.values


def _sort_column(
    sql: Sql, n: int, key: SortKey, phase: str, joins: list[str], conditions: list[str]
) -> tuple[str | None, bool]:
    """The expression to sort by, and whether it may be missing. Multi-valued: lowest ascending, highest descending."""
    if key.source == "updated":
        return "r.updated_us", False
    if key.source == "id":
        return "r.id", False
    table, column = _SOURCES[key.source]
    edge = 2 if key.descending else 1
    params = f"k{n}.param = ANY({sql.bind(integers(key.params))}::smallint[]) AND k{n}.edge & {edge} > 0"
    raw = f" AND k{n}.unit = 0" if key.source == "quantity" else ""
    best = f"{'max' if key.descending else 'min'}({column})"
    one = f"SELECT {best} AS value FROM {table} k{n} WHERE k{n}.rkey = r.rkey AND {params}{raw}"
    if n > 0 or len(key.params) > 1 or key.source == "quantity":
        joins.append(f"LEFT JOIN LATERAL ({one}) s{n} ON TRUE")
        if n == 0:
            conditions.append("s0.value IS NOT NULL" if phase == "with" else "s0.value IS NULL")
            return ("s0.value", False) if phase == "with" else (None, False)
        return f"s{n}.value", True
    if phase == "without":
        conditions.append(f"NOT EXISTS (SELECT 1 FROM {table} k{n} WHERE k{n}.rkey = r.rkey AND {params})")
        return None, False
    joins.append(f"JOIN {table} k{n} ON k{n}.rkey = r.rkey AND {params}")
    return f"k{n}.{column}", False


def _after(sql: Sql, order: list[tuple[str, bool, bool, int]], at: Position) -> str:
    """Strictly after ``at`` in the page's order, missing last."""
    if not order:
        created = sql.bind(at.created)
        return f"(r.created < {created} OR (r.created = {sql.bind(at.created)} AND r.rkey > {sql.bind(at.rkey)}))"
    ways: list[str] = []
    ties: list[str] = []
    for expression, descending, nullable, n in order:
        value = at.values[n]
        same = " AND ".join(ties)
        if value is None:
            ties.append(f"{expression} IS NULL")
            continue
        beyond = f"{expression} {'<' if descending else '>'} {sql.bind(value)}"
        if nullable:
            beyond = f"({beyond} OR {expression} IS NULL)"
        ways.append(f"({same} AND {beyond})" if same else beyond)
        ties.append(f"{expression} = {sql.bind(value)}")
    ways.append("(" + " AND ".join([*ties, f"r.rkey > {sql.bind(at.rkey)}"]) + ")")
    return "(" + " OR ".join(ways) + ")"
