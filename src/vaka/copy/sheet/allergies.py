"""Item 3: hypersensitivity (https://hl7.org/fhir/R4/allergyintolerance.html).

Invariants: what is refuted is left out; what is over stands last, marked; "none known" is a statement of a person and a day, and
one of drugs alone is none of everything.
"""

from __future__ import annotations

from typing import Any, Final

from vaka.copy.sheet.elements import Line, code, codes, many, person, text, when, words
from vaka.copy.sheet.entry import Found, Gathered

SECTION: Final = "allergies"
_SNOMED: Final = "http://snomed.info/sct"
_ABSENT: Final = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips"
_NONE: Final = frozenset({(_SNOMED, "716186003"), (_ABSENT, "no-known-allergies")})
_NONE_OF_SOME: Final = frozenset(
    {(_SNOMED, "409137002"), (_SNOMED, "429625007"), (_SNOMED, "428607008"), (_ABSENT, "no-known-medication-allergies"),
     (_ABSENT, "no-known-environmental-allergies"), (_ABSENT, "no-known-food-allergies")}
)  # fmt: skip
_NOTHING_SAID: Final = frozenset({(_SNOMED, "1631000175102"), (_ABSENT, "no-allergy-info")})
_OVER: Final = frozenset({"inactive", "resolved"})
_CRITICALITY: Final = {"high": 0, "unable-to-assess": 1, "low": 2}


def allergies(gathered: Gathered) -> list[Line]:
    """Most dangerous first; statements that none are known last."""
    lines = gathered.lines(SECTION, ("AllergyIntolerance",), _line)
    return sorted(lines, key=_order)


def _order(line: Line) -> tuple[Any, ...]:
    return ("none" in line, "over" in line, _CRITICALITY.get(line.get("criticality", ""), 1), line["what"], line["id"])


def _line(found: Found) -> Line | None:
    resource = found.resource
    verified = code(resource.get("verificationStatus"))
    said = frozenset(codes(resource.get("code")))
    if verified == "refuted" or said & _NOTHING_SAID:
        return None
    none = "all" if said & _NONE else "some" if said & _NONE_OF_SOME else ""
    status = code(resource.get("clinicalStatus"))
    if none and status in _OVER:
        return None
    reactions = []
    for reaction in many(resource.get("reaction")):
        seen = ", ".join(filter(None, (words(each) for each in many(reaction.get("manifestation")))))
        reactions.append((seen or text(reaction.get("description")), text(reaction.get("severity"), 20)))
    what = words(resource.get("code")) or words([one.get("substance") for one in many(resource.get("reaction"))])
    return found.line(
        what=what or "?",
        none=none,
        over=status if status in _OVER else "",
        criticality=text(resource.get("criticality"), 30),
        unsure=verified if verified in ("unconfirmed", "presumed") else "",
        reaction="; ".join(dict.fromkeys(seen for seen, _ in reactions if seen)),
        severe=any(severity == "severe" for _, severity in reactions),
        at=when(resource, "recordedDate", "onsetDateTime", "onsetPeriod"),
        by=person(resource.get("asserter"), resource.get("recorder")),
    )
