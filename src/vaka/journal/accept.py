"""The one way from a parsed resource that is taken (``fhir.accept``) to a write with the rows that it is found by."""

from __future__ import annotations

from typing import Any

from vaka.fhir.extract import extract, owner_hints
from vaka.fhir.parse import Parsed
from vaka.journal.write import Write


def write_of(parsed: Parsed, id_: str, **conditions: Any) -> Write:
    """The write of a parsed resource under ``id_``, with the rows that it is found by."""
    named = parsed.resource if parsed.id == id_ else {**parsed.resource, "id": id_}
    patient = owner_hints(named)
    return Write(parsed.type, id_, parsed.resource, parsed.body, rows=extract(named), patient=patient, **conditions)
