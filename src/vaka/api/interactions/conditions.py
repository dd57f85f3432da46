"""The condition of a conditional interaction, as its request gives it (https://hl7.org/fhir/R4/http.html#cond-update)."""

from __future__ import annotations

from vaka.api.condition import condition
from vaka.api.http import Request
from vaka.api.server import Server
from vaka.fhir.criteria import Query
from vaka.journal.conditions import require_unused, the_match

__all__ = ["condition", "condition_of", "require_unused", "the_match"]


def condition_of(server: Server, request: Request, type_: str) -> Query:
    """The condition that a request's query string is."""
    return condition(server.journal, type_, request.query, request.base_url)
