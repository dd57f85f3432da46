"""How a row of the search tables compares with what a search asks, as SQL that both engines read alike.

Ranges are half-open, [low, high). ``bind`` gives the place of a value in the statement. The rows' aliases are ``d`` (search_date)
and ``q`` (search_quantity). Source: https://hl7.org/fhir/R4/search.html#prefix.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from vaka.fhir.criteria import Prefix, Quantities

WIDE_US: Final = 31 * 86_400 * 1_000_000
"""Periods over this stand in an index of their own."""
WIDE: Final = f"d.high - d.low > {WIDE_US}"
Bind = Callable[[object], str]


def updated(bind: Bind, column: str, prefix: Prefix, low: int, high: int) -> str:
    """When a resource was changed, an instant."""
    match prefix:
        case "eq" | "ap":
            return f"{column} >= {bind(low)} AND {column} < {bind(high)}"
        case "ne":
            return f"NOT ({column} >= {bind(low)} AND {column} < {bind(high)})"
        case "gt" | "sa":
            return f"{column} >= {bind(high)}"
        case "lt" | "eb":
            return f"{column} < {bind(low)}"
        case "ge":
            return f"{column} >= {bind(low)}"
        case "le":
            return f"{column} < {bind(high)}"


def _after(bind: Bind, bound: int) -> str:
    """``d.high > bound`` so that the index on ``low`` serves all but the wide periods."""
    near, all_, wide = bind(bound - WIDE_US), bind(bound), bind(bound)
    return f"((d.low > {near} AND d.high > {all_}) OR ({WIDE} AND d.high > {wide}))"


def dates(bind: Bind, prefix: Prefix, low: int, high: int) -> str:
    """A row ``d`` of search_date."""
    at, end = bind(low), bind(high)
    within = f"d.low >= {at} AND d.low < {end} AND d.high <= {end}"
    match prefix:
        case "eq":
            return within
        case "ne":
            return f"NOT ({within})"
        case "gt":
            return _after(bind, high)
        case "ge":
            return f"({_after(bind, high)} OR ({within}))"
        case "lt":
            return f"d.low < {at}"
        case "le":
            return f"(d.low < {at} OR ({within}))"
        case "sa":
            return f"d.low >= {end}"
        case "eb":
            return f"d.high <= {at} AND d.low < {at}"
        case "ap":
            return f"(d.low < {end} AND {_after(bind, low)})"


def quantities(bind: Bind, node: Quantities) -> str:
    """A row ``q`` of search_quantity."""
    value, low, high = bind(node.value), bind(node.low), bind(node.high)
    match node.prefix:
        case "eq":
            return f"q.low >= {low} AND q.low < {high} AND q.high < {high}"
        case "ne":
            return f"NOT (q.low >= {low} AND q.high < {high})"
        case "ap":
            return f"q.low < {high} AND q.high >= {low}"
        case "gt":
            return f"q.high > {value}"
        case "ge":
            return f"q.high >= {value}"
        case "sa":
            return f"q.low > {value}"
        case "lt":
            return f"q.low < {value}"
        case "le":
            return f"q.low <= {value}"
        case "eb":
            return f"q.high < {value}"
