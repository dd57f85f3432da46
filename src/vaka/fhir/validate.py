"""The one door of validation: what base FHIR R4 says of a resource, before it is accepted
(https://hl7.org/fhir/R4/validation.html, docs/decisions/0002-validation.md).

``fhirkit`` (Rust) checks structure, types, cardinality and forms; ``fhir.checks`` the codes, references, ids and
rules that it does not know. Invariants: never raises, whatever the resource holds; every issue has a FHIRPath
expression.
"""

from __future__ import annotations

import re
from typing import Any, Final, Literal

import fhirkit

from vaka.config import ISSUES_MAX, STRING_MAX_CHARACTERS
from vaka.errors import Issue
from vaka.fhir.checks import check_resource
from vaka.fhir.definitions import structure
from vaka.fhir.parse import Parsed
from vaka.fhir.scope import Scope, Trail

Mode = Literal["create", "update"]

_SPACE: Final = (
    rb"[\x20\t\r\n]|\\[tnr]|\\u00(?:0[9aAdD]|20|[aA]0)|\\u(?:20[0-2][0-9a-fA-F]|205[fF]|3000)"
    rb"|\xc2\xa0|\xe2\x80[\x80-\x8a\xa8\xa9\xaf]|\xe2\x81\x9f|\xe3\x80\x80"
)
_HOLLOW: Final = re.compile(rb'"(?:' + _SPACE + rb')++"|\{\s*+\}')
"""A string of white space only, or an empty object: may also match within a string, so it only says where to look."""
_UNLIMITED: Final = frozenset({"data", "valueBase64Binary", "div"})
_STEP: Final = re.compile(r"([^.\[]+)((?:\[(?:\d+|x)\])*)")


def validate(parsed: Parsed, *, mode: Mode = "create") -> list[Issue]:
    """The errors of a resource, at most ``config.ISSUES_MAX``; empty: it can be stored.

    ``update``: it must have an id. Called with references resolved (``transaction.Assigned.body``): a conditional
    reference that is left is an error."""
    scope = Scope(_fhirkit(parsed))
    try:
        if mode == "update" and parsed.id is None:
            scope.fault("required", "A resource that is to be updated needs its id", (None, parsed.type, -1), "id")
        body = parsed.body
        root: Trail = (None, parsed.type, -1)
        if _HOLLOW.search(body) or len(body) > STRING_MAX_CHARACTERS:
            _check_hollow(parsed.resource, root, scope, parsed.type)
        check_resource(parsed.resource, root, scope, b'xtension"' in body)
    except RecursionError:
        scope.fault("structure", "The resource is nested too deeply", (None, parsed.type, -1))
    return scope.issues


def _fhirkit(parsed: Parsed) -> list[Issue]:
    try:
        found = fhirkit.validate(parsed.body)
    except ValueError as error:
        return [Issue("error", "structure", f"The resource cannot be read: {error!s:.200}", parsed.type)]
    return [
        Issue("error", _issue_code(one.message), one.message, _fhirpath(parsed.type, one.path))
        for one in found[:ISSUES_MAX]
        if one.severity == "error"
    ]


def _issue_code(message: str) -> str:
    if message.startswith("required"):
        return "required"
    if message.startswith(("expected", "unknown", "null", "the key", "only one", "an empty array")):
        return "structure"
    return "value"


def _fhirpath(type_: str, path: str) -> str:
    """fhirkit names members as JSON does (``Observation.valueQuantity.unit``); FHIRPath names elements."""
    name: str | None = type_
    steps = []
    for position, (step, index) in enumerate(_STEP.findall(path)):
        index = index.replace("[x]", "")
        if position == 0:
            steps.append(step + index)
            continue
        element = None
        try:
            element, name = structure(name).properties[step.removeprefix("_")] if name else (None, None)
        except KeyError:
            name = None
        choice = element is not None and element.choice
        steps.append((f"{element.name}.ofType({name})" if element and choice else step.removeprefix("_")) + index)
    return ".".join(steps) or type_


def _check_hollow(value: Any, trail: Trail, scope: Scope, name: str) -> None:
    """Blank strings, empty objects, strings that are too long: looked for only where the bytes suggest one."""
    if type(value) is dict:
        if not value:
            scope.fault("structure", "An empty object is not allowed; leave the element out (ele-1)", trail)
        for key, inner in value.items():
            if inner == {} and key == "meta" and trail[0] is None:
                continue  # versionId and lastUpdated are set before it is stored, so none is stored empty
            if type(inner) is list:
                for index, item in enumerate(inner):
                    _check_hollow(item, (trail, key, index), scope, key)
            elif type(inner) is dict or type(inner) is str:
                _check_hollow(inner, (trail, key, -1), scope, key)
    elif type(value) is str:
        if value.isspace():
            scope.fault("value", "A string of white space only is not allowed; leave the element out", trail)
        elif len(value) > STRING_MAX_CHARACTERS and name not in _UNLIMITED:
            scope.fault("too-long", f"A string can have {STRING_MAX_CHARACTERS} characters at most", trail)
