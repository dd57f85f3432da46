"""The one way from a parsed resource to a write: validation, and the rows that it is found by.

Invariant: what comes in over HTTP and what `vaka load` brings pass the same gate.
"""

from __future__ import annotations

import base64
from typing import Any

from vaka.errors import Unprocessable
from vaka.fhir import paper
from vaka.fhir.extract import extract, owner_hints
from vaka.fhir.media import START_BYTES, begins_as
from vaka.fhir.parse import Parsed
from vaka.fhir.validate import validate
from vaka.journal.write import Write


def require_valid(parsed: Parsed) -> None:
    """Unprocessable, with every finding and its path, unless ``parsed`` is valid FHIR R4."""
    errors = [issue for issue in validate(parsed) if issue.severity in ("error", "fatal")]
    errors += paper.issues(parsed.resource)
    if errors:
        raise Unprocessable(f"the {parsed.type} is not valid FHIR R4", issues=errors)
    if parsed.type == "Binary":
        text = "".join(str(parsed.resource.get("data", "")).split())[
            : START_BYTES * 2
        ]  # a multiple of four, or all of it
        require_type(str(parsed.resource.get("contentType")), base64.b64decode(text))


def require_type(media: str, start: bytes) -> None:
    """Unprocessable where content that begins with ``start`` is not of type ``media``: a viewer would open something else."""
    if not begins_as(media, start):
        raise Unprocessable(
            f"the content is no {media[:60]}: it does not begin as one", path="Binary.contentType",
            help="send it with the type that it has; application/octet-stream where none fits",
        )  # fmt: skip


def write_of(parsed: Parsed, id_: str, **conditions: Any) -> Write:
    """The write of a parsed resource under ``id_``, with the rows that it is found by."""
    named = parsed.resource if parsed.id == id_ else {**parsed.resource, "id": id_}
    patient = owner_hints(named)
    return Write(parsed.type, id_, parsed.resource, parsed.body, rows=extract(named), patient=patient, **conditions)
