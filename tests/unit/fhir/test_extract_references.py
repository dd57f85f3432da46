"""Whom and what a resource refers to: includes, the home patient, and the check that references exist."""

from __future__ import annotations

from typing import Any

import pytest

from vaka.fhir.extract import local_references, owner_hints, references

OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "subject": {"reference": "Patient/p1"},
    "encounter": {"reference": "Encounter/e1/_history/3"},
    "performer": [{"reference": "Organization/lab"}],
}


def test_references() -> None:
    """_include follows every parameter, narrowed ones too."""
    found = references({**OBSERVATION, "focus": [{"reference": "Group/g"}, {"reference": "#x"}]})
    assert sorted(found) == [
        ("Observation.encounter", "Encounter", "e1"),
        ("Observation.focus", "Group", "g"),
        ("Observation.patient", "Patient", "p1"),
        ("Observation.performer", "Organization", "lab"),
        ("Observation.subject", "Patient", "p1"),
    ]


@pytest.mark.parametrize(
    ("resource", "patient"),
    [
        ({"resourceType": "Patient", "id": "p"}, "p"),
        ({"resourceType": "Patient"}, None),
        (
            {"resourceType": "Observation", "subject": {"reference": "Patient/a"},
             "performer": [{"reference": "Patient/b"}]},
            "a",
        ),
        ({"resourceType": "Observation", "subject": {"reference": "Group/a"}}, None),
        ({"resourceType": "AllergyIntolerance", "patient": {"reference": "Patient/a/_history/2"}}, "a"),
        ({"resourceType": "Task", "for": {"reference": "Patient/a"}}, "a"),
        (
            {"resourceType": "Appointment",
             "participant": [{"actor": {"reference": "Location/l"}}, {"actor": {"reference": "Patient/a"}}]},
            "a",
        ),
        ({"resourceType": "Coverage", "beneficiary": {"reference": "Patient/a"}}, "a"),
        ({"resourceType": "Communication", "recipient": [{"reference": "Patient/a"}]}, "a"),
        ({"resourceType": "Organization", "id": "o"}, None),
        ({"resourceType": "Nonsense", "subject": 3}, None),
    ],
)  # fmt: skip
def test_owner_hints(resource: dict[str, Any], patient: str | None) -> None:
    """A resource without its home patient would escape the patient's blocks."""
    assert owner_hints(resource) == patient


def test_local_references() -> None:
    """A check that references exist must see all of them, with the place to tell."""
    resource = {
        "resourceType": "Encounter",
        "participant": [{"individual": {"reference": "Practitioner/1"}}, {"individual": {"reference": "#c"}}],
        "extension": [{"url": "x", "valueReference": {"reference": "Basic/2"}}],
        "subject": {"reference": "http://other.se/Patient/1"},
    }
    assert local_references(resource) == [
        ("Encounter.participant[0].individual", "Practitioner", "1"),
        ("Encounter.extension[0].valueReference", "Basic", "2"),
    ]
