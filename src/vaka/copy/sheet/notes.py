"""Item 9: the notes of the last days, the last discharge summary, and what is planned.

The notes of 72 h before the newest one stand here, so that those of 72 h before now always do, whenever the sheet is shown; where
they are too many, it is said how many are left out. Long ones are cut, and end with an ellipsis.
Sources: https://hl7.org/fhir/R4/documentreference.html, composition.html, careplan.html.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

from vaka import config
from vaka.copy.sheet.elements import Json, Line, at_us, codes, many, one, paragraphs, person, text, when, words
from vaka.copy.sheet.entry import Found, Gathered
from vaka.fhir.text import without_markup

NOTES: Final = "notes"
PLAN: Final = "plan"
_TYPES: Final = ("DocumentReference", "Composition", "ClinicalImpression")
_GONE: Final = frozenset({"superseded", "entered-in-error", "deprecated"})
_DISCHARGE: Final = frozenset({"18842-5", "34745-0", "28655-9", "11490-0", "373942005"})
_OPEN_TASK: Final = frozenset({"requested", "received", "accepted", "ready", "in-progress", "on-hold"})
_HOUR_US: Final = 3_600_000_000
_DATA_MAX: Final = 64 * 1024
_DEPTH_MAX: Final = 5


def notes(gathered: Gathered) -> list[Line]:
    """Newest first; the last discharge summary stands among them, however old."""
    rows = gathered.each(NOTES, _TYPES, _when)
    rows.sort(key=lambda row: (-row[1], row[0].entry.id))
    newest = rows[0][1] if rows else 0
    since = newest - config.SHEET_NOTES_HOURS * _HOUR_US
    recent = [found for found, at in rows if at > since]
    shown = recent[: config.SHEET_NOTES_MAX]
    if len(recent) > len(shown):
        gathered.more[NOTES] = len(recent) - len(shown)
    discharge = next((found for found, _ in rows if _is_discharge(found.resource)), None)
    if discharge is not None and discharge not in shown:
        shown.append(discharge)
    lines = []
    for found in shown:
        try:
            lines.append(_note(found))
        except Exception:
            gathered.miss(NOTES)
    return lines


def plan(gathered: Gathered) -> list[Line]:
    """Plans, goals and tasks that are open, newest first."""
    lines = gathered.lines(PLAN, ("CarePlan", "Goal", "Task", "NutritionOrder"), _plan)
    lines.sort(key=lambda line: (-at_us(line.get("at", "")), line["id"]))
    return gathered.first(PLAN, lines)


def _is_discharge(resource: Json) -> bool:
    return any(value in _DISCHARGE for _, value in codes(resource.get("type"), resource.get("category")))


def _when(found: Found) -> int | None:
    resource = found.resource
    if resource.get("status") in _GONE or resource.get("docStatus") == "entered-in-error":
        return None
    return at_us(when(resource, "date", "effectiveDateTime", "effectivePeriod"))


def _note(found: Found) -> Line:
    resource = found.resource
    unsigned = (
        "preliminary" in (resource.get("docStatus"), resource.get("status")) or resource.get("status") == "in-progress"
    )
    return found.line(
        what=words(resource.get("type")) or words(resource.get("code")) or text(resource.get("title")) or "?",
        at=when(resource, "date", "effectiveDateTime", "effectivePeriod"),
        by=person(resource.get("author"), resource.get("assessor"), resource.get("authenticator")),
        unsigned=unsigned,
        discharge=_is_discharge(resource),
        text=note_text(resource),
    )


def note_text(resource: Json, limit: int = config.SHEET_NOTE_MAX_CHARS) -> str:
    """What a note says, at most ``limit`` characters of it."""
    match resource.get("resourceType"):
        case "DocumentReference":
            for content in many(resource.get("content")):
                if found := _attached(one(content.get("attachment")), limit):
                    return found
            return text(resource.get("description"))
        case "Composition":
            return paragraphs("\n".join(_sections(resource.get("section"), 0)), limit)
    return paragraphs(resource.get("summary") or resource.get("description"), limit)


def _attached(attachment: Json, limit: int) -> str:
    kind, data = attachment.get("contentType"), attachment.get("data")
    if not isinstance(kind, str) or not kind.startswith("text/") or not isinstance(data, str):
        return ""
    try:
        content = base64.b64decode(data[: max(_DATA_MAX, 2 * limit)]).decode("utf-8", "ignore")
    except (binascii.Error, ValueError):
        return ""
    return paragraphs(without_markup(content) if kind.startswith("text/html") else content, limit)


def _sections(sections: Any, depth: int) -> list[str]:
    made: list[str] = []
    for section in many(sections) if depth < _DEPTH_MAX else ():
        div = one(section.get("text")).get("div")
        told = without_markup(div[:_DATA_MAX]) if isinstance(div, str) else ""
        made.append("\n".join(filter(None, (text(section.get("title")), told))))
        made += _sections(section.get("section"), depth + 1)
    return made


def _plan(found: Found) -> Line | None:
    resource = found.resource
    match resource.get("resourceType"):
        case "Task" if resource.get("status") in _OPEN_TASK:
            what, more = words(resource.get("code")), text(resource.get("description"))
        case "Goal" if resource.get("lifecycleStatus") in ("accepted", "active", "planned", "on-hold", "proposed"):
            what, more = words(resource.get("description")), ""
        case "CarePlan" if resource.get("status") in ("active", "on-hold"):
            activities = (one(each.get("detail")) for each in many(resource.get("activity")))
            told = [text(each.get("description")) or words(each.get("code")) for each in activities]
            what = text(resource.get("title")) or words(resource.get("category"))
            more = "; ".join(filter(None, (text(resource.get("description")), *told)))
        case "NutritionOrder" if resource.get("status") in ("active", "on-hold"):
            what, more = (
                words(one(resource.get("oralDiet")).get("type")),
                text(one(resource.get("oralDiet")).get("instruction")),
            )
        case _:
            return None
    return found.line(
        what=what or more or "?",
        text=more if what else "",
        at=when(resource, "authoredOn", "created", "dateTime", "startDate", "period"),
        by=person(resource.get("owner"), resource.get("author"), resource.get("orderer"), resource.get("expressedBy")),
    )
