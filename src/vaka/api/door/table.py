"""Who answers what: the table of the front door. Pure.

Invariants: what stands here as the copy's may still be passed on, where it turns out that only the journal can answer it
exactly (``OnlyJournal``); what is not in the table is the journal's; the feed and what copies ask each other are never
passed on. docs/decisions/0013-copy.md, "What the copy answers"."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final

from vaka.api.cookies import SAFE

Pairs = Sequence[tuple[str, str]]


class Who(Enum):
    COPY = "copy"
    JOURNAL = "journal"
    EITHER = "either"
    """The journal; the copy, where that is away."""
    NOBODY = "nobody"


_ALONE: Final = frozenset({"sheet", "unit", "drafts"})
"""What the journal does not have."""
_OWN: Final = frozenset({"health", "ready", "static"}) | _ALONE
"""Addresses that a copy has itself."""
_PAGES: Final = frozenset({"", "login", "assignment", "logout", "numbers"})
NOT_KEPT: Final = frozenset({"Binary", "AuditEvent"})
"""Types whose content or rows the journal alone has."""
_EITHER: Final = frozenset({"$access", "$open", "$close"})
"""What a person opens is known everywhere at once when the journal keeps it; care does not wait for it (A9, S20)."""
_OF_PATIENT: Final = ("patient", "subject", "beneficiary")
_LISTED: Final = frozenset(
    {
        "Appointment",
        "CareTeam",
        "Communication",
        "CommunicationRequest",
        "DiagnosticReport",
        "DocumentReference",
        "Encounter",
        "EpisodeOfCare",
        "Flag",
        "HealthcareService",
        "Location",
        "Organization",
        "Patient",
        "Practitioner",
        "PractitionerRole",
        "Schedule",
        "ServiceRequest",
        "Slot",
        "Task",
    }
)
"""Types that are searched across patients: the worklists' kinds, who is cared for, and who cares."""
_URGENT: Final = frozenset(
    {
        "AllergyIntolerance",
        "Consent",
        "DiagnosticReport",
        "Flag",
        "Immunization",
        "MedicationAdministration",
        "MedicationDispense",
        "MedicationRequest",
        "MedicationStatement",
        "Observation",
    }
)
"""S1: allergies and alerts, medication and given doses, results, blocks."""


def who(method: str, path: Sequence[str], query: Pairs, *, login: bool = True) -> Who:
    """Who answers first. ``path``: decoded segments; ``query`` of a POST _search: with its form's parameters, once they are
    read. ``login``: people can log in at this copy."""
    method = "GET" if method == "HEAD" else method
    match path:
        case ("peer", "reserve" | "drafts" | "seed" | "carry"):
            return Who.COPY
        case ("feed" | "peer" | "reserve", *_):
            return Who.NOBODY
        case ("snapshot", *rest):
            return Who.JOURNAL if rest == ["log"] else Who.COPY
        case (name, *_) if name in _OWN:
            return Who.COPY
        case (name, *_) if name in _PAGES:
            return Who.COPY if login else Who.JOURNAL
        case (".well-known", *_) | ("fhir", ".well-known", *_) | ("fhir", "metadata" | "openapi.json"):
            return Who.COPY
        case ("fhir", "Patient", "$reserve-number"):
            return Who.COPY
        case ("fhir", "Patient", _, operation) if operation in _EITHER:
            return Who.EITHER
        case ("fhir", *rest):
            return Who.COPY if _answered(method, tuple(rest), query) else Who.JOURNAL
    return Who.JOURNAL


def _answered(method: str, path: tuple[str, ...], query: Pairs) -> bool:
    match (method, *path):
        case ("GET", type_, id_) if type_ not in NOT_KEPT and not id_.startswith(("$", "_")):
            return True  # read
        case ("GET", type_, _, "_history", _) if type_ not in NOT_KEPT:
            return True  # vread: of the current version, of which the store knows
        case ("GET" | "POST", "Patient", _, "$everything"):
            return True
        case ("GET", "Patient", _, type_) if not type_.startswith(("$", "_")):
            return True  # search in a patient's compartment
        case ("POST", "Patient", _, _, "_search"):
            return True
        case ("GET", type_) | ("POST", type_, "_search") if not type_.startswith(("$", "_")) and type_:
            return type_ not in NOT_KEPT and (type_ in _LISTED or _of_one(query))
    return False


def _of_one(query: Pairs) -> bool:
    """Whether a search is within one patient, names what it wants, or goes on from a page that a copy gave."""
    for name, _ in query:
        base = name.partition(":")[0].partition(".")[0]
        if base in ("_id", "_page") or base in _OF_PATIENT:
            return True
    return False


def patients_asked(path: Sequence[str], query: Pairs) -> set[str] | None:
    """Ids of the patients within whom something is searched; None where it does not say, or says it by more than ids."""
    if len(path) > 3 and path[1] == "Patient":
        return {path[2]}
    texts = [value for name, value in query if name.removesuffix(":Patient") in _OF_PATIENT]
    found = {one.strip().rpartition("/")[2] for text in texts for one in text.split(",")}
    return found if found and "" not in found and not any("|" in one for one in found) else None


def is_search_by_form(method: str, path: Sequence[str]) -> bool:
    """Whether the parameters of a search are in the body."""
    return method == "POST" and path[0] == "fhir" and path[-1] == "_search"


def is_write(method: str, path: Sequence[str]) -> bool:
    """Whether this changes the record: what may not be sent twice without a key."""
    if method in SAFE or path[0] != "fhir":
        return False
    return path[-1] not in ("_search", "$everything", "$validate")


def is_copys_alone(path: Sequence[str]) -> bool:
    """Whether only a copy has what is asked for."""
    return path[0] in _ALONE


def is_sheet(path: Sequence[str]) -> bool:
    """Whether this is what the journal makes too, for a copy that lags."""
    return len(path) == 2 and path[0] == "sheet"


def is_urgent(path: Sequence[str]) -> bool:
    """S1: what a lagging copy does not answer as long as the journal can."""
    if is_copys_alone(path):
        return True
    if len(path) < 2 or path[0] != "fhir":
        return False
    type_ = path[3] if path[1] == "Patient" and len(path) > 3 else path[1]
    return type_ in _URGENT or type_ in ("*", "$everything")
