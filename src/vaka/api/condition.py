"""The search that the condition of a conditional interaction is (https://hl7.org/fhir/R4/http.html#cond-update)."""

from __future__ import annotations

from collections.abc import Sequence

from vaka.api.http import parse_query_string
from vaka.errors import Invalid
from vaka.fhir.criteria import Query
from vaka.fhir.query import parse_query
from vaka.store.store import Store

_RESULTS = frozenset({"_format", "_pretty", "_summary", "_elements", "_count", "_sort", "_total"})


def condition(store: Store, type_: str, query: str | Sequence[tuple[str, str]], base_url: str) -> Query:
    """The search of a condition. Invalid if it is empty, or names a parameter that is not known."""
    pairs = parse_query_string(query) if isinstance(query, str) else list(query)
    pairs = [(name, value) for name, value in pairs if name not in _RESULTS]
    if not pairs:
        raise Invalid(f"a conditional interaction on {type_} needs search parameters")
    return parse_query([type_], pairs, base_url=base_url, strict=True, same=store.same)
