"""Slots and codes: how times of the region are written, and the coded values of FHIR with Swedish text.

Times are local; ``at`` and ``on`` turn them into slots (see ``vaka.region.template``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

DAY_ZERO: Final = date(2026, 1, 1)
Json = dict[str, Any]

SCT: Final = "http://snomed.info/sct"
LOINC: Final = "http://loinc.org"
ICD: Final = "urn:oid:1.2.752.116.1.1.1.1.3"
KVA: Final = "urn:oid:1.2.752.116.1.3.2.1.4"
ATC: Final = "http://www.whocc.no/atc"
NPU: Final = "urn:oid:1.2.752.108.1"
UCUM: Final = "http://unitsofmeasure.org"
HL7: Final = "http://terminology.hl7.org/CodeSystem/"
PERSONNUMMER: Final = "http://electronichealth.se/identifier/personnummer"
RESERVE: Final = "urn:oid:1.2.752.97.3.1.3"


@dataclass(frozen=True, slots=True)
class When:
    """A moment as slot; ``day`` is relative to today, or None where it is relative to now."""

    text: str
    day: int | None = None


def at(day: int, clock: str) -> When:
    """A local time ``hh:mm`` so many days from today (negative: past)."""
    return When(f"‹t{day}T{clock}:00›", day)


def at_time(moment: datetime) -> When:
    """A naive local time of the generators, whose today is DAY_ZERO."""
    return When(f"‹t{(moment.date() - DAY_ZERO).days}T{moment:%H:%M}:00›", (moment.date() - DAY_ZERO).days)


def ago(minutes: int) -> When:
    """So many minutes before now."""
    return When(f"‹n-{minutes}›")


def on(day: int | date) -> str:
    """A date, so many days from today."""
    return f"‹d{day if isinstance(day, int) else (day - DAY_ZERO).days}›"


def coded(system: str, code: str, display: str = "", text: str = "") -> Json:
    """A CodeableConcept of one coding; its text is Swedish."""
    coding = {"system": system, "code": code} | ({"display": display} if display else {})
    return {"coding": [coding]} | ({"text": text} if text else {})


def hl7(system: str, code: str, display: str) -> Json:
    """A CodeableConcept of an HL7 code system."""
    return coded(HL7 + system, code, display)


def quantity(value: float, unit: str, ucum: str, places: int = 1) -> Json:
    """A Quantity with as many decimals as are reported."""
    number: float = round(value) if places == 0 else round(value, places)
    return {"value": number, "unit": unit, "system": UCUM, "code": ucum}
