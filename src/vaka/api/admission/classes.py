"""How important a request is: decided from who it was shown to be and from the route. Pure.

Invariants: nothing that a client claims of itself makes its request more important (a browser's word that it only fetches ahead
makes it less so); a program is an integration or background, whatever it asks; who is not known here yet is no more than a login.
Source: continuity.md, Overload; S19 (writes of doses, allergies and alerts are urgent).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Final

from vaka.api.cookies import SAFE
from vaka.api.http import Request


class Class(IntEnum):
    """From 0 to 4 in falling importance; logins beside them, for the wave after a stop."""

    URGENT = 0
    """Emergency, open patient, writes of doses, allergies and alerts."""
    READ = 1
    """A person reads."""
    WRITE = 2
    """A person writes."""
    INTEGRATION = 3
    BACKGROUND = 4
    """Fetching ahead, reports, searches over everybody."""
    LOGIN = 5
    """Logins, and who is not known here yet."""

    __hash__ = int.__hash__


ORDER: Final = (Class.URGENT, Class.READ, Class.WRITE, Class.LOGIN, Class.INTEGRATION, Class.BACKGROUND)
"""Who goes first."""

EXEMPT: Final = -1
"""Of a request that is never made to wait."""

CARRIED: Final = "vaka-class"
"""The header that carries a class from a copy to the journal."""

URGENT, READ, WRITE, INTEGRATION, BACKGROUND, LOGIN = map(int, Class)
"""The same as plain integers: an Enum's members cost each request more."""

_NEVER: Final = frozenset({"health", "ready", "feed", "peer"})
_LOGINS: Final = frozenset({"login", "auth", "static", ".well-known"})
_URGENT_TYPES: Final = frozenset({"MedicationAdministration", "AllergyIntolerance", "Flag"})
# What finds a patient or makes a worklist; a search over everybody in other types is a report.
_LISTED: Final = frozenset(
    {"Patient", "Encounter", "Appointment", "Task", "Location", "Organization", "Practitioner", "PractitionerRole"}
)
_OF_A_PATIENT: Final = frozenset({"patient", "subject"})
_NARROW: Final = _OF_A_PATIENT | {"_id", "identifier"}
_REPORTS: Final = frozenset({"_history", "AuditEvent"})
_IN_FULL: Final = frozenset({"_history", "$everything"})
_IN_TEXT: Final = frozenset({"_content", "_text"})


def carried(request: Request, own: int) -> int:
    """The class that a copy has given what it passes on: it knows who has which patient open. For requests from a copy
    alone, which has shown its certificate or is on this machine. ``own``: the class that is seen here."""
    told = request.headers.get(CARRIED, "")
    return int(told) if own != EXEMPT and told.isdecimal() and len(told) == 1 and int(told) < len(Class) else own


def is_exempt(path: tuple[str, ...]) -> bool:
    """Probes, the feed's readers and other copies: what the rest stands on, and bounded by itself."""
    return path[0] in _NEVER or path == ("fhir", "metadata")


def is_login(path: tuple[str, ...]) -> bool:
    return path[0] in _LOGINS


def patient_of(path: tuple[str, ...], query: Sequence[tuple[str, str]]) -> str | None:
    """The id of the one patient that an address names; None where it names none."""
    if path[0] == "sheet" and len(path) > 1:
        return path[1]
    if path[0] == "fhir" and len(path) > 2 and path[1] == "Patient" and path[2] and path[2][0] not in "$_":
        return path[2]
    if query and path[0] == "fhir":
        type_ = path[1] if len(path) > 1 else ""
        for name, value in query:
            if name in _OF_A_PATIENT or (name == "_id" and type_ == "Patient"):
                id_ = value.removeprefix("Patient/")
                return id_ if id_ and "," not in id_ and "/" not in id_ else None
    return None


def of_person(request: Request, patient: str | None, *, is_open: bool) -> int:
    """The class of a person's request. ``patient``: whom the address names; ``is_open``: this session has that patient open,
    or, where the address names none and reads one resource, has any patient open."""
    path, method = request.path, request.method
    if method not in SAFE and not (method == "POST" and path[-1] == "_search"):
        return _write(path)
    if "sec-purpose" in request.headers or _is_report(request, patient):
        return BACKGROUND
    return URGENT if is_open else READ


def of_program(request: Request) -> int:
    """The class of a program's request."""
    safe = request.method in SAFE or request.path[-1] == "_search"
    return BACKGROUND if safe and _is_report(request, patient_of(request.path, request.query)) else INTEGRATION


def is_beside(request: Request) -> bool:
    """Whether a whole history, or a search in texts, is asked for: beside the sheet, and the last to be let in while less is
    shown (clinical.md, 12; ``ladder``)."""
    path = request.path
    if path[0] == "sheet":
        return path[-1] == "notes"
    return path[0] == "fhir" and (
        path[-1] in _IN_FULL or any(name.partition(":")[0] in _IN_TEXT for name, _ in request.query)
    )


def reads_one(path: tuple[str, ...]) -> bool:
    """Whether the address is that of one resource, or of one version of it."""
    return path[0] == "fhir" and len(path) > 2 and path[2][:1] not in ("$", "_", "")


def _write(path: tuple[str, ...]) -> int:
    if path[0] == "open":  # the page of an emergency opening (``web.opening``)
        return URGENT
    if path[0] == "fhir" and len(path) > 1:
        if path[1] in _URGENT_TYPES and path[-1] != "$validate":
            return URGENT
        if path[-1] == "$open":
            return URGENT
    return LOGIN if is_login(path) else WRITE


def _is_report(request: Request, patient: str | None) -> bool:
    path = request.path
    if path[0] == "log":
        return True
    if path[0] != "fhir" or patient is not None or reads_one(path):
        return False
    type_ = path[1] if len(path) > 1 else ""
    if not _REPORTS.isdisjoint(path) or type_ in ("", "_search"):
        return True
    if type_[:1] == "$" or path[-1] == "_search":  # what it asks for stands in its body
        return False
    return type_ not in _LISTED and not any(name in _NARROW for name, _ in request.query)
