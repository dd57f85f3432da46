"""Quantities of different units are compared as what they measure."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaka.fhir.definitions import UNITS
from vaka.fhir.quantities import UCUM, canonical, unit_key
from vaka.fhir.ucum import derive


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((5, "mg/L"), (0.005, "g/L")),
        ((5, "mg/L"), (5, "ug/mL")),
        ((0.1, "g"), (100, "mg")),
        ((37, "Cel"), (98.6, "[degF]")),
        ((1, "h"), (3600, "s")),
        ((72.5, "kg"), (72500, "g")),
        ((4.5, "10*9/L"), (4500, "/uL")),
        ((120, "mm[Hg]"), (15.9986864898, "kPa")),
        ((5, "[iU]/L"), (5000, "m[IU]/L")),
        ((80, "{beats}/min"), (80, "/min")),
    ],
)
def test_equal_measures(one: tuple[float, str], other: tuple[float, str]) -> None:
    """A value in another unit would not be found."""
    assert canonical(one[0], UCUM, one[1]) == canonical(other[0], UCUM, other[1])


@pytest.mark.parametrize(
    ("one", "other"),
    [("mg/L", "mmol/L"), ("[iU]/L", "/L"), ("[iU]/L", "[CFU]/L"), ("g", "m"), ("[pH]", "1"), ("U/L", "[iU]/L")],
)
def test_unlike_units(one: str, other: str) -> None:
    """Mass would be compared with amount, or an arbitrary unit with a count."""
    assert unit_key(UCUM, one) != unit_key(UCUM, other)


def test_other_systems() -> None:
    """A unit that is not UCUM is compared as written; the printed unit counts only without a code."""
    assert canonical(5, "http://x.se/units", "tabl", "tablett") == (unit_key("http://x.se/units", "tabl"), 5.0)
    assert unit_key("http://x.se/units", "tabl") != unit_key("", "tabl")
    assert canonical(5, None, None, "tablett") == (unit_key(None, None, "tablett"), 5.0)
    assert canonical(5, None, None, "mg") == canonical(0.005, UCUM, "g")
    assert canonical(5, UCUM, None) is None
    assert unit_key(None, None) == 0


def test_derived_as_tabled() -> None:
    """The packaged units would differ from those that are derived when first met."""
    assert len(UNITS) == 1333
    for code in ["mg/L", "Cel", "10*9/L", "[iU]/mL", "%"]:
        assert derive(code) == tuple(UNITS[code])
    assert "mg/dL/(5.h)" not in UNITS
    assert canonical(1, UCUM, "mg/dL/(5.h)") is not None


@pytest.mark.parametrize("code", ["dB", "[pH]", "nosuch", "mg/", "(", "", "x" * 200, "mg/L/", "å", "B[SPL]"])
def test_not_convertible(code: str) -> None:
    """A logarithmic or faulty unit would be converted by a straight line."""
    assert derive(code) is None


@given(st.floats(), st.text(), st.text(), st.text())
def test_never_raises(value: float, system: str, code: str, unit: str) -> None:
    """A strange unit would stop a write."""
    for found in (canonical(value, system, code, unit), canonical(value, UCUM, code, unit)):
        assert found is None or math.isfinite(found[1])
