"""The API's description as OpenAPI 3.0, at /fhir/openapi.json: what a program or a tester needs to ask it anything.

Made from the same tables as the capability statement (definitions, INTERACTIONS), never by hand. With
``?types=Patient,Observation`` it tells of these types alone: all 146 make some megabytes.
Source: https://spec.openapis.org/oas/v3.0.3, https://hl7.org/fhir/R4/http.html#summary.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import orjson

from vaka import __version__, config
from vaka.api.http import FHIR_JSON, Request, Response
from vaka.api.operations import Operation, of_type
from vaka.api.server import known_type
from vaka.fhir.definitions import COMPARTMENTS, RESOURCE_TYPES, parameters
from vaka.fhir.media import JSON_PATCH

_FORM = "application/x-www-form-urlencoded"
_ID = {"type": "string", "pattern": r"^[A-Za-z0-9\-\.]{1,64}$"}
_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0, "maximum": config.PAGE_MAX_COUNT}
_RESULTS: dict[str, dict[str, Any]] = {
    "_sort": _TEXT,
    "_count": _COUNT,
    "_total": {"type": "string", "enum": ["none", "estimate", "accurate"]},
    "_summary": {"type": "string", "enum": ["true", "false", "text", "data", "count"]},
    "_elements": _TEXT,
    "_include": _TEXT,
    "_revinclude": _TEXT,
}
_HISTORY: dict[str, dict[str, Any]] = {"_count": _COUNT, "_since": _TEXT, "_at": _TEXT}
_EVERYTHING: dict[str, dict[str, Any]] = {
    "_count": _COUNT,
    "_since": _TEXT,
    "_type": _TEXT,
    "start": _TEXT,
    "end": _TEXT,
}
_MODE: dict[str, dict[str, Any]] = {"mode": {"type": "string", "enum": ["create", "update", "delete"]}}
_WRITING = ("Prefer", "Idempotency-Key")


def description(request: Request) -> Response:
    """The OpenAPI document. NotFound for a type that is none."""
    named = request.option("types")
    types = tuple(dict.fromkeys(known_type(name) for name in named.split(","))) if named else RESOURCE_TYPES
    return Response(200, document(request.base_url, types), content_type="application/json")


@lru_cache(maxsize=4)
def document(base_url: str, types: tuple[str, ...]) -> bytes:
    paths = _system()
    for type_ in types:
        paths |= _of_type(type_)
    return orjson.dumps(
        {
            "openapi": "3.0.3",
            "info": {"title": "Vaka: FHIR R4", "version": __version__},
            "servers": [{"url": base_url}],
            "security": [{"bearer": []}],
            "paths": paths,
            "components": {
                "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
                "schemas": {"OperationOutcome": _OUTCOME, "Bundle": _resource("Bundle"), "Patch": _PATCH},
            },
        }
    )


_OUTCOME = {
    "type": "object",
    "required": ["resourceType", "issue"],
    "properties": {
        "resourceType": {"type": "string", "enum": ["OperationOutcome"]},
        "issue": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["severity", "code"],
                "properties": {
                    "severity": {"type": "string", "enum": ["fatal", "error", "warning", "information"]},
                    "code": _TEXT,
                    "expression": {"type": "array", "items": _TEXT},
                },
            },
        },
    },
}
_PATCH = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["op", "path"],
        "properties": {
            "op": {"type": "string", "enum": ["add", "remove", "replace", "move", "copy", "test"]},
            "path": _TEXT,
            "from": _TEXT,
            "value": {},
        },
    },
}


_PARAMETERS = {
    "type": "object",
    "required": ["resourceType", "parameter"],
    "properties": {
        "resourceType": {"type": "string", "enum": ["Parameters"]},
        "parameter": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string", "enum": ["resource", "mode", "profile"]},
                    "valueCode": _TEXT,
                    "valueUri": _TEXT,
                    "resource": {"type": "object", "required": ["resourceType"]},
                },
            },
        },
    },
}


def _resource(type_: str) -> dict[str, Any]:
    """Any resource of a type: what else it must be is FHIR's to say, and is checked by validation."""
    return {
        "type": "object",
        "required": ["resourceType"],
        "properties": {"resourceType": {"type": "string", "enum": [type_]}, "id": _ID},
    }


def _operation(
    summary: str, *statuses: int, query: dict[str, Any] | None = None, headers: Sequence[str] = (), body: Any = None
) -> dict[str, Any]:
    """An operation that answers with a resource on ``statuses`` and with an OperationOutcome otherwise."""
    outcome = {FHIR_JSON: {"schema": {"$ref": "#/components/schemas/OperationOutcome"}}}
    some = {FHIR_JSON: {"schema": {"type": "object", "required": ["resourceType"]}}}
    told: dict[str, Any] = {"default": {"description": "not done, and why", "content": outcome}}
    for status in statuses:
        told[str(status)] = {"description": "done"} | ({} if status in (204, 304) else {"content": some})
    described: dict[str, Any] = {"summary": summary, "responses": told}
    asked = [{"name": name, "in": "query", "schema": schema} for name, schema in (query or {}).items()]
    asked += [{"name": name, "in": "header", "schema": _TEXT} for name in headers]
    if asked:
        described["parameters"] = asked
    if body is not None:
        described["requestBody"] = {"required": True, "content": body}
    return described


def _system() -> dict[str, Any]:
    bundle = {FHIR_JSON: {"schema": {"$ref": "#/components/schemas/Bundle"}}}
    anything = {FHIR_JSON: {"schema": {"type": "object", "required": ["resourceType"]}}}
    common = _searched("Basic", only_common=True) | {"_type": _TEXT}
    return {
        "/metadata": {"get": _operation("capabilities", 200)},
        "/": {
            "get": _operation("search in the system", 200, query=common),
            "post": _operation("batch or transaction", 200, headers=_WRITING, body=bundle),
        },
        "/_search": {"post": _operation("search in the system", 200, body=_form(common))},
        "/_history": {"get": _operation("history of the system", 200, query=_HISTORY)},
        "/$validate": {"post": _operation("validate any resource", 200, query=_MODE, body=anything)},
        **{
            f"/${one.name}": {"get": _operation(one.summary, 200, query=dict.fromkeys(one.asks, _TEXT))}
            for one in of_type("")
            if one.methods == ("GET",)
        },
    }


def _of_type(type_: str) -> dict[str, Any]:
    of_it = {FHIR_JSON: {"schema": _resource(type_)}}
    patch = {JSON_PATCH: {"schema": {"$ref": "#/components/schemas/Patch"}}}
    validated = {FHIR_JSON: {"schema": {"oneOf": [_resource(type_), _PARAMETERS]}}} if type_ != "Parameters" else of_it
    searched = _searched(type_)
    conditions = {name: schema for name, schema in searched.items() if name not in _RESULTS}
    shown = {"_summary": _RESULTS["_summary"], "_elements": _TEXT}
    one, versioned = {"parameters": [_in_path("id", _ID)]}, [_in_path("id", _ID), _in_path("version", _TEXT)]
    paths: dict[str, Any] = {
        f"/{type_}": {
            "get": _operation(f"search {type_}", 200, query=searched),
            "post": _operation(f"create a {type_}", 200, 201, headers=(*_WRITING, "If-None-Exist"), body=of_it),
            "put": _operation("conditional update", 200, 201, query=conditions, headers=_WRITING, body=of_it),
            "patch": _operation("conditional patch", 200, query=conditions, headers=_WRITING, body=patch),
            "delete": _operation("conditional delete", 200, 204, query=conditions, headers=_WRITING),
        },
        f"/{type_}/_search": {"post": _operation(f"search {type_}", 200, body=_form(searched))},
        f"/{type_}/_history": {"get": _operation(f"history of all {type_}", 200, query=_HISTORY)},
        f"/{type_}/$validate": {"post": _operation(f"validate a {type_}", 200, query=_MODE, body=validated)},
        f"/{type_}/{{id}}": one
        | {
            "get": _operation("read", 200, 304, query=shown, headers=("If-None-Match", "If-Modified-Since")),
            "put": _operation("update, or create here", 200, 201, headers=(*_WRITING, "If-Match"), body=of_it),
            "patch": _operation("patch", 200, headers=(*_WRITING, "If-Match"), body=patch),
            "delete": _operation("delete", 200, 204, headers=(*_WRITING, "If-Match")),
        },
        f"/{type_}/{{id}}/$validate": one
        | {
            "get": _operation("validate what is stored", 200, query=_MODE),
            "post": _operation("validate what would be stored", 200, query=_MODE, body=validated),
        },
        f"/{type_}/{{id}}/_history": one | {"get": _operation("history of one", 200, query=_HISTORY)},
        f"/{type_}/{{id}}/_history/{{version}}": {"parameters": versioned, "get": _operation("vread", 200)},
    }
    if type_ == "Patient":
        paths["/Patient/{id}/$everything"] = one | {
            "get": _operation("all of a patient", 200, query=_EVERYTHING),
            "post": _operation("all of a patient", 200, body={FHIR_JSON: {"schema": _resource("Parameters")}}),
        }
    for asked in of_type(type_):
        if asked.name != "everything":
            paths |= _records(type_, asked)
    if type_ in COMPARTMENTS:
        address = f"/{type_}/{{id}}/{{type}}"
        of_which = _in_path("type", {"type": "string", "enum": list(RESOURCE_TYPES)})
        within = {"parameters": [_in_path("id", _ID), of_which]}
        paths[address] = within | {"get": _operation("search in a compartment", 200, query=_RESULTS)}
        paths[f"{address}/_search"] = within | {
            "post": _operation("search in a compartment", 200, body=_form(_RESULTS))
        }
    return paths


def _records(type_: str, asked: Operation) -> dict[str, Any]:
    """An operation on records (docs/operating/records.md)."""
    form = {FHIR_JSON: {"schema": _resource("Parameters")}}
    does = _operation(asked.summary, 200, 201, 202, headers=(*_WRITING[1:], "If-Match"), body=form)
    does["requestBody"]["required"] = False
    methods = {"GET": _operation(asked.summary, 200), "POST": does}
    address = f"/{type_}/{{id}}/${asked.name}" if asked.on_one else f"/{type_}/${asked.name}"
    shared = {"parameters": [_in_path("id", _ID)]} if asked.on_one else {}
    return {address: shared | {method.lower(): methods[method] for method in asked.methods}}


def _in_path(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _searched(type_: str, *, only_common: bool = False) -> dict[str, Any]:
    """Every search parameter that can be used, and what shapes the result."""
    found = [p.code for p in parameters(type_).values() if p.supported and (p.code.startswith("_") or not only_common)]
    return {**dict.fromkeys(sorted(found), _TEXT), **_RESULTS}


def _form(query: dict[str, Any]) -> dict[str, Any]:
    return {_FORM: {"schema": {"type": "object", "properties": query}}}
