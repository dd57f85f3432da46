"""$validate: would this resource be accepted? Nothing is stored. https://hl7.org/fhir/R4/resource-operation-validate.html."""

from __future__ import annotations

from typing import Any

import orjson

from vaka.api.http import Request, Response, require_json_answer, require_json_body
from vaka.api.server import Server, known_type, living
from vaka.errors import Invalid, Issue
from vaka.fhir.outcome import operation_outcome
from vaka.fhir.parse import as_parsed, parse_json, parse_resource
from vaka.fhir.validate import validate as find_issues

_MODES = frozenset({"create", "update", "delete"})


async def validate(server: Server, request: Request, type_: str | None, id_: str | None) -> Response:
    """200 with an OperationOutcome, whatever it finds."""
    require_json_answer(request)
    if type_ is not None:
        known_type(type_)
    mode = request.option("mode")
    if request.method == "GET":
        version = living(
            await server.journal.reader.read(type_ or "", id_ or "", access=request.access), type_ or "", id_ or ""
        )
        body = version.body or b""
    else:
        require_json_body(request)
        body = await request.body()
    content = parse_json(body)
    if content.get("resourceType") == "Parameters" and type_ != "Parameters":
        resource = _parameter(content, "resource").get("resource")
        if not isinstance(resource, dict):
            raise Invalid("Parameters holds no parameter named resource", path="Parameters.parameter")
        named = _parameter(content, "mode").get("valueCode")
        mode = mode or (str(named) if named is not None else None)
        parsed = as_parsed(resource, orjson.dumps(resource), type_)
    else:
        parsed = parse_resource(body, type_)
    if mode is not None and mode not in _MODES:
        raise Invalid(f"mode {mode[:40]} is not one of {', '.join(sorted(_MODES))}", path="mode")
    issues = list(find_issues(parsed))
    if mode == "update" and parsed.id is None:
        issues.append(Issue("error", "required", "an update needs an id", f"{parsed.type}.id"))
    if not any(issue.severity in ("error", "fatal") for issue in issues):
        issues.append(Issue("information", "informational", f"this {parsed.type} would be accepted"))
    return Response(200, orjson.dumps(operation_outcome(issues)))


def _parameter(content: dict[str, Any], name: str) -> dict[str, Any]:
    """The parameter called ``name`` of a Parameters that nobody has validated; empty where there is none."""
    parameters = content.get("parameter")
    found = parameters if isinstance(parameters, list) else []
    return next((part for part in found if isinstance(part, dict) and part.get("name") == name), {})
