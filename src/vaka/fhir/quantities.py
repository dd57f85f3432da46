"""Quantities made comparable: one key for each unit, values of UCUM units in base units.

5 mg/L, 0.005 g/L and 5 ug/mL give the same (unit key, value). A unit of another system, or of none, is compared as it
is written. Source: https://hl7.org/fhir/R4/search.html#quantity. Nothing here raises.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

from vaka.fhir import ucum
from vaka.fhir.definitions import UNITS
from vaka.fhir.keys import hash64

UCUM: Final = "http://unitsofmeasure.org"
CURRENCY: Final = "urn:iso:std:iso:4217"


@lru_cache(maxsize=4_096)
def _measure(code: str) -> ucum.Measure | None:
    common = UNITS.get(code)
    return ucum.Measure(*common) if common is not None else ucum.derive(code)


@lru_cache(maxsize=4_096)
def _resolve(system: str, code: str, unit: str) -> tuple[int, float, float] | None:
    """Unit key, factor and offset; None without any unit."""
    if system in {UCUM, ""}:
        # Without a system, what reads as UCUM is UCUM: senders leave the system out more often than they mean another.
        measure = _measure(code or unit)
        if measure:
            return hash64(f"{UCUM}\x1f{measure.base}") or 1, measure.factor, measure.offset
    text = code or unit
    return (hash64(f"{system}|{text}") or 1, 1.0, 0.0) if text else None


def unit_key(system: str | None, code: str | None, unit: str | None = None) -> int:
    """The key of a unit; units that convert into each other share one. 0: no unit."""
    found = _resolve(system or "", code or "", unit or "")
    return found[0] if found else 0


def canonical(value: float, system: str | None, code: str | None, unit: str | None = None) -> tuple[int, float] | None:
    """(unit key, value in base units). ``unit`` is the printed unit, used where there is no ``code``.

    Values are cut to 12 significant digits, so that equal measures are equal numbers. None: no unit, or not finite."""
    found = _resolve(system or "", code or "", unit or "")
    if found is None:
        return None
    key, factor, offset = found
    plain = factor == 1.0 and offset == 0.0
    converted = float(value) if plain else float(f"{value * factor + offset:.12g}")
    return (key, converted) if math.isfinite(converted) else None
