"""The operations there are, as the capability statement and the API description tell of them. ``routes`` answers them.

The definitions of FHIR's own are HL7's; ours are described in docs/operating/records.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from vaka.access.law import SIGNED
from vaka.fhir.definitions import RESOURCE_TYPES
from vaka.fhir.entries import ANNULLABLE
from vaka.fhir.times import CLINICAL

_RESULTS: Final = frozenset({"DiagnosticReport", "Observation"})
_ALL: Final = frozenset(RESOURCE_TYPES)


@dataclass(frozen=True, slots=True)
class Operation:
    """``types``: of which resources; empty: of the system. ``on_one``: on a resource, not on its type. ``methods``: GET
    asks, POST does. ``asks``: its parameters."""

    name: str
    summary: str
    types: frozenset[str] = frozenset()
    on_one: bool = True
    methods: tuple[str, ...] = ("POST",)
    asks: tuple[str, ...] = ()
    definition: str | None = None

    @property
    def url(self) -> str:
        return self.definition or f"urn:x-vaka:operation:{self.name}"


_HL7: Final = "http://hl7.org/fhir/OperationDefinition/"
_PATIENT: Final = frozenset({"Patient"})
_CONSENT: Final = frozenset({"Consent"})
_OPENING: Final = ("what", "target", "reason", "no-consent", "hours")
_PAIR: Final = ("source", "target", "reason")
OPERATIONS: Final = (
    Operation("validate", "validate any resource", definition=_HL7 + "Resource-validate"),
    Operation(
        "everything",
        "all of a patient",
        _PATIENT,
        methods=("GET", "POST"),
        asks=("_since", "_type", "_count", "start", "end"),
        definition=_HL7 + "Patient-everything",
    ),
    Operation("unsigned", "entries that nobody has signed", methods=("GET",), asks=("unit", "person", "_count")),
    Operation(
        "unacknowledged", "results that lack a step", methods=("GET",), asks=("unit", "person", "step", "_count")
    ),
    Operation("sign", "sign the version that stands", frozenset(SIGNED), asks=("version", "reason")),
    Operation("countersign", "countersign it", frozenset(SIGNED), asks=("version", "reason")),
    Operation("correct", "change a signed entry", frozenset(SIGNED), asks=("resource", "reason", "version")),
    Operation("lock", "only annulment and redaction change it any more", frozenset(SIGNED), asks=("version", "reason")),
    Operation("acknowledge", "a result was received, read, acted on", _RESULTS, asks=("step", "version", "reason")),
    Operation("annul", "it was entered in error", ANNULLABLE | {"Consent"}, asks=("reason", "version")),
    Operation(
        "misfiled",
        "it was entered on the wrong patient",
        ANNULLABLE,
        asks=("patient", "encounter", "reason", "version"),
    ),
    Operation("times", "happened, recorded, received", CLINICAL, methods=("GET",)),
    Operation(
        "visibility", "may the patient see it online", _ALL, methods=("GET", "POST"), asks=("visible", "date", "reason")
    ),
    Operation("redact", "take its content out for ever", _ALL, asks=("decision", "authority")),
    Operation("access", "what the caller may see of a patient, and why", _PATIENT, methods=("GET",)),
    Operation("open", "an active choice or an emergency opening", _PATIENT, asks=_OPENING),
    Operation("close", "end an opening", _PATIENT, asks=("opening",)),
    Operation("attest-relation", "attest a care relation", _PATIENT, asks=("reason",)),
    Operation("lift", "the patient lifts a block for a time", _PATIENT),
    Operation("cancel-lift", "end that", _PATIENT),
    Operation("revoke", "a block or consent ends", _CONSENT),
    Operation("merge", "merge two patients: proposed, then confirmed by another", _PATIENT, on_one=False, asks=_PAIR),
    Operation("unmerge", "take a merge apart", _PATIENT, on_one=False, asks=_PAIR),
    Operation("link", "two numbers are one person's", _PATIENT, on_one=False, asks=("patient", "other", "reason")),
    Operation(
        "reserve-number",
        "at a copy: a reserve number for a person",
        _PATIENT,
        on_one=False,
        asks=("name", "born", "number", "described", "unknown", "shown", "nobody-shown"),
    ),
)
BY_NAME: Final[Mapping[str, Operation]] = {operation.name: operation for operation in OPERATIONS}


def of_type(type_: str) -> list[Operation]:
    """The operations of a resource type, or of the system (empty)."""
    return [one for one in OPERATIONS if (type_ in one.types if type_ else not one.types)]
