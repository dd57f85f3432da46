"""One page of a search as SQL for SQLite: which rows, in which order, after which place.

Invariants: the order is the journal's (``journal.paging``): sort values, missing ones last, then creation or key; what has come
to this copy since the first page is left out, so that what matched and did not change appears once, what changed at most once
(traps: Paging). Rows come in the feed's order, so its cursor says what was there; entries of the reserve are numbered apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vaka.copy.compile import Sql
from vaka.copy.gate import permitted, same
from vaka.copy.listing import conjuncts, lead
from vaka.errors import Invalid, OnlyJournal
from vaka.fhir.criteria import All, Criterion, Query, SortKey
from vaka.fhir.definitions import type_number
from vaka.fhir.index import HIGHEST, LOWEST
from vaka.store.ordering import SOURCES, own_value
from vaka.store.page import Position

COLUMNS = (
    "r.rkey, r.type, r.id, r.version, r.epoch, r.updated_us, r.action, r.redacted, r.dictionary, r.body, r.seq,"
    " r.patient, r.owner, EXISTS (SELECT 1 FROM protected x WHERE x.patient = r.rkey)"
)
"""As in the journal; after them comes which rule permits the row."""
WIDTH = 15
"""How many columns these are, with the rule: what a statement adds comes after them."""


@dataclass(frozen=True, slots=True)
class Upper:
    """What had come to this copy when the first page was made: the feed's cursor, and the newest entry of the reserve."""

    epoch: int
    xid: int
    seq: int
    reserve: int

    @property
    def token(self) -> tuple[int, str]:
        """As a position carries it."""
        return self.reserve, f"copy {self.epoch} {self.xid} {self.seq}"

    @classmethod
    def parse(cls, token: tuple[int, str]) -> Upper:
        """OnlyJournal for a page that the journal began; Invalid for what no copy can have given."""
        reserve, text = token
        name, *numbers = text.split(" ")
        if name != "copy":
            raise OnlyJournal("the journal began these pages", help="start the search again")
        if len(numbers) != 3:
            raise Invalid("this page address is damaged", path="_page", help="start the search again")
        epoch, xid, seq = (int(number) for number in numbers)
        return cls(epoch, xid, seq, reserve)

    def condition(self, sql: Sql) -> str:
        """That ``r`` was there."""
        place = ", ".join(sql.bind(one) for one in (self.epoch, self.xid, self.seq))
        return f"CASE r.pending WHEN 0 THEN (r.epoch, r.xid, r.seq) <= ({place}) ELSE r.pending <= {sql.bind(self.reserve)} END"


def scope(sql: Sql, types: Sequence[str], where: Criterion, *, walked: bool = False) -> str:
    """Type, life and ``where`` on ``r``, without access. ``walked``: resources of the types are gone through, not listed."""
    parts = tuple(conjuncts(where))
    listed = None if walked else lead(sql, where)
    if listed is not None:
        parts = tuple(part for part in parts if part not in listed.nodes)
    numbers = [type_number(name) for name in types]
    column = "r.type" if listed is None else "+r.type"
    of_type = f"{column} = {numbers[0]:d}" if len(numbers) == 1 else sql.among(column, numbers, "smallint")
    conditions = [f"r.rkey IN ({listed.text})"] if listed is not None else []
    conditions += [of_type, "r.deleted = 0", *([sql.condition(All(parts))] if parts else [])]
    return " AND ".join(conditions)


def matching(sql: Sql, types: Sequence[str], where: Criterion, columns: str, rest: str = "") -> str:
    """A statement for ``columns`` of the rows ``r`` that match and that access lets through. ``rest``: what follows."""
    within = scope(sql, types, where)
    alike = permitted(sql.gate, "c")
    if alike is None:
        return f"SELECT {columns} FROM resource r WHERE {within} AND ({sql.access}){rest}"
    return (
        f"WITH c AS MATERIALIZED (SELECT r.rkey, r.type, r.patient, r.owner FROM resource r WHERE {within}),"
        f" g AS MATERIALIZED ({alike})"
        f" SELECT {columns} FROM c CROSS JOIN g CROSS JOIN resource r WHERE {same('c')} AND r.rkey = c.rkey{rest}"
    )


def page_sql(query: Query, where: Criterion, sql: Sql, at: Position, limit: int, *, walked: bool) -> str:
    """The page's rows with ``COLUMNS``, rule, creation and sort values. ``walked``: as ``scope``, for the order of creation."""
    there = [] if at.upper is None else [Upper.parse(at.upper).condition(sql)]
    within = " AND ".join([scope(sql, query.types, where, walked=walked), *there])
    if walked:
        after = f" AND {_after(sql, 'r', [], at)}" if at.created is not None else ""
        rows = f"SELECT r.rkey, r.created FROM resource r WHERE {within} AND ({sql.access}){after}"
        page = f"{rows} ORDER BY {_order([], 'r')} LIMIT {limit:d}"
        return _told(f"WITH p AS MATERIALIZED ({page})", [], sql.gate.rule_on())
    keys = list(query.sort)
    columns = ["r.rkey", "r.type", "r.patient", "r.owner", "r.created"]
    columns += [f"{sort_value(sql, n, key)} AS k{n}" for n, key in enumerate(keys)]
    alike = permitted(sql.gate, "c")
    access = f" AND ({sql.access})" if alike is None else ""
    candidates = f"c AS MATERIALIZED (SELECT {', '.join(columns)} FROM resource r WHERE {within}{access})"
    g = f", g AS MATERIALIZED ({alike})" if alike is not None else ""
    conditions = [same("c")] if alike is not None else []
    conditions += [_after(sql, "c", keys, at)] if at.created is not None else []
    values = "".join(f", c.k{n}" for n in range(len(keys)))
    page = (
        f"SELECT c.rkey, c.created, {ruled(sql)} AS rule{values} FROM c{' CROSS JOIN g' if alike is not None else ''}"
        f"{' WHERE ' + ' AND '.join(conditions) if conditions else ''} ORDER BY {_order(keys, 'c')} LIMIT {limit:d}"
    )
    return _told(f"WITH {candidates}{g}, p AS MATERIALIZED ({page})", keys, "p.rule")


def ruled(sql: Sql) -> str:
    """Which rule permits a row of ``matching``."""
    return "g.rule" if sql.gate.own_versions else "0"


def _told(head: str, keys: Sequence[SortKey], rule: str) -> str:
    values = "".join(f", p.k{n}" for n in range(len(keys)))
    return (
        f"{head} SELECT {COLUMNS}, {rule}, p.created{values} FROM p CROSS JOIN resource r WHERE r.rkey = p.rkey"
        f" ORDER BY {_order(keys, 'p')}"
    )


def sort_value(sql: Sql, n: int, key: SortKey) -> str:
    """The value to sort by, NULL where it is missing and for texts, which the body holds. Multi-valued: the lowest ascending, the
    highest descending."""
    if (own := own_value(key)) is not None:
        return own
    table, column = SOURCES[key.source]
    raw = f" AND k{n}.unit = 0" if key.source == "quantity" else ""
    edge = HIGHEST if key.descending else LOWEST
    extreme = "max" if key.descending else "min"
    params = sql.among(f"+k{n}.param", key.params, "smallint")
    return f"(SELECT {extreme}({column}) FROM {table} k{n} WHERE k{n}.rkey = r.rkey AND {params} AND k{n}.edge & {edge} > 0{raw})"


def _lacks_order(keys: Sequence[SortKey]) -> bool:
    """Whether resources without the one sort value follow in the order of creation, not of their keys, as the journal has it."""
    return len(keys) == 1 and keys[0].source not in ("updated", "id")


def _order(keys: Sequence[SortKey], of: str) -> str:
    if not keys:
        return f"{of}.created DESC, {of}.rkey"
    parts = [f"{of}.k{n}{' DESC' if key.descending else ''} NULLS LAST" for n, key in enumerate(keys)]
    parts += [f"CASE WHEN {of}.k0 IS NULL THEN -{of}.created END"] if _lacks_order(keys) else []
    return ", ".join([*parts, f"{of}.rkey"])


def _after(sql: Sql, of: str, keys: Sequence[SortKey], at: Position) -> str:
    """Strictly after ``at`` in the page's order."""
    rkey = f"{of}.rkey > {sql.bind(at.rkey)}"
    created = sql.bind(at.created)
    by_creation = f"({of}.created < {created} OR ({of}.created = {created} AND {rkey}))"
    if not keys:
        return by_creation
    if _lacks_order(keys) and at.values[0] is None:
        return f"({of}.k0 IS NULL AND {by_creation})"
    ways: list[str] = []
    ties: list[str] = []
    for n, key in enumerate(keys):
        column, value = f"{of}.k{n}", at.values[n]
        if value is None:
            ties.append(f"{column} IS NULL")
            continue
        place = sql.bind(value)
        beyond = f"({column} {'<' if key.descending else '>'} {place} OR {column} IS NULL)"
        ways.append(" AND ".join([*ties, beyond]))
        ties.append(f"{column} = {place}")
    ways.append(" AND ".join([*ties, rkey]))
    return "(" + " OR ".join(f"({way})" for way in ways) + ")"
