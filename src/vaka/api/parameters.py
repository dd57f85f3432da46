"""The body of an operation: a Parameters resource (https://hl7.org/fhir/R4/parameters.html)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from vaka.api.http import Request, Response, require_json_answer, require_json_body
from vaka.api.server import accept_resource
from vaka.errors import Invalid


async def parameters(request: Request, known: Sequence[str]) -> dict[str, Any]:
    """Parameter name → value of a valid Parameters body; an empty body has none. Invalid for names that are not ``known``, or
    given twice."""
    require_json_answer(request)
    body = await request.body()
    if not body.strip():
        return {}
    require_json_body(request)
    found: dict[str, Any] = {}
    for n, part in enumerate(accept_resource(body, "Parameters").resource.get("parameter") or ()):
        path = f"Parameters.parameter[{n}]"
        name = part.get("name")
        if name not in known:
            raise Invalid(f"there is no parameter {str(name)[:60]} here", path=path, help=f"use {', '.join(known)}")
        if name in found:
            raise Invalid(f"{name} is given more than once", path=path)
        values = [value for key, value in part.items() if key.startswith("value") or key == "resource"]
        if len(values) != 1:
            raise Invalid(f"{name} has no value", path=path)
        found[name] = values[0]
    return found


def text(given: Mapping[str, Any], name: str, minimum: int, maximum: int) -> str:
    """A text of ``minimum`` to ``maximum`` characters. Invalid if it is missing or of another length."""
    value = given.get(name)
    if not isinstance(value, str) or not minimum <= len(value.strip()) <= maximum:
        raise Invalid(
            f"{name} is a text of {minimum} to {maximum} characters", path=f"Parameters.parameter.where(name='{name}')"
        )
    return value.strip()


def answer(parts: Sequence[Mapping[str, Any]], status: int = 200) -> Response:
    """A Parameters resource with these parameters."""
    return Response(status, orjson.dumps({"resourceType": "Parameters", "parameter": list(parts)}))
