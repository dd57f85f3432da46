"""The one way from a parsed resource to a write: validation, and the rows that it is found by.

Invariant: what comes in over HTTP and what `vaka load` brings pass the same gate.
"""

from __future__ import annotations

from typing import Any

from vaka.errors import Unprocessable
from vaka.fhir.extract import extract, owner_hints
from vaka.fhir.parse import Parsed
from vaka.fhir.validate import validate
from vaka.journal.write import Write


def require_valid(parsed: Parsed) -> None:
    """Unprocessable, with every finding and its path, unless ``parsed`` is valid FHIR R4."""
    errors = [issue for issue in validate(parsed) if issue.severity in ("error", "fatal")]
    if errors:
        raise Unprocessable(f"the {parsed.type} is not valid FHIR R4", issues=errors)


def write_of(parsed: Parsed, id_: str, **conditions: Any) -> Write:
    """The write of a parsed resource under ``id_``, with the rows that it is found by."""
    named = parsed.resource if parsed.id == id_ else {**parsed.resource, "id": id_}
    patient = owner_hints(named)
    return Write(parsed.type, id_, parsed.resource, parsed.body, rows=extract(named), patient=patient, **conditions)
