"""Which patients a copy holds: those of the region, or of some units (decision 0015). Pure.

Invariant: what is said here of a version follows from its line alone, and from who is held already.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from vaka import config

if TYPE_CHECKING:
    from vaka.copy.lines import Version

REGION: Final = "region"
_PATIENT: Final = re.compile(rb'"Patient/([A-Za-z0-9.-]{1,64})["/]')
_ESCAPED: Final = (rb"\/", rb"\u")
_YEAR_US: Final = 365.25 * 86_400 * 1_000_000
_NOT_OF_CARE: Final = frozenset({"_lastUpdated", "birthdate", "death-date"})


@dataclass(frozen=True, slots=True)
class Scope:
    """``named``: HSA-ids of the units, as they were asked for; ``units``: their Organization ids; ``years``: how far back what is
    at a unit makes somebody its patient."""

    named: tuple[str, ...]
    units: tuple[str, ...]
    years: float = config.COPY_SCOPE_YEARS

    @property
    def text(self) -> str:
        """As record.db says it: equal where the same patients are held."""
        told = {"named": self.named, "units": sorted(self.units), "years": self.years}
        return orjson.dumps(told, option=orjson.OPT_SORT_KEYS).decode()

    @classmethod
    def of(cls, text: str) -> Scope:
        told = orjson.loads(text)
        return cls(tuple(told["named"]), tuple(told["units"]), float(told["years"]))

    def concerns(self, unit: str | None, body: bytes | None) -> bool:
        """Whether what ``unit`` owns is owned by one of the units, or its ``body`` names one."""
        if unit in self.units:
            return True
        body = plain(body)
        return any(f'"Organization/{unit}{end}'.encode() in body for unit in self.units for end in '"/') or any(
            f'"{hsa}"'.encode() in body for hsa in self.named
        )

    def brings(self, line: Version, now_us: int) -> bool:
        """Whether a version makes its patient one of the units'."""
        return self.holds(line.owner.unit, line.type, line.body, line.updated_us, now_us)

    def holds(self, unit: str | None, type_: str, body: bytes | None, updated_us: int, now_us: float) -> bool:
        """Whether a resource that is this makes its patient one of the units'."""
        if body is None or not self.concerns(unit, body):
            return False
        return when_us(type_, body, updated_us) >= now_us - self.years * _YEAR_US


def plain(body: bytes | None) -> bytes:
    """A body in which references can be looked for as they are written."""
    if body is None or not any(one in body for one in _ESCAPED):
        return body or b""
    return orjson.dumps(orjson.loads(body))


def named_patients(body: bytes | None) -> set[str]:
    """The Patients that a body refers to."""
    return {one.decode() for one in _PATIENT.findall(plain(body))}


def when_us(type_: str, body: bytes, updated_us: int) -> int:
    """Until when what a version tells of goes on: a care relation, or the latest date of care; else when it was written."""
    from vaka.access.facts import facts_of  # what a copy's start does not wait for
    from vaka.fhir.extract import extract

    resource: dict[str, Any] = orjson.loads(body)
    try:
        if relations := facts_of(resource).relations:
            return max(one.until_us for one in relations)
        passed_by = _not_of_care(type_)
        dates = [row.low_us for row in extract(resource).dates if row.param not in passed_by]
    except Exception:  # what cannot be interpreted is set aside where it is applied (S4)
        return updated_us
    return max(dates, default=updated_us)


def _not_of_care(type_: str) -> set[int]:
    from vaka.fhir.definitions import parameters

    return {one.number for one in parameters(type_).values() if one.code in _NOT_OF_CARE}
