"""Item 5: the latest of each analysis with the one before, blood group, cultures, and answers that are still to come.

Invariants: numbers stand as they were written; what is preliminary or corrected says so; a blood group is never a basis for
transfusion (S7). Source: https://hl7.org/fhir/R4/observation.html, https://hl7.org/fhir/R4/diagnosticreport.html.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from vaka import config
from vaka.copy.sheet.elements import (
    Json,
    Line,
    at_us,
    code,
    codes,
    many,
    number,
    one,
    person,
    reference_id,
    text,
    value_of,
    when,
    words,
)  # fmt: skip
from vaka.copy.sheet.entry import Found, Gathered

RESULTS: Final = "results"
CULTURES: Final = "cultures"
ORDERS: Final = "orders"
REPORTS: Final = "reports"
_UNANSWERED: Final = frozenset({"registered", "cancelled", "unknown"})
_FINAL: Final = frozenset({"final", "amended", "corrected", "appended"})
_NOT_LAB: Final = frozenset(
    {"vital-signs", "survey", "social-history", "exam", "activity", "therapy", "procedure", "imaging"}
)
_BLOOD_GROUP: Final = frozenset(
    {"882-1", "883-9", "10331-7", "34530-6", "NPU01945", "NPU21708", "112143006", "365636006"}
)
_CULTURE: Final = frozenset({"MB", "VR", "PAR", "MYC", "microbiology"})
_IMAGING: Final = frozenset({"RAD", "RUS", "CT", "NMR", "CUS", "XRC", "imaging", "LP29684-5"})
_MARKED: Final = {"LL": "LL", "HH": "HH", "L": "L", "H": "H", "A": "*", "AA": "**", "POS": "*", "R": "R", "I": "I"}
"""Interpretations that are shown (v3-ObservationInterpretation)."""


def results(gathered: Gathered) -> list[Line]:
    """One line an analysis, newest first, blood group before all: however old it is, it has its place."""
    rows = gathered.each(RESULTS, ("Observation",), _laboratory)
    groups = [row for row in rows if _is_blood_group(row[0].resource)]
    others = [row for row in rows if not _is_blood_group(row[0].resource)]
    lines = latest(gathered, RESULTS, groups, result_line, config.SHEET_ANALYSES_MAX)
    return lines + latest(gathered, RESULTS, others, result_line, config.SHEET_ANALYSES_MAX)


def latest(
    gathered: Gathered,
    section: str,
    rows: list[tuple[Found, tuple[str, int]]],
    make: Callable[[Found], Line],
    limit: int,
) -> list[Line]:
    """The newest of each of ``rows`` (what is measured, when), with the value before; at most ``limit``, the others counted."""
    rows.sort(key=lambda row: (-row[1][1], row[0].entry.id))
    newest: dict[str, Line] = {}
    left_out: set[str] = set()
    for found, (what, _) in rows:
        line = newest.get(what)
        if line is None and len(newest) >= limit:
            left_out.add(what)
            continue
        if "before" in (line or ()):
            continue
        try:
            made = make(found)
        except Exception:  # the others are shown
            gathered.miss(section)
            continue
        if line is None:
            newest[what] = made
        else:
            line |= {"before": made["value"], "before_at": made.get("at", "")}
    if left_out:
        gathered.more[section] = gathered.more.get(section, 0) + len(left_out)
    return list(newest.values())


def cultures(gathered: Gathered) -> list[Line]:
    """Answers of microbiology, and other reports of a laboratory that say something in words."""
    return _reports(
        gathered, CULTURES, lambda found, kinds: not kinds & _IMAGING and (bool(kinds & _CULTURE) or _says(found))
    )


def reports(gathered: Gathered) -> list[Line]:
    """Item 11: reports of imaging."""
    return _reports(gathered, REPORTS, lambda _, kinds: bool(kinds & _IMAGING))


def orders(gathered: Gathered) -> list[Line]:
    """Orders and referrals, most urgent first. Which are answered is known when the sheet is joined: reports are another kind of
    information than orders, and often another unit's."""
    lines = gathered.lines(ORDERS, ("ServiceRequest",), _order)
    rank = {"stat": 0, "asap": 1, "urgent": 2}
    return sorted(
        lines, key=lambda line: (rank.get(line.get("priority", ""), 3), -at_us(line.get("at", "")), line["id"])
    )


def answered(gathered: Gathered) -> list[str]:
    """The orders (``ServiceRequest/id``) that a final report is an answer to."""
    final = gathered.each(
        ORDERS, ("DiagnosticReport",),
        lambda found: [reference_id(based) for based in many(found.resource.get("basedOn"))]
        if found.resource.get("status") in _FINAL else None,
    )  # fmt: skip
    return sorted({name for _, named in final for name in named if name.startswith("ServiceRequest/")})


def analysis_of(resource: Json) -> str:
    """What makes two values of one analysis: its first code, else its words."""
    first = next(codes(resource.get("code")), None)
    return f"{first[0]}|{first[1]}" if first is not None and first[1] else words(resource.get("code"))


def result_line(found: Found) -> Line:
    resource = found.exact
    value = value_of(resource)
    if not value:
        parts = [(words(each.get("code")), value_of(each)) for each in many(resource.get("component"))]
        value = ", ".join(f"{name} {held}".strip() for name, held in parts if held)
    status = resource.get("status")
    reference = one(resource.get("referenceRange"))
    return found.line(
        what=words(resource.get("code")) or "?",
        value=value or text(one(many(resource.get("note"))).get("text")) or "?",
        mark=next((_MARKED[value] for _, value in codes(resource.get("interpretation")) if value in _MARKED), ""),
        normal=text(reference.get("text"), 60) or _normal(reference),
        at=when(resource, "effectiveDateTime", "effectivePeriod", "effectiveInstant", "issued"),
        status=status if status in ("preliminary", "amended", "corrected") else "",
        blood_group=_is_blood_group(resource),
    )


def _is_blood_group(resource: Json) -> bool:
    return any(value in _BLOOD_GROUP for _, value in codes(resource.get("code")))


def _normal(reference: Json) -> str:
    """``3.5–8.8``, ``≤ 3``, ``≥ 60``: a lone dash would read as minus."""
    low, high = (number(one(reference.get(side)).get("value")) for side in ("low", "high"))
    return f"{low}–{high}" if low and high else f"≤ {high}" if high else f"≥ {low}" if low else ""


def is_laboratory(resource: Json) -> bool:
    """Whether an Observation is a laboratory's; one that says no category is taken as such."""
    said = {value for _, value in codes(resource.get("category"))}
    return "laboratory" in said or not said & _NOT_LAB


def _laboratory(found: Found) -> tuple[str, int] | None:
    resource = found.resource
    if resource.get("status") in _UNANSWERED or not is_laboratory(resource):
        return None
    return analysis_of(resource), at_us(
        when(resource, "effectiveDateTime", "effectivePeriod", "effectiveInstant", "issued")
    )


def _says(found: Found) -> bool:
    return bool(text(found.resource.get("conclusion")))


def _reports(gathered: Gathered, section: str, wanted: Any) -> list[Line]:
    def make(found: Found) -> Line | None:
        resource = found.resource
        kinds = {value for _, value in codes(resource.get("category"))}
        if resource.get("status") in _UNANSWERED or not wanted(found, kinds):
            return None
        status = resource.get("status")
        return found.line(
            what=words(resource.get("code")) or "?",
            text=text(resource.get("conclusion"), config.SHEET_NOTE_MAX_CHARS) or words(resource.get("conclusionCode")),
            at=when(resource, "effectiveDateTime", "effectivePeriod", "issued"),
            status=status if status in ("preliminary", "partial", "amended", "corrected", "appended") else "",
            by=person(resource.get("resultsInterpreter")),
        )

    lines = gathered.lines(section, ("DiagnosticReport",), make)
    lines.sort(key=lambda line: (-at_us(line.get("at", "")), line["id"]))
    return lines[: config.SHEET_RECENT_MAX]


def _order(found: Found) -> Line | None:
    resource = found.resource
    if resource.get("status") not in ("active", "on-hold") or resource.get("intent") in ("proposal", "plan", "option"):
        return None
    priority = code({"coding": [{"code": resource.get("priority")}]})
    return found.line(
        what=words(resource.get("code")) or words(resource.get("category")) or "?",
        category=words(resource.get("category")),
        why=words(resource.get("reasonCode")),
        held=resource.get("status") == "on-hold",
        priority=priority if priority in ("urgent", "asap", "stat") else "",
        at=when(resource, "occurrenceDateTime", "occurrencePeriod", "authoredOn"),
        by=person(resource.get("requester")),
    )
