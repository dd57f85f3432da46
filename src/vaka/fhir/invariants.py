"""Rules of FHIR R4 that protect people or the store, written out by hand; each message names the rule of the
specification.

``RULES``: structure → its rules. They run on whatever was sent, so each looks at the shape of what it reads and is
silent on a wrong one, which fhirkit finds. Not here: rules about publishing (capability statements, value sets and
the like), and rules that only warn. Source: the constraints in https://hl7.org/fhir/R4/, severity error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from vaka.fhir import dates
from vaka.fhir.scope import Scope, Trail

Rule: TypeAlias = Callable[[dict[str, Any], Trail | None, Scope], None]
_Test: TypeAlias = Callable[[dict[str, Any]], bool]


def _rule(name: str, message: str, holds: _Test, step: str = "") -> Rule:
    told = f"{message} ({name})"

    def rule(value: dict[str, Any], trail: Trail | None, scope: Scope) -> None:
        if not holds(value):
            scope.fault("invariant", told, trail, step)

    return rule


def _any(value: Mapping[str, Any], *names: str) -> bool:
    return any(name in value or f"_{name}" in value for name in names)


def _starting(value: Mapping[str, Any], start: str) -> bool:
    """Some type of the choice ``start[x]`` is there."""
    return any(key.removeprefix("_").startswith(start) for key in value)


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _codes(concept: Any, system: str | None = None) -> set[str]:
    """The codes of a CodeableConcept, of one system if given; else each as ``system|code``."""
    codings = concept.get("coding") if isinstance(concept, dict) else None
    return {
        str(c["code"]) if system else f"{c.get('system')}|{c['code']}"
        for c in (codings if isinstance(codings, list) else ())
        if isinstance(c, dict) and "code" in c and (system is None or c.get("system") == system)
    }


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _ordered(start: Any, end: Any) -> bool:
    """False only where ``start`` is surely after ``end``; what is no date is fhirkit's finding."""
    if not isinstance(start, str) or not isinstance(end, str):
        return True
    if len(start) == len(end) and start[19:] == end[19:] and start <= end:
        return True
    first, last = dates.parse(start), dates.parse(end)
    return first is None or last is None or first[0] < last[1]


def _in_order(value: dict[str, Any]) -> bool:
    return _ordered(value.get("start"), value.get("end"))


def _range_in_order(value: dict[str, Any]) -> bool:
    low, high = value.get("low"), value.get("high")
    if not isinstance(low, dict) or not isinstance(high, dict) or low.get("code") != high.get("code"):
        return True
    first, last = _number(low.get("value")), _number(high.get("value"))
    return first is None or last is None or first <= last


def _not_negative(name: str) -> _Test:
    def holds(value: dict[str, Any]) -> bool:
        number = _number(value.get(name))
        return number is None or number >= 0

    return holds


def _needs(name: str, other: str) -> _Test:
    """Where there is ``name``, there is ``other``."""
    return lambda value: not _any(value, name) or _any(value, other)


def _component_of_own_code(value: dict[str, Any]) -> bool:
    """obs-7: holds unless the observation has a value and a component with one of its own codes."""
    if "component" not in value or not _starting(value, "value"):
        return True
    own = _codes(value.get("code"))
    return not any(own & _codes(component.get("code")) for component in _objects(value.get("component")))


_CONDITION: Final = "http://terminology.hl7.org/CodeSystem/condition-clinical"
_CONDITION_STATUS: Final = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
_ALLERGY_STATUS: Final = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"
_ERROR: Final = "entered-in-error"


def _wrong(value: dict[str, Any], system: str) -> bool:
    return _ERROR in _codes(value.get("verificationStatus"), system)


def _abated(value: dict[str, Any]) -> bool:
    return not _starting(value, "abatement") or bool(
        _codes(value.get("clinicalStatus"), _CONDITION) & {"resolved", "remission", "inactive"}
    )


def _contained_plain(value: dict[str, Any]) -> bool:
    return not any(
        _any(meta, "versionId", "lastUpdated", "security")
        for one in _objects(value.get("contained"))
        if isinstance(meta := one.get("meta"), dict)
    )


DOMAIN_RESOURCE: Final = _rule(
    "dom-4, dom-5",
    "A contained resource must have no meta.versionId, meta.lastUpdated or meta.security",
    _contained_plain,
    "contained",
)

RULES: Final[Mapping[str, tuple[Rule, ...]]] = {
    "Period": (_rule("per-1", "A period must not end before it starts", _in_order, "end"),),
    "Attachment": (_rule("att-1", "An attachment with data needs its contentType", _needs("data", "contentType")),),
    "Extension": (
        _rule(
            "ext-1",
            "An extension has either a value or extensions, not both and not neither",
            lambda value: ("extension" in value) is not _starting(value, "value"),
        ),
    ),
    "Quantity": (_rule("qty-3", "A quantity with a code needs its system", _needs("code", "system")),),
    "Range": (_rule("rng-2", "The low of a range must not be above its high", _range_in_order),),
    "ContactPoint": (_rule("cpt-2", "A contact point with a value needs its system", _needs("value", "system")),),
    "Timing.repeat": (
        _rule("tim-1", "A duration needs its unit", _needs("duration", "durationUnit"), "durationUnit"),
        _rule("tim-2", "A period needs its unit", _needs("period", "periodUnit"), "periodUnit"),
        _rule("tim-4", "A duration must not be negative", _not_negative("duration"), "duration"),
        _rule("tim-5", "A period must not be negative", _not_negative("period"), "period"),
    ),
    "AllergyIntolerance": (
        _rule(
            "ait-1",
            "clinicalStatus is needed unless verificationStatus is entered-in-error",
            lambda value: "clinicalStatus" in value or _wrong(value, _ALLERGY_STATUS),
            "clinicalStatus",
        ),
        _rule(
            "ait-2",
            "What was entered in error has no clinicalStatus",
            lambda value: "clinicalStatus" not in value or not _wrong(value, _ALLERGY_STATUS),
            "clinicalStatus",
        ),
    ),
    "Appointment": (
        _rule(
            "app-2",
            "An appointment has both a start and an end, or neither",
            lambda value: _any(value, "start") is _any(value, "end"),
        ),
        _rule(
            "app-3",
            "Only a proposed, cancelled or waitlisted appointment can be without start and end",
            lambda value: (
                (_any(value, "start") and _any(value, "end"))
                or value.get("status") in ("proposed", "cancelled", "waitlist")
            ),
        ),
    ),
    "Condition": (
        _rule(
            "con-4",
            "What has abated has a clinicalStatus of inactive, resolved or remission",
            _abated,
            "clinicalStatus",
        ),
        _rule(
            "con-5",
            "What was entered in error has no clinicalStatus",
            lambda value: "clinicalStatus" not in value or not _wrong(value, _CONDITION_STATUS),
            "clinicalStatus",
        ),
    ),
    "MedicationAdministration.dosage": (
        _rule(
            "mad-1",
            "A given dose needs its dose or rate",
            lambda value: _any(value, "dose") or _starting(value, "rate"),
        ),
    ),
    "Observation": (
        _rule(
            "obs-6",
            "dataAbsentReason is only for an observation without a value",
            lambda value: "dataAbsentReason" not in value or not _starting(value, "value"),
            "dataAbsentReason",
        ),
        _rule("obs-7", "A component with the observation's own code excludes a value", _component_of_own_code),
    ),
    "Observation.referenceRange": (
        _rule("obs-3", "A reference range needs low, high or text", lambda value: _any(value, "low", "high", "text")),
    ),
    "Patient.contact": (
        _rule(
            "pat-1",
            "A contact needs a name, telecom, address or organization",
            lambda value: _any(value, "name", "telecom", "address", "organization"),
        ),
    ),
}
