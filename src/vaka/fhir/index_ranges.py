"""Rows of one value: dates, numbers and quantities.

Each function takes a parameter and gives what ``fhir.emit`` calls for every value of one data type. What each type
covers: https://hl7.org/fhir/R4/search.html#date, #number, #quantity.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from vaka.fhir import dates
from vaka.fhir.definitions import Parameter
from vaka.fhir.found import Emit, Found
from vaka.fhir.index import DATE_MAX_US, DATE_MIN_US
from vaka.fhir.keys import key
from vaka.fhir.quantities import CURRENCY, UCUM, canonical, unit_key

NUMBER_MAX: Final = 1e300
"""The open end of a Range, or of a quantity with a comparator (``< 5``); its negative the lower end."""


def date(parameter: Parameter) -> Emit:
    number = parameter.number

    def emit(value: Any, _: dict[str, Any], found: Found) -> None:
        span = dates.parse(value)
        if span:
            found.dates.append((number, *span))

    return emit


def span_of(value: dict[str, Any]) -> tuple[int, int] | None:
    """The range of a Period, open ends at the ends of time; None without any end."""
    start, end = value.get("start"), value.get("end")
    first, last = dates.parse(start) if start else None, dates.parse(end) if end else None
    if first is None and last is None:
        return None
    return first[0] if first else DATE_MIN_US, last[1] if last else DATE_MAX_US


def period(parameter: Parameter) -> Emit:
    def emit(value: Any, _: dict[str, Any], found: Found) -> None:
        span = span_of(value)
        if span:
            found.dates.append((parameter.number, *span))

    return emit


def timing(parameter: Parameter) -> Emit:
    """The outer limits of its events and of the period that bounds its repetition."""

    def emit(value: Any, _: dict[str, Any], found: Found) -> None:
        spans = [dates.parse(event) for event in value.get("event", ()) if event]
        if bounds := value.get("repeat", {}).get("boundsPeriod"):
            spans.append(span_of(bounds))
        known = [span for span in spans if span]
        if known:
            found.dates.append((parameter.number, min(s[0] for s in known), max(s[1] for s in known)))

    return emit


Interval: TypeAlias = tuple[float, float]


def _limits(value: float, comparator: str | None) -> Interval:
    match comparator:
        case "<" | "<=":
            return -NUMBER_MAX, value
        case ">" | ">=":
            return value, NUMBER_MAX
        case _:
            return value, value


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and -NUMBER_MAX < value < NUMBER_MAX  # type: ignore[operator]


def measured(type_: str, value: dict[str, Any]) -> list[tuple[int, float, float]]:
    """(unit, low, high) of a quantity: as written under unit 0, then in base units; see ``fhir.index.QuantityRow``."""
    match type_:
        case "Money":
            low, high = _limits(value["value"], None)
            system, code, unit = CURRENCY, value.get("currency", ""), ""
        case "Range":
            ends = [value.get("low", {}), value.get("high", {})]
            low, high = ends[0].get("value", -NUMBER_MAX), ends[1].get("value", NUMBER_MAX)
            system, code, unit = _unit_of(ends[0] if ends[0] else ends[1])
        case "SampledData":
            low, high = _sampled(value)
            system, code, unit = _unit_of(value.get("origin", {}))
        case _:
            low, high = _limits(value["value"], value.get("comparator"))
            system, code, unit = _unit_of(value)
    if not all(_is_number(end) or abs(end) == NUMBER_MAX for end in (low, high)):
        return []
    low, high = float(low), float(high)
    made = [(0, low, high)]
    first, last = (canonical(end, system, code, unit) if abs(end) != NUMBER_MAX else None for end in (low, high))
    known = first or last
    if known:
        ends_in_base = first[1] if first else -NUMBER_MAX, last[1] if last else NUMBER_MAX
        made.append((known[0], *ends_in_base))
        if system not in {"", UCUM}:
            made.append((unit_key("", code, unit), low, high))
    return made


def _unit_of(quantity: dict[str, Any]) -> tuple[str, str, str]:
    return quantity.get("system", ""), quantity.get("code", ""), quantity.get("unit", "")


def _sampled(value: dict[str, Any]) -> Interval:
    """The limits of SampledData, or else its lowest and highest sample, in the unit of its origin."""
    samples = [float(s) for s in value.get("data", "").split() if s not in {"E", "U", "L"}]
    low = value["lowerLimit"] if "lowerLimit" in value else min(samples)
    high = value["upperLimit"] if "upperLimit" in value else max(samples)
    factor, origin = value.get("factor", 1), value["origin"].get("value", 0)
    ends = sorted((low * factor + origin, high * factor + origin))
    return ends[0], ends[1]


def _codes(concept: Any) -> list[str]:
    """The distinct codes of a CodeableConcept or Coding."""
    if type(concept) is not dict:
        return []
    codings = concept.get("coding") if "coding" in concept else [concept]
    return list(dict.fromkeys(c["code"] for c in codings or () if type(c) is dict and c.get("code")))


def quantity(parameter: Parameter, type_: str, code_element: str | None) -> Emit:
    """``code_element``: the sibling whose codes the rows carry, where the parameter is part of a composite."""
    name, number = parameter.name, parameter.number

    def emit(value: Any, beside: dict[str, Any], found: Found) -> None:
        codes = _codes(beside.get(code_element)) if code_element else []
        marks = [key(name, "with", code) for code in codes] or [0]
        for unit, low, high in measured(type_, value):
            for mark in marks:
                found.quantities.append((number, mark, unit, low, high))

    return emit


def number(parameter: Parameter, type_: str) -> Emit:
    number = parameter.number

    def emit(value: Any, _: dict[str, Any], found: Found) -> None:
        if type_ == "Range":
            found.quantities += [(number, 0, 0, low, high) for unit, low, high in measured(type_, value) if unit == 0]
        elif _is_number(value):
            found.quantities.append((number, 0, 0, float(value), float(value)))

    return emit
