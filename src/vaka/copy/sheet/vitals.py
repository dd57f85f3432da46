"""Item 7: the last measurements: vital signs, a warning score where one is recorded, weight, height, fluid balance.

No score is worked out here: what stands is what somebody recorded. Source: https://hl7.org/fhir/R4/observation-vitalsigns.html.
"""

from __future__ import annotations

from typing import Final

from vaka import config
from vaka.copy.sheet.elements import Line, at_us, codes, many, one, quantity, value_of, when, words
from vaka.copy.sheet.entry import Found, Gathered
from vaka.copy.sheet.results import analysis_of, is_laboratory, latest

SECTION: Final = "vitals"
_UNANSWERED: Final = frozenset({"registered", "cancelled", "unknown"})
_SCORES: Final = frozenset({"1104051000000101", "1104301000000104", "445551004", "97741-3"})
"""NEWS2, NEWS, PEWS."""
_FIRST: Final = ("9279-1", "2708-6", "59408-5", "3151-8", "85354-9", "8867-4", "80288-4", "8310-5", "29463-7", "8302-2")
"""Breathing, saturation, oxygen, blood pressure, pulse, consciousness, temperature, weight, height: as NEWS2 asks, then size."""


def vitals(gathered: Gathered) -> list[Line]:
    """One line for each thing that is measured, with the value before."""
    rows = gathered.each(SECTION, ("Observation",), _measured)
    return sorted(latest(gathered, SECTION, rows, _line, config.SHEET_VITALS_MAX), key=_rank)


def _rank(line: Line) -> tuple[int, int]:
    place = line.pop("place")
    return ("score" not in line, place)


def _measured(found: Found) -> tuple[str, int] | None:
    resource = found.resource
    at = when(resource, "effectiveDateTime", "effectivePeriod", "effectiveInstant", "issued")
    if not at or resource.get("status") in _UNANSWERED or is_laboratory(resource):
        return None
    return analysis_of(resource), at_us(at)


def _line(found: Found) -> Line:
    resource = found.exact
    said = {value for _, value in codes(resource.get("code"))}
    value = value_of(resource)
    components = many(resource.get("component"))
    if not value and components:
        held = [quantity(each.get("valueQuantity")) for each in components]
        numbers = [each.split(" ")[0] for each in held if each]
        units = {each.partition(" ")[2] for each in held if each}
        if len(numbers) == len(components) and len(units) == 1:  # 135/82 mm[Hg]
            value = f"{'/'.join(numbers)} {units.pop()}".strip()
        else:
            told = [(words(each.get("code")), value_of(each)) for each in components]
            value = ", ".join(f"{name} {amount}" for name, amount in told if amount)
    line = found.line(
        what=words(resource.get("code")) or "?",
        value=value or "?",
        at=when(resource, "effectiveDateTime", "effectivePeriod", "effectiveInstant", "issued"),
        status=resource.get("status") if resource.get("status") in ("preliminary", "amended", "corrected") else "",
        score=bool(said & _SCORES) or "NEWS" in words(one(resource.get("code"))),
        why=words(resource.get("interpretation")) if said & _SCORES else "",
    )
    line["place"] = next((n for n, each in enumerate(_FIRST) if each in said), len(_FIRST))
    return line
