"""Does one resource, by its index rows, satisfy a criterion? The meaning of the search tree, which the stores must
equal.

The stores use it to verify 64-bit keys on the original, tests as the oracle of compiled searches. Three values: None
means that the answer needs other resources (chains, ``_has``). How a row ``[low, high)`` compares with the range
asked for ``[Low, High)``:

======  =====================================  =================================================
prefix  dates                                  numbers and quantities (``value``; rows ``[low, high]``)
======  =====================================  =================================================
eq      Low ≤ low and high ≤ High              Low ≤ low and high < High
ne      not eq                                 not eq
gt      high > High                            high > value
lt      low < Low                              low < value
ge      gt or eq                               high ≥ value
le      lt or eq                               low ≤ value
sa      low ≥ High                             low > value
eb      high ≤ Low                             high < value
ap      low < High and high > Low (widened)    low < High and high ≥ Low (widened)
======  =====================================  =================================================

A resource without row satisfies no prefix, not even ``ne``. Source: https://hl7.org/fhir/R4/search.html#prefix.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from vaka.fhir.criteria import (
    All,
    Any,
    Chain,
    Criterion,
    Dates,
    Has,
    Ids,
    LastUpdated,
    Not,
    Prefix,
    Quantities,
    Strings,
    Tokens,
    Unprotected,
    Words,
)
from vaka.fhir.index import IndexRows


def matches(rows: IndexRows, resource_key: int, last_updated_us: int, criterion: Criterion) -> bool | None:
    """True, False, or None where only other resources can tell."""
    match criterion:
        case Tokens(keys):
            return not set(keys).isdisjoint(rows.tokens)
        case Ids(keys):
            return resource_key in keys
        case Words(lexemes):
            return set(lexemes) <= set(rows.words)
        case Strings(params, "prefix", value):
            return any(row.param in params and row.value.startswith(value) for row in rows.strings)
        case Strings(params, _, value):
            return any(row.param in params and value in row.value for row in rows.strings)
        case Dates(params, prefix, low, high):
            return any(
                row.param in params and in_dates(prefix, row.low_us, row.high_us, low, high) for row in rows.dates
            )
        case Quantities(params, keys, unit):
            return any(
                row.param in params
                and row.unit == unit
                and (not keys or row.key in keys)
                and in_numbers(criterion, row.low, row.high)
                for row in rows.quantities
            )
        case LastUpdated(prefix, low, high):
            return in_dates(prefix, last_updated_us, last_updated_us + 1, low, high)
        case Chain() | Has():
            return None
        case All(parts):
            return _all(matches(rows, resource_key, last_updated_us, part) for part in parts)
        case Any(parts):
            found = _all(_opposite(matches(rows, resource_key, last_updated_us, part)) for part in parts)
            return _opposite(found)
        case Unprotected(part):
            return matches(rows, resource_key, last_updated_us, part)
        case Not(part):
            return _opposite(matches(rows, resource_key, last_updated_us, part))
        case _:
            assert_never(criterion)


def in_dates(prefix: Prefix, row_low: int, row_high: int, low: int, high: int) -> bool:
    """The left column of the table above."""
    within = low <= row_low and row_high <= high
    match prefix:
        case "eq":
            return within
        case "ne":
            return not within
        case "gt":
            return row_high > high
        case "lt":
            return row_low < low
        case "ge":
            return row_high > high or within
        case "le":
            return row_low < low or within
        case "sa":
            return row_low >= high
        case "eb":
            return row_high <= low
        case "ap":
            return row_low < high and row_high > low


def in_numbers(asked: Quantities, row_low: float, row_high: float) -> bool:
    """The right column."""
    match asked.prefix:
        case "eq":
            return asked.low <= row_low and row_high < asked.high
        case "ne":
            return not (asked.low <= row_low and row_high < asked.high)
        case "gt":
            return row_high > asked.value
        case "lt":
            return row_low < asked.value
        case "ge":
            return row_high >= asked.value
        case "le":
            return row_low <= asked.value
        case "sa":
            return row_low > asked.value
        case "eb":
            return row_high < asked.value
        case "ap":
            return row_low < asked.high and row_high >= asked.low


def _opposite(value: bool | None) -> bool | None:
    return None if value is None else not value


def _all(values: Iterable[bool | None]) -> bool | None:
    """Kleene's AND: one False decides, else one None leaves it open."""
    found = list(values)
    if False in found:
        return False
    return None if None in found else True
