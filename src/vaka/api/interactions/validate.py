"""$validate: would this resource be accepted? Nothing is stored. https://hl7.org/fhir/R4/resource-operation-validate.html.

Invariant: what was asked and is not checked (a profile, an unknown parameter, whether a deletion is lawful) is named in the
answer: "would be accepted" never says more than was looked at.
"""

from __future__ import annotations

from typing import Any

import orjson

from vaka.api.http import Request, Response, require_json_answer, require_json_body
from vaka.api.server import Server, known_type, living
from vaka.errors import Invalid, Issue
from vaka.fhir.accept import findings
from vaka.fhir.outcome import operation_outcome
from vaka.fhir.parse import Parsed, as_parsed, parse_json, parse_resource

_MODES = frozenset({"create", "update", "delete"})
_KNOWN = frozenset({"mode", "profile", "resource", "_format", "_pretty"})


async def validate(server: Server, request: Request, type_: str | None, id_: str | None) -> Response:
    """200 with an OperationOutcome, whatever it finds."""
    require_json_answer(request)
    if type_ is not None:
        known_type(type_)
    asked, parsed = await _asked(server, request, type_, id_)
    mode = asked.get("mode")
    if mode is not None and mode not in _MODES:
        raise Invalid(f"mode {mode[:40]} is not one of {', '.join(sorted(_MODES))}", path="mode")
    issues = [
        Issue("warning", "not-supported", f"$validate does not know {name[:60]}", name[:60])
        for name in asked
        if name not in _KNOWN
    ]
    if "profile" in asked:
        issues.append(Issue("warning", "not-supported", "profiles are not checked, only base R4 is", "profile"))
    if mode == "delete" and type_ is not None and id_ is not None:
        await _current(server, request, type_, id_)
        told = f"{type_}/{id_} is there; whether you may delete it (rights, signatures) is decided when you do"
        return _answer([*issues, Issue("information", "informational", told)])
    if parsed is None:
        raise Invalid("Parameters holds no parameter named resource", path="Parameters.parameter")
    issues += findings(parsed)
    if mode == "update" and parsed.id is None:
        issues.append(Issue("error", "required", "an update needs an id", f"{parsed.type}.id"))
    elif id_ is not None and parsed.id not in (None, id_):
        other = f"the resource's id is {parsed.id}, the address says {id_}"
        issues.append(Issue("error", "invalid", other, f"{parsed.type}.id"))
    if not any(issue.severity in ("error", "fatal") for issue in issues):
        issues.append(Issue("information", "informational", f"this {parsed.type} would be accepted"))
    return _answer(issues)


async def _asked(
    server: Server, request: Request, type_: str | None, id_: str | None
) -> tuple[dict[str, str], Parsed | None]:
    """The parameters, and the resource if there is one: what stands, or what is sent, alone or in Parameters."""
    asked = dict(request.query)
    if request.method == "GET":
        return asked, parse_resource(await _current(server, request, type_ or "", id_ or ""), type_)
    require_json_body(request)
    body = await request.body()
    if not body.strip() and id_ is not None and asked.get("mode") == "delete":
        return asked, None
    content = parse_json(body)
    if content.get("resourceType") != "Parameters" or type_ == "Parameters":
        return asked, as_parsed(content, body, type_)
    resource: Any = None
    for part in _parts(content):
        values = [value for member, value in part.items() if member.startswith("value")]
        asked[str(part.get("name"))] = str(values[0]) if values else ""
        if part.get("name") == "resource":
            resource = part.get("resource")
    return asked, as_parsed(resource, orjson.dumps(resource), type_) if isinstance(resource, dict) else None


async def _current(server: Server, request: Request, type_: str, id_: str) -> bytes:
    """What stands. NotFound, Gone."""
    return living(await server.store.read(type_, id_, access=request.access), type_, id_).body or b""


def _parts(content: dict[str, Any]) -> list[dict[str, Any]]:
    """The parameters of a Parameters that nobody has validated."""
    found = content.get("parameter")
    return [part for part in found if isinstance(part, dict)] if isinstance(found, list) else []


def _answer(issues: list[Issue]) -> Response:
    return Response(200, orjson.dumps(operation_outcome(issues)))
