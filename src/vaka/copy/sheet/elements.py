"""What people read of FHIR elements, taken from JSON that may be anything. Pure.

Invariants: nothing raises but where a resource cannot be read at all; what is not of the expected form counts as not there; no
text is longer than its limit, and none holds characters that would turn the reading order of the page around it.
Source: https://hl7.org/fhir/R4/datatypes.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from vaka import config
from vaka.fhir.dates import parse
from vaka.fhir.exact import Number

Json: TypeAlias = Mapping[str, Any]
Line: TypeAlias = dict[str, Any]
"""One line of a section as JSON; empty members are left out."""

_NONE: Final[Json] = {}
# Controls, and those that change the direction of what follows (https://unicode.org/reports/tr36/#Bidirectional_Text_Spoofing).
_HARMFUL: Final = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_PEOPLE: Final = ("Practitioner", "RelatedPerson", "Patient")  # and PractitionerRole
_SPACES: Final = re.compile(r"[ \t\r\n]+")


def text(value: Any, limit: int = config.SHEET_TEXT_MAX_CHARS) -> str:
    """One line of ``value`` where it is a text."""
    if not isinstance(value, str):
        return ""
    return cut(_SPACES.sub(" ", _HARMFUL.sub(" ", value[: 2 * limit])).strip(), limit)


def paragraphs(value: Any, limit: int = config.SHEET_NOTE_MAX_CHARS) -> str:
    """``value`` with its lines, where it is a text."""
    if not isinstance(value, str):
        return ""
    lines = [_SPACES.sub(" ", line).strip() for line in _HARMFUL.sub(" ", value[: 2 * limit]).split("\n")]
    return cut(re.sub("\n{2,}", "\n", "\n".join(lines)).strip(), limit)


def cut(value: str, limit: int) -> str:
    """``value``, with an ellipsis where it was too long."""
    return value if len(value) <= limit else value[: limit - 1].rstrip() + "…"


def many(value: Any) -> Sequence[Json]:
    """The objects of a list; a lone object counts as one."""
    if isinstance(value, Mapping):
        return (value,)
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list | tuple) else ()


def one(value: Any) -> Json:
    """``value`` or the first object of a list; empty where there is none."""
    return next(iter(many(value)), _NONE)


def codes(*concepts: Any) -> Iterator[tuple[str, str]]:
    """(system, code) of CodeableConcepts, or lists of them."""
    for concept in concepts:
        for each in many(concept):
            for coding in many(each.get("coding")):
                yield str(coding.get("system") or ""), str(coding.get("code") or "")


def code(concept: Any) -> str:
    """The first code, whatever its system."""
    return next((found for _, found in codes(concept) if found), "")


def words(concept: Any) -> str:
    """A CodeableConcept as people read it."""
    for each in many(concept):
        if found := text(each.get("text")):
            return found
        for coding in many(each.get("coding")):
            if found := text(coding.get("display")) or text(coding.get("code")):
                return found
    return ""


def display(reference: Any) -> str:
    """The name that a reference carries."""
    return text(one(reference).get("display"))


def person(*references: Any) -> str:
    """The first name among references to people; of organisations nothing is told: it would say where the patient was (S24)."""
    for value in references:
        for each in many(value):
            held = one(each.get("actor")) or each
            named = str(held.get("reference", "")).startswith(_PEOPLE)
            if named and (name := text(held.get("display"))):
                return name
    return ""


def when(resource: Json, *names: str) -> str:
    """The first of these elements that is a date or time; of a period its start. As written."""
    for name in names:
        value = resource.get(name)
        if isinstance(value, Mapping):
            value = value.get("start") or value.get("end")
        if isinstance(value, str) and parse(value) is not None:
            return value
    return ""


def at_us(value: str) -> int:
    """Where a date or time begins, in microseconds UTC; the beginning of time where there is none."""
    found = parse(value) if value else None
    return found[0] if found is not None else -(2**62)


def end_us(period: Any) -> int | None:
    """When a period is over, in microseconds UTC; None where it says nothing."""
    end = one(period).get("end")
    span = parse(end) if isinstance(end, str) else None
    return span[1] if span is not None else None


def number(value: Any) -> str:
    """A number as it was written."""
    if isinstance(value, Number):
        return value.text[:24]
    return str(value)[:24] if isinstance(value, int | float) and not isinstance(value, bool) else ""


def quantity(value: Any) -> str:
    """``88 µmol/L``, with its comparator."""
    held = one(value)
    amount = number(held.get("value"))
    unit = text(held.get("unit") or held.get("code"), 40).replace("[Hg]", "Hg")
    return f"{text(held.get('comparator'), 4)}{amount} {unit}".strip() if amount else ""


def dose(value: Any) -> str:
    """An amount of a drug without zeros after the last digit that counts: 1.0 is read as 10 (ISMP, error-prone abbreviations)."""
    held = one(value)
    amount = number(held.get("value"))
    if "." in amount and "e" not in amount.lower():
        amount = amount.rstrip("0").rstrip(".")
    return f"{amount} {text(held.get('unit') or held.get('code'), 40)}".strip() if amount else ""


def value_of(holder: Json) -> str:
    """The value of an Observation or one of its components, whatever its type."""
    if found := quantity(holder.get("valueQuantity")):
        return found
    if found := words(holder.get("valueCodeableConcept")):
        return found
    for name in ("valueString", "valueDateTime", "valueTime"):
        if found := text(holder.get(name)):
            return found
    if isinstance(holder.get("valueBoolean"), bool):
        return "+" if holder["valueBoolean"] else "−"
    if found := number(holder.get("valueInteger")):
        return found
    if (ratio := one(holder.get("valueRatio"))) and (upper := quantity(ratio.get("numerator"))):
        return f"{upper} / {quantity(ratio.get('denominator'))}"
    if (range_ := one(holder.get("valueRange"))) is not _NONE:
        return " – ".join(filter(None, (quantity(range_.get("low")), quantity(range_.get("high")))))
    return words(holder.get("dataAbsentReason"))


def reference_id(value: Any) -> str:
    """``Type/id`` of a reference."""
    found = one(value).get("reference")
    return found[:200] if isinstance(found, str) else ""
