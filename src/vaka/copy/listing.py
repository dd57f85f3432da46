"""What lists the candidates of a search: one of its conditions, as a subquery that an index answers, giving keys of resources.

Invariant: a listing gives all that satisfy its condition. Not every condition can list: a negation, a chain, a quantity, a text
somewhere within a string are only asked of each candidate. Which of several lists is decided by counting (``copy.weigh``), and
stands first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeGuard

from vaka.fhir.criteria import All, Criterion, Dates, Ids, Strings, Tokens, Unprotected, Words
from vaka.fhir.criteria import Any as AnyOf
from vaka.store.comparing import WIDE, WIDE_US

if TYPE_CHECKING:
    from vaka.copy.compile import Sql


@dataclass(frozen=True, slots=True)
class Listing:
    """``text``: a subquery of keys; ``nodes``: the conditions that it answers to the letter, none where it gives more."""

    text: str
    nodes: tuple[Criterion, ...] = ()


def conjuncts(node: Criterion) -> Iterator[Criterion]:
    """What must all stand."""
    if isinstance(node, All):
        for part in node.parts:
            yield from conjuncts(part)
    else:
        yield node


def lead(sql: Sql, node: Criterion) -> Listing | None:
    """The listing of the first condition of ``node`` that can list, None if there is none."""
    parts = list(conjuncts(node))
    return next((found for part in parts if (found := listing(sql, part, parts)) is not None), None)


def listing(sql: Sql, node: Criterion, beside: Sequence[Criterion] = ()) -> Listing | None:
    """``beside``: the conditions that must stand with it, so that both ends of a range can bound one look-up."""
    match node:
        case Tokens(()) | Ids(()):
            return Listing("SELECT 0 WHERE FALSE", (node,))
        case Tokens(keys):
            return Listing(f"SELECT t.rkey FROM token t WHERE {sql.among('t.key', keys, 'bigint')}", (node,))
        case Ids(keys):
            return Listing(f"SELECT value FROM carray({sql.keys(keys)})", (node,))
        case Words(lexemes) if lexemes:
            return Listing(f"SELECT w.rowid FROM words w WHERE {sql.matching(lexemes)}", (node,))
        case Dates():
            return _dates(sql, [node, *[one for one in beside if _same_row(one, node)]])
        case Strings(match="prefix"):
            return Listing(f"SELECT s.rkey FROM search_string s WHERE {sql.string_rows(node)}", (node,))
        case AnyOf(parts) if parts:
            found = [listing(sql, part) or lead(sql, part) for part in parts]
            texts = [one.text for one in found if one is not None]
            whole = all(one is not None and one.nodes == (part,) for one, part in zip(found, parts, strict=True))
            return Listing(" UNION ALL ".join(texts), (node,) if whole else ()) if len(texts) == len(parts) else None
        case Unprotected(part):
            found_part = lead(sql, part)
            return Listing(found_part.text) if found_part is not None else None
    return None


def _same_row(one: Criterion, node: Dates) -> TypeGuard[Dates]:
    """Whether another condition asks of the one row that ``node`` asks of."""
    return one is not node and node.single and isinstance(one, Dates) and one.single and one.params == node.params


def _dates(sql: Sql, nodes: Sequence[Dates]) -> Listing | None:
    """By where periods begin; what lasts past a moment begins 31 days before it at most, or is found among the long ones."""
    from_, before, past = _bounds(nodes)
    if from_ is None and before is None and past is None:
        return None
    rows = f"SELECT d.rkey FROM search_date d WHERE {sql.date_rows(nodes)}"
    upper = f" AND d.low < {sql.bind(before)}" if before is not None else ""
    if from_ is not None or past is None:
        lower = f" AND d.low >= {sql.bind(from_)}" if from_ is not None else ""
        return Listing(rows + lower + upper, tuple(nodes))
    short = f"{rows} AND d.low > {sql.bind(past - WIDE_US)}{upper}"
    return Listing(f"{short} UNION ALL {rows} AND {WIDE} AND d.high > {sql.bind(past)}{upper}", tuple(nodes))


def _bounds(nodes: Sequence[Dates]) -> tuple[int | None, int | None, int | None]:
    """What all of ``nodes`` say of a row: it begins at, begins before, ends past."""
    from_: list[int] = []
    before: list[int] = []
    past: list[int] = []
    for node in nodes:
        match node.prefix:
            case "eq":
                from_.append(node.low_us)
                before.append(node.high_us)
            case "sa":
                from_.append(node.high_us)
            case "lt" | "eb":
                before.append(node.low_us)
            case "le":
                before.append(node.high_us)
            case "gt":
                past.append(node.high_us)
            case "ge":
                past.append(node.low_us)
            case "ap":
                before.append(node.high_us)
                past.append(node.low_us)
    return max(from_, default=None), min(before, default=None), max(past, default=None)
