"""Item 8: active problems, what is planned to be done, and what was done last.

Sources: https://hl7.org/fhir/R4/condition.html, https://hl7.org/fhir/R4/procedure.html.
"""

from __future__ import annotations

from typing import Final

from vaka import config
from vaka.copy.sheet.elements import Line, at_us, code, codes, person, when, words
from vaka.copy.sheet.entry import Found, Gathered

PROBLEMS: Final = "problems"
PROCEDURES: Final = "procedures"
_ACTIVE: Final = frozenset({"active", "recurrence", "relapse", ""})
_PLANNED: Final = frozenset({"preparation", "in-progress", "on-hold"})
_ICD: Final = "urn:oid:1.2.752.116.1.1.1.1.3"


def problems(gathered: Gathered) -> list[Line]:
    """The list of problems, then the newest diagnoses of visits that are not on it."""
    lines = gathered.lines(PROBLEMS, ("Condition",), _problem)
    lines.sort(key=lambda line: (-at_us(line.get("at", "")), line["what"], line["id"]))
    listed = [line for line in lines if "visit" not in line]
    known = {line.get("code") or line["what"] for line in listed}
    others: dict[str, Line] = {}
    for line in lines:
        name = line.get("code") or line["what"]
        if "visit" in line and name not in known:
            others.setdefault(name, line)
    return gathered.first(PROBLEMS, listed) + list(others.values())[: config.SHEET_RECENT_MAX]


def procedures(gathered: Gathered) -> list[Line]:
    """Planned and ongoing ones, then the last that were done."""
    lines = gathered.lines(PROCEDURES, ("Procedure",), _procedure)
    lines.sort(key=lambda line: ("planned" not in line, -at_us(line.get("at", "")), line["id"]))
    planned = sum("planned" in line for line in lines)
    return lines[: min(planned, config.SHEET_LINES_MAX) + config.SHEET_RECENT_MAX]


def _problem(found: Found) -> Line | None:
    resource = found.resource
    if code(resource.get("verificationStatus")) == "refuted" or code(resource.get("clinicalStatus")) not in _ACTIVE:
        return None
    said = {value for _, value in codes(resource.get("category"))}
    verified = code(resource.get("verificationStatus"))
    return found.line(
        what=words(resource.get("code")) or "?",
        code=next((value for system, value in codes(resource.get("code")) if system == _ICD), ""),
        visit="encounter-diagnosis" in said and "problem-list-item" not in said,
        unsure=verified if verified in ("unconfirmed", "provisional", "differential") else "",
        severity=words(resource.get("severity")),
        at=when(resource, "onsetDateTime", "onsetPeriod", "recordedDate"),
    )


def _procedure(found: Found) -> Line | None:
    resource = found.resource
    status = resource.get("status")
    if status not in _PLANNED and status != "completed":
        return None
    return found.line(
        what=words(resource.get("code")) or "?",
        planned=status in _PLANNED,
        status=status if status in _PLANNED else "",
        at=when(resource, "performedDateTime", "performedPeriod"),
        by=person(resource.get("performer")) if status in _PLANNED else "",
    )
