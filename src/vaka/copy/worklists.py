"""A unit's lists: who is here, who comes today and tomorrow, what is unsigned, which answers are pending, what is left to do and
to enter from paper (clinical.md, item 1; J3).

Invariants: what stands on a list is derived from the resource alone when it is applied; whether a reader sees it is asked when it
is shown, of the resource itself; a signature or acknowledgement counts for the version that it names (S17).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from vaka.access.law import SIGNED, Act, opened
from vaka.copy.sheet.contacts import BOOKED, HERE, here, planned, responsible
from vaka.copy.sheet.elements import Json, Line, at_us, one, person, reference_id, text, when, words
from vaka.copy.sheet.entry import Entry, Found
from vaka.copy.sheet.identity import Identity
from vaka.copy.sheet.medication import drug
from vaka.fhir.dates import DAY_US, parse
from vaka.fhir.entries import in_error
from vaka.fhir.paper import is_paper_task

EVER: Final = 2**62
_OPEN_TASK: Final = frozenset({"requested", "received", "accepted", "ready", "in-progress", "on-hold"})
TYPES: Final = frozenset(
    {*SIGNED, "Encounter", "Appointment", "Task", "DiagnosticReport", "Observation", "ServiceRequest"}
)
"""What can stand on a list."""
LOADS: Final = ("vaka:load", "vaka:provider")
"""Sources of what was signed where it comes from."""


class Listed(IntEnum):
    """The lists. Numbers are stored."""

    HERE = 1
    COMING = 2
    UNSIGNED = 3
    ANSWERS = 4
    """Results that nobody has read."""
    ORDERS = 5
    """Orders that are not answered."""
    TASKS = 6
    PAPER = 7


@dataclass(frozen=True, slots=True)
class Work:
    """A place on a list. ``unit``: an Organization id; shown before ``until_us``; ``person``: whose it is, a Practitioner id."""

    unit: str
    list: Listed
    from_us: int
    until_us: int = EVER
    person: str | None = None


def works(resource: Json, unit: str | None, source: str, author: str | None) -> list[Work]:
    """Where ``resource`` stands. ``unit``: that owns it, or, of a result, that ordered it. Never raises."""
    try:
        return _works(resource, unit, source, author) if not in_error(resource) else []
    except Exception:  # what cannot be read stands on no list; the sheet counts it (S4)
        return []


def _works(resource: Json, unit: str | None, source: str, author: str | None) -> list[Work]:
    type_, status = resource.get("resourceType"), resource.get("status")
    at = at_us(when(resource, "authoredOn", "date", "issued", "effectiveDateTime", "effectivePeriod"))
    match type_:
        case "Encounter" if status in HERE | {"planned"}:
            place = _organization(resource.get("serviceProvider")) or unit
            begins = at_us(when(resource, "period"))
            if place and status in HERE:
                return [Work(place, Listed.HERE, begins)]
            return [Work(place, Listed.COMING, begins, begins + DAY_US)] if place else []
        case "Appointment" if status in BOOKED and unit:
            span = parse(when(resource, "start"))
            return [Work(unit, Listed.COMING, span[0], span[1] + DAY_US)] if span is not None else []
        case "Task" if status in _OPEN_TASK:
            place = _organization(resource.get("owner")) or unit
            kind = Listed.PAPER if is_paper_task(resource) else Listed.TASKS
            return [Work(place, kind, at)] if place else []
    made = []
    if type_ == "ServiceRequest" and unit and status in ("active", "on-hold"):
        made.append(Work(unit, Listed.ORDERS, at))
    found = opened(resource, author)
    followed = not source.startswith(LOADS)
    if found is not None and found.owes is not None and unit and (followed or _says_unsigned(resource)):
        made.append(Work(unit, Listed.UNSIGNED if found.owes == 1 else Listed.ANSWERS, at, person=found.person))
    return made


def _says_unsigned(resource: Json) -> bool:
    return "preliminary" in (resource.get("docStatus"), resource.get("status")) and resource.get("resourceType") in (
        "DocumentReference", "Composition",
    )  # fmt: skip


def settled(act: Act) -> Listed | None:
    """Which list an act on the current version takes an entry from."""
    if act is Act.SIGN:
        return Listed.UNSIGNED
    return Listed.ANSWERS if act in (Act.READ, Act.ACTED) else None


def line_of(listed: Listed, entry: Entry, resource: Json, who: Identity, names: Callable[[str], str]) -> Line:
    """A line of a list. Of a protected identity neither name nor place nor time stands there (S24)."""
    found = Found(entry, resource)
    if listed is Listed.HERE:
        made = here(found, names) or found.line()
    elif listed is Listed.COMING:
        made = planned(found) or found.line()
    elif listed is Listed.PAPER:
        made = _paper(found)
    else:
        made = found.line(
            what=_what(resource),
            text=text(resource.get("description")) if resource.get("resourceType") in ("Task",) else "",
            at=when(resource, "authoredOn", "date", "recordedDate", "issued", "effectiveDateTime", "effectivePeriod"),
            responsible=person(
                resource.get("owner"), resource.get("author"), resource.get("requester"), resource.get("recorder")
            ) or responsible(resource),
            status=text(resource.get("status"), 20) if resource.get("status") in ("preliminary", "corrected", "amended") else "",
        )  # fmt: skip
    made.pop("_until", None)
    if who.protected:
        kept = {"id", "pending", "superseded"} | (
            set() if listed in (Listed.HERE, Listed.COMING) else {"site_only", "what", "status"}
        )
        made = {name: value for name, value in made.items() if name in kept}
        return {**made, "patient": who.id, "protected": True}
    return {**made, "patient": who.id, "name": who.name, "number": who.number, "born": who.born, "sex": who.sex} | (
        {"dead": True} if who.dead else {}
    )


def _paper(found: Found) -> Line:
    """What lies on paper: of which kind, from when to when, by whom."""
    resource = found.resource
    period = one(resource.get("executionPeriod"))
    return found.line(
        what=words(resource.get("reasonCode")) or words(resource.get("code")),
        text=text(resource.get("description")),
        at=when(resource, "executionPeriod", "authoredOn"),
        to=text(period.get("end"), 40),
        responsible=person(resource.get("requester")),
    )


def _what(resource: Json) -> str:
    name = words(resource.get("code")) or words(resource.get("type")) or words(resource.get("vaccineCode"))
    if not name and str(resource.get("resourceType")).startswith("Medication"):
        name = drug(resource)
    return name or text(resource.get("title")) or text(resource.get("resourceType"))


def _organization(reference: Any) -> str | None:
    type_, _, id_ = reference_id(reference).partition("/")
    return id_ if type_ == "Organization" and id_ else None
