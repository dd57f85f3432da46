"""UCUM units in terms of base units (https://ucum.org/ucum), through ``ucumvert`` and ``pint``.

``derive`` is what ``tools/make_definitions.py`` calls for the 1,364 common units of R4; the rest are derived when
first met. The libraries are imported then only: they take half a second and 20 MB.
"""

from __future__ import annotations

import logging
import math
import re
from functools import cache
from typing import Any, Final, NamedTuple

# Arbitrary units (UCUM §24) cannot be converted into anything but themselves: they stay part of the base.
_ARBITRARY: Final = re.compile(
    r"\[(?:iU|IU|arb'U|USP'U|GPL'U|MPL'U|APL'U|beth'U|anti'Xa'U|todd'U|dye'U|smgy'U|bdsk'U|ka'U|knk'U|mclg'U|tb'U"
    r"|D'ag'U|CCID_50|TCID_50|EID_50|PFU|FFU|CFU|IR|BAU|AU|Amb'a'1'U|PNU|Lf|FEU|hp'_[XCMQ]|kp'_[XCMQ]|hnsf'U)\]"
)
_UNIT_MAX_CHARS: Final = 100


class Measure(NamedTuple):
    """``value × factor + offset`` is the value in ``base`` units."""

    base: str
    factor: float
    offset: float


@cache
def _registry() -> Any:
    logging.getLogger("pint").setLevel(logging.ERROR)
    from ucumvert import PintUcumRegistry

    return PintUcumRegistry()


def derive(code: str) -> Measure | None:
    """The measure of a UCUM code. None if it is not UCUM, or if its scale is not linear (pH, decibel)."""
    if not code or len(code) > _UNIT_MAX_CHARS or not code.isascii():
        return None
    try:
        registry = _registry()
        unit = registry.from_ucum(code)
        if isinstance(unit, str):  # an annotation alone, as {score}: the unit 1
            return Measure("", 1.0, 0.0)
        zero, one, two = (registry.Quantity(unit.magnitude * n, unit.units).to_base_units() for n in (0.0, 1.0, 2.0))
        factor, offset = float(one.magnitude - zero.magnitude), float(zero.magnitude)
        bent = not math.isclose(two.magnitude - one.magnitude, factor, rel_tol=1e-9)
        if bent or factor == 0 or not math.isfinite(factor) or not math.isfinite(offset):
            return None
        base = str(one.units) if not one.dimensionless else ""
    except Exception:  # whatever lark, pint or ucumvert raise on odd units
        return None
    arbitrary = sorted(a.upper() for a in _ARBITRARY.findall(code))
    return Measure(" ".join([base, *arbitrary]).strip(), factor, offset)
