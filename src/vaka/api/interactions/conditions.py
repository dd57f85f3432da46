"""The condition of a conditional interaction, as its request gives it (https://hl7.org/fhir/R4/http.html#cond-update)."""

from __future__ import annotations

from collections.abc import Sequence

from vaka.api.http import Request, parse_query_string
from vaka.api.server import Server
from vaka.errors import Invalid
from vaka.fhir.criteria import Query
from vaka.fhir.query import parse_query
from vaka.journal.conditions import require_unused, the_match

__all__ = ["condition", "condition_of", "require_unused", "the_match"]

_RESULTS = frozenset({"_format", "_pretty", "_summary", "_elements", "_count", "_sort", "_total"})


def condition(server: Server, type_: str, query: str | Sequence[tuple[str, str]], base_url: str) -> Query:
    """The search of a condition. Invalid if it is empty, or names a parameter that is not known."""
    pairs = parse_query_string(query) if isinstance(query, str) else list(query)
    pairs = [(name, value) for name, value in pairs if name not in _RESULTS]
    if not pairs:
        raise Invalid(f"a conditional interaction on {type_} needs search parameters")
    return parse_query([type_], pairs, base_url=base_url, strict=True, same=server.journal.same)


def condition_of(server: Server, request: Request, type_: str) -> Query:
    """The condition that a request's query string is."""
    return condition(server, type_, request.query, request.base_url)
