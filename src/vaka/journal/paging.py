"""One page of a search as SQL: which rows, in which order, after which place.

Invariants: the order is total (sort values, creation or key), missing values last; what has changed since the first page
is left out, so that what matched and did not change appears once, what changed at most once (traps: Paging).
"""

from __future__ import annotations

from vaka.fhir.criteria import All, Criterion, Query, SortKey, Tokens
from vaka.fhir.definitions import type_number
from vaka.fhir.index import HIGHEST, LOWEST
from vaka.journal.arrays import integers
from vaka.journal.compile import Sql
from vaka.store.gate import Gate
from vaka.store.ordering import SOURCES, own_value
from vaka.store.page import Position

COLUMNS = (
    "r.rkey, r.type, r.id, v.version, v.epoch, v.updated_us, v.action, v.redacted, v.dictionary, v.body, v.seq,"
    " v.patient, v.owner, EXISTS (SELECT 1 FROM protected x WHERE x.patient = r.rkey)"
)
WIDTH = 15
"""How many columns these are, with the one after them that says which rule permits the row: what a statement adds comes then."""
SEEN = "(SELECT last_value FROM version_seq), pg_current_snapshot()::text"
# A transaction that was open at the first page has sequence numbers this near to the newest.
_OPEN_MAX = 1_000_000


def scope(sql: Sql, types: tuple[str, ...], where: Criterion) -> str:
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


def unchanged(sql: Sql, at: Position) -> str:
    """What has changed since the first page is not shown again: neither what came after it, nor what was being committed."""
    if at.upper is None:
        return "TRUE"
    newest, snapshot = at.upper
    committed = (
        "pg_visible_in_snapshot((SELECT seen.xid FROM version seen WHERE seen.seq = r.seq),"
        f" {sql.bind(snapshot)}::pg_snapshot)"
    )
    return f"r.seq <= {newest:d} AND (r.seq <= {newest - _OPEN_MAX:d} OR {committed})"


def page_sql(
    query: Query, where: Criterion, through: Gate, phase: str, at: Position, limit: int
) -> tuple[str, dict[str, object]]:
    sql = Sql(through)
    conditions = [scope(sql, query.types, where), unchanged(sql, at)]
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
    taken = ["r.rkey", "r.type", "r.id", "r.seq", "r.created", "r.patient", "r.owner", *columns]
    inner = (
        f"SELECT {', '.join(taken)} FROM resource r {' '.join(joins)}"
        f" WHERE {' AND '.join(conditions)} ORDER BY {', '.join(order_text)} LIMIT {limit:d}"
    )
    outer = [f"r.k{n}{' DESC' if key.descending else ''} NULLS LAST" for n, key in enumerate(query.sort)]
    outer += ["r.created DESC", "r.rkey"] if not order else ["r.rkey"]
    told = ", ".join([COLUMNS, through.rule_on(), "r.created", SEEN, *(f"r.k{n}" for n in range(len(columns)))])
    text = (
        f"WITH r AS MATERIALIZED ({inner}) SELECT {told}"
        f" FROM r JOIN version v ON v.seq = r.seq ORDER BY {', '.join(outer)}"
    )
    return text, sql.values


def sort_value(sql: Sql, n: int, key: SortKey) -> str:
    """The value to sort by as an expression of its own; NULL for texts, which the body holds."""
    return own_value(key) or f"({_sort_rows(sql, n, key)})"


def _sort_rows(sql: Sql, n: int, key: SortKey) -> str:
    """The query for the lowest value ascending, the highest descending."""
    table, column = SOURCES[key.source]
    raw = f" AND k{n}.unit = 0" if key.source == "quantity" else ""
    extreme = "max" if key.descending else "min"
    of = f"k{n}.rkey = r.rkey AND {_sort_params(sql, n, key)}{raw}"
    return f"SELECT {extreme}({column}) AS value FROM {table} k{n} WHERE {of}"


def _sort_params(sql: Sql, n: int, key: SortKey) -> str:
    edge = HIGHEST if key.descending else LOWEST
    return f"k{n}.param = ANY({sql.bind(integers(key.params))}::smallint[]) AND k{n}.edge & {edge} > 0"


def _sort_column(
    sql: Sql, n: int, key: SortKey, phase: str, joins: list[str], conditions: list[str]
) -> tuple[str | None, bool]:
    """The expression to sort by, and whether it may be missing. Multi-valued: lowest ascending, highest descending."""
    if key.source == "updated":
        return "r.updated_us", False
    if key.source == "id":
        return "r.id", False
    if n > 0 or len(key.params) > 1 or key.source == "quantity":
        joins.append(f"LEFT JOIN LATERAL ({_sort_rows(sql, n, key)}) s{n} ON TRUE")
        if n == 0:
            conditions.append("s0.value IS NOT NULL" if phase == "with" else "s0.value IS NULL")
            return ("s0.value", False) if phase == "with" else (None, False)
        return f"s{n}.value", True
    table, column = SOURCES[key.source]
    params = _sort_params(sql, n, key)
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
