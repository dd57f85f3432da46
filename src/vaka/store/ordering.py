"""The order of a search's matches where it is made in memory, and what may not be sorted by.

Invariants: the order is total: sort values, missing ones last, then newest creation, then key; journal and copy give one order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from vaka.access.filter import AccessFilter
from vaka.errors import Invalid
from vaka.fhir.criteria import Query, SortKey
from vaka.fhir.protected import SECRET, SHOWN_NAMES
from vaka.store.page import Position
from vaka.store.version import Version

Place: TypeAlias = tuple[tuple[Any, ...], int, int, Version]
"""A match with its sort values (None: missing), creation and key."""


SOURCES: Final = {
    "date": ("search_date", "low"),
    "quantity": ("search_quantity", "low"),
    "string": ("search_string", "value"),
}
"""Table and column of the values that stand in rows of their own."""


def own_value(key: SortKey) -> str | None:
    """The value to sort by where it needs no rows of its own: NULL for texts, which the body holds."""
    return {"text": "NULL", "updated": "r.updated_us", "id": "r.id"}.get(key.source)


def require_sortable(query: Query, access: AccessFilter) -> None:
    """An order tells what it is made of: what is masked for a caller does not order the caller's answers (A10)."""
    if access.full or "Patient" not in query.types:
        return
    for key in query.sort:
        if key.parameter in SECRET and key.parameter not in SHOWN_NAMES:
            raise Invalid(
                f"your answers cannot be sorted by {key.parameter}", path="_sort", help="sort by name or birthdate"
            )


def too_many_to_sort(query: Query, limit: int) -> Invalid:
    """The answer where more than ``limit`` match and their order would have to be read from their bodies."""
    return Invalid(
        f"more than {limit} resources match; that many cannot be sorted by {query.sort[0].parameter}",
        path="_sort",
        help="narrow the search, or sort by a date, string, number or quantity parameter",
    )


def in_order(places: list[Place], sort: Sequence[SortKey], at: Position) -> list[Place]:
    """``places`` in order, from after ``at``."""
    places.sort(key=lambda place: (-place[1], place[2]))
    for n, key in reversed(list(enumerate(sort))):
        present = [place for place in places if place[0][n] is not None]
        present.sort(key=lambda place: place[0][n], reverse=key.descending)
        places = present + [place for place in places if place[0][n] is None]
    if at.created is not None:
        places = [place for place in places if _beyond(sort, place, at)]
    return places


def _beyond(sort: Sequence[SortKey], place: Place, at: Position) -> bool:
    """Whether a row stands strictly after ``at``."""
    values, created, rkey, _ = place
    for mine, last, key in zip(values, at.values, sort, strict=True):
        if mine == last:
            continue
        if mine is None or last is None:
            return mine is None
        return bool(mine < last if key.descending else mine > last)
    return (-created, rkey) > (-(at.created or 0), at.rkey or 0)
