"""Items 1 and 10: where the patient is and is expected, who is responsible; relatives.

Sources: https://hl7.org/fhir/R4/encounter.html, https://hl7.org/fhir/R4/appointment.html, relatedperson.html.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from vaka import config
from vaka.copy.sheet.elements import (
    Json,
    Line,
    at_us,
    codes,
    display,
    many,
    one,
    person,
    reference_id,
    text,
    when,
    words,
)
from vaka.copy.sheet.entry import Found, Gathered
from vaka.fhir.dates import DAY_US, parse

PLACE: Final = "place"
COMING: Final = "coming"
RELATIVES: Final = "contacts"
HERE: Final = frozenset({"arrived", "triaged", "in-progress", "onleave"})
BOOKED: Final = frozenset({"proposed", "pending", "booked", "arrived", "checked-in", "waitlist"})
_COMING_MAX: Final = 10 * config.SHEET_LINES_MAX
_PERSONAL: Final = ("Practitioner", "PractitionerRole")


def place(gathered: Gathered) -> list[Line]:
    """Encounters under way, newest first."""
    lines = gathered.lines(PLACE, ("Encounter",), lambda found: here(found, gathered.names))
    return sorted(lines, key=lambda line: (-at_us(line.get("at", "")), line["id"]))


def coming(gathered: Gathered) -> list[Line]:
    """Appointments and planned encounters, earliest first; each is shown until its day is over. Which are over is not known here:
    more are kept than are shown."""
    lines = gathered.lines(COMING, ("Appointment", "Encounter"), planned)
    lines.sort(key=lambda line: (at_us(line["at"]), line["id"]))
    return lines[-_COMING_MAX:]


def relatives(gathered: Gathered) -> list[Line]:
    return gathered.lines(RELATIVES, ("RelatedPerson",), _relative)


def here(found: Found, names: Callable[[str], str]) -> Line | None:
    """An encounter that is under way. ``names``: of a place, by its reference."""
    resource = found.resource
    if resource.get("status") not in HERE:
        return None
    active = [each for each in many(resource.get("location")) if each.get("status") in ("active", None)]
    places = [_placed(each.get("location"), names) for each in active]
    return found.line(
        what=words(resource.get("serviceType"))
        or display(resource.get("serviceProvider"))
        or words({"coding": [resource.get("class")]}),
        class_=text(one(resource.get("class")).get("code"), 20),
        place=", ".join(filter(None, places)),
        why=words(resource.get("reasonCode")),
        responsible=responsible(resource),
        status=resource.get("status") if resource.get("status") != "in-progress" else "",
        at=when(resource, "period"),
    )


def planned(found: Found) -> Line | None:
    """An appointment, or an encounter that is planned."""
    resource = found.resource
    if found.entry.type == "Encounter":
        at = when(resource, "period")
        if resource.get("status") != "planned" or not at:
            return None
        what, why, whom = words(resource.get("serviceType")), words(resource.get("reasonCode")), responsible(resource)
    else:
        at = when(resource, "start") or when(one(resource.get("requestedPeriod")), "start")
        if resource.get("status") not in BOOKED or not at:
            return None
        what = words(resource.get("serviceType")) or words(resource.get("appointmentType"))
        why = words(resource.get("reasonCode")) or text(resource.get("description"))
        actors = (one(each.get("actor")) for each in many(resource.get("participant")))
        whom = next(
            (name for each in actors if reference_id(each).startswith(_PERSONAL) and (name := display(each))), ""
        )
    span = parse(at)
    return found.line(
        at=at, what=what, why=why, responsible=whom, status=resource.get("status"),
        _until=span[1] + DAY_US if span is not None else None,
    )  # fmt: skip


def responsible(resource: Json) -> str:
    """The attender of an encounter, else its first participant."""
    participants = many(resource.get("participant"))
    attending = [each for each in participants if any(value == "ATND" for _, value in codes(each.get("type")))]
    return person([one(each.get("individual")) for each in (*attending, *participants)])


def _placed(reference: object, names: Callable[[str], str]) -> str:
    """A place's name, else its id: better than nothing to who looks for somebody."""
    named = reference_id(reference)
    return text(names(named), 80) or display(reference) or text(named.partition("/")[2], 80)


def _relative(found: Found) -> Line | None:
    resource = found.resource
    if resource.get("active") is False:
        return None
    return found.line(what=name_of(resource), why=words(resource.get("relationship")), number=numbers(resource))


def name_of(resource: Json) -> str:
    """The name of a person: the official one, else the first; given names and family."""
    names = many(resource.get("name"))
    chosen = next((each for each in names if each.get("use") in ("official", "usual")), one(names))
    given = chosen.get("given")
    parts = [text(each, 60) for each in (given if isinstance(given, list) else [given])]
    return " ".join(filter(None, (*parts, text(chosen.get("family"), 80)))) or text(chosen.get("text"), 120) or "?"


def numbers(resource: Json) -> str:
    """Telephone numbers and addresses to write to."""
    return ", ".join(filter(None, (text(each.get("value"), 80) for each in many(resource.get("telecom")))))
