"""What a resource is found by: the rows that journal and copy store beside it. Made by ``fhir.extract``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

LOWEST: Final = 1
HIGHEST: Final = 2
"""``edge`` bits: of the rows of one parameter in one resource, this one sorts first (ascending), this one last.
A single row carries both (3). Sorting ascending reads rows with LOWEST, descending rows with HIGHEST."""

DATE_MIN_US: Final = -(2**62)
DATE_MAX_US: Final = 2**62
"""Open ends of a Period, in microseconds since 1970-01-01T00:00:00Z."""


class DateRow(NamedTuple):
    """Half-open ``[low_us, high_us)``, microseconds UTC: ``2024-01`` covers the month, an instant one microsecond
    to one second by its precision. Dates without zone are read in Europe/Stockholm (S6)."""

    param: int
    low_us: int
    high_us: int
    edge: int


class QuantityRow(NamedTuple):
    """A number or quantity. A single value is a point (``low == high``); a Range, or a SampledData's limits, an interval.

    ``unit`` is 0 for the number as written (also every ``number`` parameter), else ``unit_key`` of its unit with the value in
    canonical UCUM units; a quantity gives both rows. ``key`` is 0, or for values that are part of a composite (value with its
    code) ``key(param name, "with", code)``: one row for each coding."""

    param: int
    key: int
    unit: int
    low: float
    high: float
    edge: int


class StringRow(NamedTuple):
    """``value`` is folded (case, accents, spaces) and cut to 256 characters; prefix search and sorting use it."""

    param: int
    value: str
    edge: int


@dataclass(slots=True)
class IndexRows:
    """``tokens``: sorted, without doubles. ``words``: folded, stemmed lexemes of the resource's text, sorted, without
    doubles, at most 2,000; those that stand in the narrative (``_text``) stand a second time with a leading ``_``."""

    tokens: list[int] = field(default_factory=list)
    dates: list[DateRow] = field(default_factory=list)
    quantities: list[QuantityRow] = field(default_factory=list)
    strings: list[StringRow] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
