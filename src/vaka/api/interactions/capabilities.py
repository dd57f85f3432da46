"""capabilities: the CapabilityStatement, made from the code's own tables. https://hl7.org/fhir/R4/http.html#capabilities."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import orjson

from vaka import __version__
from vaka.api.http import FHIR_JSON, Request, Response, require_json_answer
from vaka.api.operations import of_type
from vaka.api.server import Server, shown
from vaka.fhir.definitions import RESOURCE_TYPES, Parameter, parameters
from vaka.fhir.media import JSON_PATCH

INTERACTIONS = (
    "read", "vread", "update", "patch", "delete", "history-instance", "history-type", "create", "search-type",
)  # fmt: skip
SYSTEM_INTERACTIONS = ("transaction", "batch", "search-system", "history-system")
_OAUTH = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
_SERVICE = "http://terminology.hl7.org/CodeSystem/restful-security-service"
_RELEASED = "2026-11-23"


def capabilities(server: Server, request: Request) -> Response:
    """What this server can do: the one address below /fhir that needs no token."""
    require_json_answer(request)
    return Response(200, shown(request, statement(request.base_url)))


@lru_cache(maxsize=8)
def statement(base_url: str) -> bytes:
    """The CapabilityStatement of a server at ``base_url``."""
    return orjson.dumps(
        {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": _RELEASED,
            "kind": "instance",
            "software": {"name": "Vaka", "version": __version__},
            "implementation": {"description": "Vaka journal", "url": base_url},
            "fhirVersion": "4.0.1",
            "format": ["json", FHIR_JSON],
            "patchFormat": [JSON_PATCH],
            "rest": [
                {
                    "mode": "server",
                    "security": _security(base_url),
                    "resource": [_resource(type_) for type_ in RESOURCE_TYPES],
                    "interaction": [{"code": code} for code in SYSTEM_INTERACTIONS],
                    "searchParam": [
                        _parameter(p) for p in parameters("Basic").values() if p.code.startswith("_") and p.supported
                    ],
                    "operation": _operations(""),
                }
            ],
        }
    )


def _security(base_url: str) -> dict[str, Any]:
    token = base_url.removesuffix("/fhir") + "/auth/token"
    return {
        "extension": [{"url": _OAUTH, "extension": [{"url": "token", "valueUri": token}]}],
        "service": [{"coding": [{"system": _SERVICE, "code": "SMART-on-FHIR"}]}],
        "description": "Every request but /health, /ready and /fhir/metadata needs a bearer token (RFC 6750). Registered "
        "programs get theirs by SMART Backend Services: /.well-known/smart-configuration.",
    }


def _resource(type_: str) -> dict[str, Any]:
    searchable = [parameter for parameter in parameters(type_).values() if parameter.supported]
    references = [f"{type_}:{p.code}" for p in searchable if p.kind == "reference"]
    described: dict[str, Any] = {
        "type": type_,
        "profile": f"http://hl7.org/fhir/StructureDefinition/{type_}",
        "interaction": [{"code": code} for code in INTERACTIONS],
        "versioning": "versioned-update",
        "readHistory": True,
        "updateCreate": True,
        "conditionalCreate": True,
        "conditionalRead": "full-support",
        "conditionalUpdate": True,
        "conditionalDelete": "single",
        "referencePolicy": ["literal", "logical", "local"],
        "searchInclude": [*references, "*"],
        "searchRevInclude": _reverse(type_),
        "searchParam": [_parameter(parameter) for parameter in searchable],
    }
    if operations := _operations(type_):
        described["operation"] = operations
    return described


def _operations(type_: str) -> list[dict[str, str]]:
    return [{"name": one.name, "definition": one.url, "documentation": one.summary} for one in of_type(type_)]


@lru_cache(maxsize=1)
def _referring() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {type_: [] for type_ in RESOURCE_TYPES}
    for type_ in RESOURCE_TYPES:
        for parameter in parameters(type_).values():
            if parameter.kind == "reference" and parameter.supported and len(parameter.targets) < len(RESOURCE_TYPES):
                for target in parameter.targets:
                    found[target].append(f"{type_}:{parameter.code}")
    return found


def _reverse(type_: str) -> list[str]:
    return _referring()[type_]


def _parameter(parameter: Parameter) -> dict[str, str]:
    made = {"name": parameter.code, "definition": parameter.url, "type": parameter.kind}
    if parameter.reason:
        made["documentation"] = parameter.reason
    return made
