"""How much each condition of a search lists, counted up to a bound; what lists least comes first and drives the statement.

SQLite is left no choice of its own: without statistics it would guess, and a guess that is wrong walks a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from vaka import config
from vaka.copy.compile import Sql
from vaka.copy.listing import Listing, conjuncts, listing
from vaka.copy.reader import Reader
from vaka.fhir.criteria import All, Chain, Criterion, Has, Not, Unprotected
from vaka.fhir.criteria import Any as AnyOf
from vaka.store.gate import Gate

UNKNOWN: Final = config.COPY_BROAD_MATCHES + 1
"""The weight of what lists more than is counted, and of what nothing lists."""
_BOUNDS: Final = (64, 1_024, config.COPY_BROAD_MATCHES)


def weigh(reader: Reader, node: Criterion) -> tuple[Criterion, int]:
    """``node`` with what lists least in front, there and in what chains ask; and how many candidates that lists."""
    parts = [_inner(reader, part) for part in conjuncts(node)]
    found = {n: one for n, part in enumerate(parts) if (one := _listing(part, parts)) is not None}
    if not found:
        return All(tuple(parts)), UNKNOWN
    first, weight = _lightest(reader, found)
    return All((parts[first], *parts[:first], *parts[first + 1 :])), weight


def _listing(part: Criterion, beside: Sequence[Criterion]) -> tuple[Sql, Listing] | None:
    sql = Sql(Gate("TRUE"))
    found = listing(sql, part, beside)
    return None if found is None else (sql, found)


def _lightest(reader: Reader, found: dict[int, tuple[Sql, Listing]]) -> tuple[int, int]:
    for bound in _BOUNDS:
        weights: dict[int, int] = {}
        for n, (sql, one) in found.items():
            text = f"SELECT count(*) FROM (SELECT 1 FROM ({one.text}) LIMIT {bound:d})"
            ((weights[n],),) = reader.rows(text, sql.values)
        least = min(weights, key=lambda n: weights[n])
        if weights[least] < bound:
            return least, weights[least]
    return least, UNKNOWN


def _inner(reader: Reader, node: Criterion) -> Criterion:
    """What chains ask, weighed in its turn."""
    match node:
        case AnyOf(parts):
            return AnyOf(tuple(_inner(reader, part) for part in parts))
        case All(parts):
            return All(tuple(_inner(reader, part) for part in parts))
        case Not(part):
            return Not(_inner(reader, part))
        case Unprotected(part):
            return Unprotected(_inner(reader, part))
        case Chain(parameters, types, inner):
            return Chain(parameters, types, weigh(reader, inner)[0])
        case Has(type_, parameters, inner):
            return Has(type_, parameters, weigh(reader, inner)[0])
    return node
