"""Where entries say whose they are and that they are wrong. fhir/entries.py."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from vaka.fhir import definitions
from vaka.fhir.entries import (
    _BY_STATUS,
    _RESPONSIBLE,
    _STATUS,
    _VERIFICATION,
    annulled,
    in_error,
    moved,
    reference_to,
    responsible,
)
from vaka.fhir.parse import as_parsed
from vaka.fhir.validate import validate

CONDITION: dict[str, Any] = {
    "resourceType": "Condition", "id": "1", "subject": {"reference": "Patient/1"}, "code": {"text": "x"},
    "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]},
    "meta": {"versionId": "3", "lastUpdated": "2026-01-01T00:00:00Z", "tag": [{"code": "t"}]},
    "encounter": {"reference": "Encounter/1"},
}  # fmt: skip


def test_each_status_has_the_code() -> None:
    """Would break: an entry that is annulled is no valid resource any more."""
    for type_ in _BY_STATUS:
        status = definitions.structure(type_).elements[_STATUS.get(type_, "status")]
        assert status.value_set is not None
        assert "entered-in-error" in (definitions.required_codes(status.value_set) or ()), type_
    for type_, system in _VERIFICATION.items():
        found = definitions.structure(type_).elements["verificationStatus"]
        assert found.value_set is not None
        assert "entered-in-error" in (definitions.value_set(found.value_set)[system] or ())


def test_each_path_of_who_answers_exists() -> None:
    """Would break: nobody is asked to sign, since the element is looked for where there is none."""
    for type_, paths in _RESPONSIBLE.items():
        for path in paths:
            at = type_
            for name in path.split("."):
                at = definitions.structure(at).properties[name][1]
            assert at == "Reference", f"{type_}.{path}"


def test_annulled_keeps_all_but_its_status() -> None:
    """Would break: what was wrong cannot be read any more (PDL 3:14), or con-5 refuses it."""
    made = annulled(CONDITION)
    assert in_error(made)
    assert not in_error(CONDITION)
    assert {k: v for k, v in made.items() if k != "verificationStatus"} == {
        k: v for k, v in CONDITION.items() if k != "clinicalStatus"
    }
    assert not validate(as_parsed(made, orjson.dumps(made)))


def test_moved_takes_nothing_of_the_wrong_patient_along() -> None:
    """Would break: an entry on the right patient points into the wrong one's stay (S5)."""
    made = moved(CONDITION, "2", None)
    assert made == {
        "resourceType": "Condition", "subject": {"reference": "Patient/2"}, "code": {"text": "x"},
        "clinicalStatus": CONDITION["clinicalStatus"], "meta": {"tag": [{"code": "t"}]},
    }  # fmt: skip
    assert moved(CONDITION, "2", "9")["encounter"] == {"reference": "Encounter/9"}
    dose = {
        "resourceType": "MedicationAdministration",
        "subject": {"reference": "Patient/1"},
        "context": {"reference": "Encounter/1"},
    }
    assert moved(dose, "2", "9")["context"] == {"reference": "Encounter/9"}
    document = {
        "resourceType": "DocumentReference",
        "subject": {"reference": "Patient/1"},
        "context": {"encounter": [{"reference": "Encounter/1"}]},
    }
    assert moved(document, "2", "9")["context"] == {"encounter": [{"reference": "Encounter/9"}]}
    assert "context" not in moved(document, "2", None)
    allergy = {"resourceType": "AllergyIntolerance", "patient": {"reference": "Patient/1"}, "meta": {"versionId": "1"}}
    assert moved(allergy, "2", None) == {"resourceType": "AllergyIntolerance", "patient": {"reference": "Patient/2"}}


@pytest.mark.parametrize(
    "value", [None, 7, "Patient/1", [], {}, {"reference": 7}, {"reference": "Patient/"}, {"reference": "urn:uuid:1"}]
)
def test_what_is_no_reference(value: Any) -> None:
    """Would break: an odd resource stops an operation."""
    assert reference_to(value, "Patient") is None
    assert responsible({"resourceType": "Composition", "author": value}) is None
