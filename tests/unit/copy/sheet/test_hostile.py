"""Resources that nobody should send: each costs itself alone (S4)."""

from __future__ import annotations

import time
from copy import deepcopy
from typing import Any

import orjson
import pytest
from tests.fuzz.mutate import VALUES
from tests.unit.copy.sheet.building import as_html, as_json, concept, entry, lines, made, owned

from vaka.copy.sheet.elements import paragraphs, text
from vaka.copy.sheet.entry import Entry
from vaka.copy.sheet.fragment import FORMS, fragment
from vaka.copy.sheet.identity import identity
from vaka.copy.sheet.sections import SHOWN_TYPES
from vaka.copy.worklists import line_of, works

GOOD: dict[str, dict[str, Any]] = {
    "AllergyIntolerance": {"code": concept("Penicillin"), "reaction": [{"manifestation": [concept("Rash")]}], "recordedDate": "2026-01-01"},
    "Flag": {"status": "active", "code": concept("MRSA"), "period": {"start": "2026-01-01", "end": "2030-01-01"}},
    "MedicationRequest": {
        "status": "active", "intent": "order", "medicationCodeableConcept": concept("Alvedon"), "authoredOn": "2026-01-01",
        "category": [{"coding": [{"code": "inpatient"}]}],
        "dosageInstruction": [{"text": "1 x 1", "timing": {"repeat": {"timeOfDay": ["08:00:00"], "frequency": 1, "period": 1, "periodUnit": "d"}},
                               "doseAndRate": [{"doseQuantity": {"value": 1.5, "unit": "g"}}]}],
    },
    "MedicationAdministration": {
        "status": "completed", "medicationCodeableConcept": concept("Alvedon"), "effectiveDateTime": "2026-01-01T08:00:00Z",
        "request": {"reference": "MedicationRequest/x"}, "dosage": {"dose": {"value": 1.0, "unit": "g"}},
    },
    "Observation": {
        "status": "final", "code": concept("K"), "effectiveDateTime": "2026-01-01", "valueQuantity": {"value": 4.1, "unit": "mmol/L"},
        "referenceRange": [{"low": {"value": 3.5}, "high": {"value": 4.4}}], "component": [{"code": concept("x"), "valueInteger": 1}],
        "interpretation": [{"coding": [{"code": "H"}]}],
    },
    "DiagnosticReport": {"status": "final", "code": concept("CT"), "conclusion": "text", "basedOn": [{"reference": "ServiceRequest/x"}]},
    "ServiceRequest": {"status": "active", "intent": "order", "code": concept("CT"), "priority": "urgent", "authoredOn": "2026-01-01"},
    "Condition": {"code": concept("J44"), "clinicalStatus": {"coding": [{"code": "active"}]}, "onsetDateTime": "2020"},
    "Procedure": {"status": "completed", "code": concept("x"), "performedPeriod": {"start": "2020-01-01"}},
    "DocumentReference": {
        "status": "current", "date": "2026-01-01T08:00:00Z", "type": concept("Note"),
        "content": [{"attachment": {"contentType": "text/plain", "data": "SGVq"}}],
    },
    "Composition": {"status": "final", "date": "2026-01-01", "section": [{"title": "t", "text": {"div": "<div>x</div>"}, "section": [{}]}]},
    "CarePlan": {"status": "active", "title": "t", "activity": [{"detail": {"description": "d"}}]},
    "Task": {"status": "requested", "code": concept("t"), "description": "d", "owner": {"reference": "Organization/u1"}},
    "Encounter": {
        "status": "in-progress", "class": {"code": "IMP"}, "period": {"start": "2026-01-01"}, "location": [{"location": {"display": "bed"}}],
        "participant": [{"individual": {"reference": "Practitioner/x", "display": "n"}}],
    },
    "Appointment": {"status": "booked", "start": "2026-01-01T08:00:00Z", "participant": [{"actor": {"reference": "Patient/p"}}]},
    "RelatedPerson": {"name": [{"family": "f", "given": ["g"]}], "relationship": [concept("r")], "telecom": [{"value": "1"}]},
    "Immunization": {"status": "completed", "vaccineCode": concept("v"), "occurrenceDateTime": "2026"},
    "Consent": {"status": "active", "scope": {"coding": [{"code": "adr"}]}, "category": [concept("c")], "provision": {"type": "deny"}},
    "Goal": {"lifecycleStatus": "active", "description": concept("g")},
    "NutritionOrder": {"status": "active", "oralDiet": {"type": [concept("d")]}},
    "MedicationStatement": {"status": "active", "medicationCodeableConcept": concept("m"), "dosage": [{"text": "t"}]},
    "ClinicalImpression": {"status": "completed", "summary": "s", "date": "2026-01-01"},
}  # fmt: skip
SENTINEL = {"resourceType": "Flag", "id": "sentinel", "status": "active", "code": concept("Still here")}


def test_every_type_is_tried() -> None:
    """Would break: a new type on the sheet that the hostile tests do not know."""
    assert set(GOOD) == SHOWN_TYPES


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        for key, held in value.items():
            found += places(held, (*path, key))
    elif isinstance(value, list):
        for number, held in enumerate(value):
            found += places(held, (*path, number))
    return found


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    whole = deepcopy(value)
    holder = whole
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = new
    return whole


ODD = [
    *VALUES,
    "",
    "x" * 5_000,
    "\u202e<b>",
    "9999-99-99",
    "0000-01-01T00:00:00Z",
    1e300,
    "24:00:00",
    [[["x"]]],
    {"coding": "x"},
]


@pytest.mark.parametrize("type_", sorted(GOOD))
def test_whatever_stands_in_any_place(type_: str) -> None:
    """Would break: one resource with an odd value takes the sheet, the lists and the applier with it."""
    good = {"resourceType": type_, "id": "x", **GOOD[type_]}
    for path in places(good):
        if path[0] in ("resourceType", "id"):
            continue
        for value in ODD:
            bad = replaced(good, path, value)
            found = fragment([entry(bad), entry(SENTINEL, 1)])
            assert any(line["what"] == "Still here" for line in lines(found, "alerts")), (path, value)
            for work in works(bad, "u1", "tests", None):
                line_of(work.list, entry(bad), bad, identity("p", b"{}"), lambda _: "")


PATIENT: dict[str, Any] = {
    "resourceType": "Patient", "birthDate": "1948-03-14", "gender": "male", "name": [{"use": "official", "family": "f", "given": ["g"]}],
    "identifier": [{"system": "http://electronichealth.se/identifier/personnummer", "value": "194803149816"}],
    "telecom": [{"value": "1"}], "address": [{"line": ["x"], "city": "y"}], "generalPractitioner": [{"display": "z"}],
    "contact": [{"name": {"family": "k"}, "relationship": [concept("r")], "telecom": [{"value": "2"}]}],
    "communication": [{"language": concept("sv")}], "deceasedDateTime": "2026-01-01", "link": [{"type": "replaced-by", "other": {"reference": "x"}}],
    "meta": {"tag": [{"code": "SUBSETTED"}], "security": [{"code": "R"}]},
}  # fmt: skip


def test_any_patient_is_somebody() -> None:
    """Would break: the head of the page fails on a Patient, and nothing is shown."""
    for path in places(PATIENT):
        for value in ODD:
            who = identity("p1", orjson.dumps(replaced(PATIENT, path, value)))
            assert as_json(who=who)["patient"]["id"] == "p1"
            assert who.name
            assert "<main>" in as_html(who=who)


def test_bytes_that_are_no_resource_are_counted() -> None:
    """Would break: a damaged row is left out in silence."""
    bad = [b"", b"{", b"[]", b"null", b'{"resourceType":"Patient"}', b"\xff\xfe", b'"' + b"x" * 20, b"[" * 500]
    found = fragment([Entry("AllergyIntolerance", f"b{n}", body) for n, body in enumerate(bad)])
    assert found.broken["allergies"] == len(bad)
    assert "8 items cannot be shown." in as_html(owned(found))


def test_five_megabytes_of_text_are_cut_and_say_so() -> None:
    """Would break: one note fills the page, the memory of a worker, or a second of its time."""
    huge = "a <b> ☃ " * 700_000
    began = time.process_time()
    found = made(
        {**SENTINEL, "code": {"text": huge}}, {"resourceType": "Task", "status": "requested", "description": huge}
    )
    assert time.process_time() - began < 1.0
    assert all(sum(len(piece.part.packed) for piece in found.pieces[form]) < 20_000 for form in FORMS)
    assert lines(found, "alerts")[0]["what"].endswith("…")
    too_large = fragment(
        [
            Entry(
                "Flag",
                "x",
                b'{"resourceType":"Flag","id":"x","status":"active","code":{"text":"' + b"x" * 9_000_000 + b'"}}',
            )
        ]
    )
    assert too_large.broken == {"alerts": 1}


def test_text_keeps_its_reading_order() -> None:
    """Would break: a name with a right-to-left override shows a dose backwards."""
    assert text("10\u202e mg\u0000\n x\u2066") == "10 mg x"
    assert paragraphs("a\r\n\n\nb\u200e") == "a\nb"


def test_broken_dates_sort_and_show() -> None:
    """Would break: an entry with a date that is none is lost, or stops the list."""
    found = made(
        *(
            {**SENTINEL, "id": f"i{n}", "period": {"start": start}}
            for n, start in enumerate(["2026-13-45", "", "x", "2026"])
        )
    )
    assert len(lines(found, "alerts")) == 4
