"""What fhirkit does not check of a resource, compiled for each type from the definitions: codes of required bindings,
ids, references and their targets, dates of the calendar; and the rules of ``fhir.invariants``.

A structure becomes a table from JSON property to check, with entries only where something below needs one, so that
most of a resource is never looked at. Extensions, rare and able to stand anywhere, have tables of their own, used
only where the body has one. Invariant: a check never raises, whatever it is given: other shapes are fhirkit's
findings. Source: https://hl7.org/fhir/R4/terminologies.html#required, references.html, datatypes.html.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from threading import RLock
from typing import Any, Final, TypeAlias

from vaka.fhir import dates
from vaka.fhir.definitions import PRIMITIVES, RESOURCE_TYPES, Element, required_codes, structure, value_set
from vaka.fhir.invariants import DOMAIN_RESOURCE, RULES
from vaka.fhir.narrative import narrative_fault
from vaka.fhir.scope import Scope, Trail, shown

Check: TypeAlias = Callable[[Any, Trail | None, Scope], None]

_TYPES: Final = frozenset(RESOURCE_TYPES)
_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}\Z")
_LOCAL: Final = re.compile(
    r"(?:https?://[^\s?#]+/)?([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?(?:#\S*)?\Z"
)
_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+\Z")
_DATES: Final = frozenset({"date", "dateTime", "instant"})
_CODES_TOLD: Final = 8


def check_resource(resource: Any, trail: Trail | None, scope: Scope, extended: bool) -> None:
    """Checks one resource; ``trail`` ends at it."""
    type_ = resource.get("resourceType")
    if type(type_) is not str or type_ not in _TYPES:
        return
    contained = resource.get("contained")
    if type(contained) is list:
        if scope.inside:
            scope.fault("invariant", "A contained resource must not contain others (dom-2)", trail, "contained")
        else:
            scope.contained = {
                c["id"]: str(c.get("resourceType")) for c in contained if type(c) is dict and type(c.get("id")) is str
            }
            DOMAIN_RESOURCE(resource, trail, scope)
    if not scope.inside:
        scope.container = type_
    _whole(type_, extended)(resource, trail, scope)


def _nested(extended: bool) -> Check:
    def nested(value: Any, trail: Trail | None, scope: Scope) -> None:
        """A resource within another: contained, in a bundle, or in Parameters."""
        if type(value) is not dict:
            return
        if trail is not None and trail[1] == "contained":
            inside, scope.inside = scope.inside, True
            check_resource(value, trail, scope, extended)
            scope.inside = inside
        else:
            inner = Scope(scope.issues)
            check_resource(value, trail, inner, extended)

    return nested


_lock: Final = RLock()
_tables: Final[dict[tuple[str, bool], dict[str, Check]]] = {}
_ready: Final[dict[tuple[str, bool], Check]] = {}


def _whole(name: str, extended: bool) -> Check:
    """The check of a resource type. Compiled once; other threads see it when it is complete."""
    ready = _ready.get((name, extended))
    if ready is None:
        with _lock:
            ready = _structure(name, extended)
            _ready[name, extended] = ready
    return ready


def _structure(name: str, extended: bool) -> Check:
    table = _table(name, extended)
    rules = RULES.get(name, ())
    get = table.get

    def plain(value: Any, trail: Trail | None, scope: Scope) -> None:
        if type(value) is dict:
            for key, inner in value.items():
                check = get(key)
                if check is not None:
                    check(inner, trail, scope)

    def ruled(value: Any, trail: Trail | None, scope: Scope) -> None:
        if type(value) is dict:
            for key, inner in value.items():
                check = get(key)
                if check is not None:
                    check(inner, trail, scope)
            for rule in rules:
                rule(value, trail, scope)

    return ruled if rules else plain


def _table(name: str, extended: bool) -> dict[str, Check]:
    """JSON property → check. Filled after it is known, because structures refer to themselves."""
    table = _tables.get((name, extended))
    if table is None:
        table = _tables[name, extended] = {}
        for key, (element, type_) in structure(name).properties.items():
            step = f"{element.name}.ofType({type_})" if element.choice else element.name
            check = _element(name, element, type_, extended)
            if check is not None:
                table[key] = _repeated(check, step) if element.many else _single(check, step)
            if extended and type_ in PRIMITIVES and key != "id":
                twin = _structure("Element", True)
                table["_" + key] = _repeated(twin, step) if element.many else _single(twin, step)
    return table


def _single(check: Check, step: str) -> Check:
    def single(value: Any, trail: Trail | None, scope: Scope) -> None:
        check(value, (trail, step, -1), scope)

    return single


def _repeated(check: Check, step: str) -> Check:
    def repeated(value: Any, trail: Trail | None, scope: Scope) -> None:
        if type(value) is list:
            for index, item in enumerate(value):
                check(item, (trail, step, index), scope)

    return repeated


def _element(owner: str, element: Element, type_: str, extended: bool) -> Check | None:
    """The check of one value of an element, or None if nothing below it needs one."""
    if type_ == "Reference":
        return _reference(frozenset(element.targets), extended)
    if element.value_set and type_ == "code":
        return _code(element.value_set)
    if element.value_set and type_ == "CodeableConcept":
        return _concept(element.value_set, _structure(type_, extended))
    if type_ == "Resource":
        return _nested(extended)
    if type_ in _DATES:
        return _date
    if type_ == "id" or (element.name == "id" and structure(owner).kind == "resource"):
        return _id
    if type_ == "xhtml":
        return _narrative
    if type_ in PRIMITIVES or (type_ == "Extension" and not extended) or not _matters(type_, extended):
        return None
    return _structure(type_, extended)


@cache
def _matters(name: str, extended: bool) -> bool:
    """Something at or below a structure is checked."""
    seen: set[str] = set()
    open_ = [name]  # never Extension, unless extended
    while open_:
        at = open_.pop()
        if at in seen:
            continue
        seen.add(at)
        if at in RULES:
            return True
        for element, type_ in structure(at).properties.values():
            if type_ == "Extension" and not extended:
                continue
            if type_ in _DATES or type_ in ("id", "Reference", "Resource", "xhtml") or element.value_set:
                return True
            if type_ not in PRIMITIVES:
                open_.append(type_)
    return False


def _id(value: Any, trail: Trail | None, scope: Scope) -> None:
    if type(value) is str and not _ID.match(value):
        scope.fault("value", f"{shown(value)} is not an id: 1 to 64 of A–Z, a–z, 0–9, - and .", trail)


def _date(value: Any, trail: Trail | None, scope: Scope) -> None:
    """fhirkit knows the form; the 30th of February only a calendar. Months all have 28 days."""
    if type(value) is str and value[8:10] > "28" and dates.parse(value) is None:
        scope.fault("value", f"{shown(value)} is not a date of the calendar", trail)


def _narrative(value: Any, trail: Trail | None, scope: Scope) -> None:
    if type(value) is str and (fault := narrative_fault(value)):
        scope.fault("invariant", fault, trail)


def _listed(codes: frozenset[str]) -> str:
    told = ", ".join(sorted(codes)[:_CODES_TOLD])
    return f"{told}, …" if len(codes) > _CODES_TOLD else told


def _code(url: str) -> Check | None:
    codes = required_codes(url)
    if codes is None:
        return None

    def code(value: Any, trail: Trail | None, scope: Scope) -> None:
        if type(value) is str and value not in codes:
            scope.fault("code-invalid", f"{shown(value)} is not an allowed code; allowed: {_listed(codes)}", trail)

    return code


def _concept(url: str, walk: Check) -> Check:
    """At least one coding is from the value set, where it can be listed."""
    systems = value_set(url)
    known: Mapping[str, frozenset[str]] = {s: c for s, c in systems.items() if c is not None}
    if len(known) < len(systems) or not known:
        return walk

    def concept(value: Any, trail: Trail | None, scope: Scope) -> None:
        if type(value) is not dict:
            return
        walk(value, trail, scope)
        codings = value.get("coding")
        for coding in codings if type(codings) is list else ():
            if type(coding) is dict and type(coding.get("system")) is str:
                code = coding.get("code")
                if type(code) is str and code in known.get(coding["system"], ()):
                    return
        told = "; ".join(f"{_listed(codes)} of {system}" for system, codes in known.items())
        scope.fault("code-invalid", f"One coding must be an allowed code; allowed: {told}", trail)

    return concept


def _reference(targets: frozenset[str], extended: bool) -> Check:
    allowed = (targets & _TYPES) or _TYPES
    walk = _structure("Reference", extended)

    def reference(value: Any, trail: Trail | None, scope: Scope) -> None:
        if type(value) is not dict:
            return
        to = value.get("reference")
        if type(to) is str:
            type_, slash, id_ = to.partition("/")
            if not (type_ in allowed and slash and _ID.match(id_)):
                _check_target(to, allowed, (trail, "reference", -1), scope)
        if len(value) > 1 or type(to) is not str:
            named = value.get("type")
            if type(named) is str and named in _TYPES and named not in allowed:
                scope.fault(
                    "value", f"A {named} cannot be referred to here; allowed: {_listed(allowed)}", trail, "type"
                )
            walk(value, trail, scope)

    return reference


def _check_target(to: str, allowed: frozenset[str], trail: Trail, scope: Scope) -> None:
    """A reference that is not simply ``Type/id`` of an allowed type."""
    if to.startswith("#"):
        type_ = scope.container if to == "#" else scope.contained.get(to[1:])
        if type_ is None:
            scope.fault("not-found", f"No contained resource has the id {shown(to[1:])} (ref-1)", trail)
            return
    elif found := _LOCAL.match(to):
        type_ = found[1]
        if type_ not in _TYPES:
            if not to.startswith("http"):
                scope.fault("value", f"{shown(type_)} is not a FHIR R4 resource type", trail)
            return
    elif _ABSOLUTE.match(to):
        return
    else:
        scope.fault("value", f"{shown(to)} is not a reference: Type/id, an absolute URL, urn:uuid:… or #id", trail)
        return
    if type_ not in allowed and type_ in _TYPES:
        scope.fault("value", f"A {type_} cannot be referred to here; allowed: {_listed(allowed)}", trail)
