"""Validation refuses what would mislead a reader or break the store, accepts what R4 allows, and never raises."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from vaka.config import ISSUES_MAX, STRING_MAX_CHARACTERS
from vaka.errors import Issue
from vaka.fhir.definitions import RESOURCE_TYPES, structure
from vaka.fhir.invariants import RULES
from vaka.fhir.parse import Parsed, parse_resource
from vaka.fhir.validate import validate

EXAMPLES: list[bytes] = zstandard.decompress((Path(__file__).parent / "examples.ndjson.zst").read_bytes()).splitlines()
FAULTY = {
    "Observation/clinical-gender": "an Encounter as performer",
    "DeviceUseStatement/example": "a Procedure as reasonReference",
    "DeviceMetric/example": "a DeviceDefinition as parent",
    "MedicationRequest/medrx0301": "a Practitioner as dispenser",
    "EventDefinition/example": "an empty narrative",
    "ActivityDefinition/blood-tubes-supply": "an empty narrative",
    "ActivityDefinition/heart-valve-replacement": "an empty narrative",
    "Questionnaire/zika-virus-exposure-assessment": "an empty narrative",
    "Questionnaire/qs1": "items without linkId",
}
"""Official examples that break R4 themselves."""

PERIOD_BACK = {"start": "2024-02-02", "end": "2024-02-01"}
PATIENT: dict[str, Any] = {"resourceType": "Patient", "id": "p"}
OBSERVATION: dict[str, Any] = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
ALLERGY: dict[str, Any] = {
    "resourceType": "AllergyIntolerance",
    "patient": {"reference": "Patient/1"},
    "clinicalStatus": {
        "coding": [{"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}]
    },
}
CONDITION: dict[str, Any] = {"resourceType": "Condition", "subject": {"reference": "Patient/1"}}
APPOINTMENT: dict[str, Any] = {
    "resourceType": "Appointment",
    "status": "booked",
    "participant": [{"status": "accepted"}],
}
SLOT = {"start": "2024-01-01T08:00:00Z", "end": "2024-01-01T09:00:00Z"}
GIVEN: dict[str, Any] = {
    "resourceType": "MedicationAdministration",
    "status": "completed",
    "medicationCodeableConcept": {"text": "x"},
    "subject": {"reference": "Patient/1"},
    "effectiveDateTime": "2024-01-01",
}
REQUEST: dict[str, Any] = {
    "resourceType": "MedicationRequest",
    "status": "active",
    "intent": "order",
    "medicationCodeableConcept": {"text": "x"},
    "subject": {"reference": "Patient/1"},
}


def status(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": f"http://terminology.hl7.org/CodeSystem/{system}", "code": code}]}


def found(resource: dict[str, Any]) -> list[Issue]:
    return validate(parse_resource(orjson.dumps(resource)))


def narrative(inner: str, attributes: str = "") -> dict[str, Any]:
    div = f'<div xmlns="http://www.w3.org/1999/xhtml"{attributes}>{inner}</div>'
    return {**PATIENT, "text": {"status": "generated", "div": div}}


def doctype(patient: dict[str, Any]) -> dict[str, Any]:
    """Its narrative with an entity of its own, which a careless parser would read from a file."""
    patient["text"]["div"] = '<!DOCTYPE div [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + patient["text"]["div"]
    return patient


def repeat(**values: Any) -> dict[str, Any]:
    return {**REQUEST, "dosageInstruction": [{"timing": {"repeat": values}}]}


@pytest.mark.parametrize("line", EXAMPLES, ids=lambda line: "{resourceType}/{id}".format_map(orjson.loads(line)))
def test_official_examples_are_accepted(line: bytes) -> None:
    """Would break if validation refused what the specification itself shows, or took over one of its faults."""
    parsed = parse_resource(line)
    issues = validate(parsed)
    assert bool(issues) is (f"{parsed.type}/{parsed.id}" in FAULTY), issues


@pytest.mark.parametrize(
    ("resource", "code", "path"),
    [
        ({**PATIENT, "gender": "femail"}, "code-invalid", "Patient.gender"),
        ({**OBSERVATION, "status": "done"}, "code-invalid", "Observation.status"),
        ({**PATIENT, "telecom": [{"system": "sms2", "value": "1"}]}, "code-invalid", "Patient.telecom[0].system"),
        ({**ALLERGY, "category": ["food", "fod"]}, "code-invalid", "AllergyIntolerance.category[1]"),
        ({**ALLERGY, "clinicalStatus": {"text": "active"}}, "code-invalid", "AllergyIntolerance.clinicalStatus"),
        (
            {**ALLERGY, "clinicalStatus": {"coding": [{"code": "active"}]}},
            "code-invalid",
            "AllergyIntolerance.clinicalStatus",
        ),
        ({**PATIENT, "id": "a b"}, "value", "Patient.id"),
        ({**PATIENT, "id": "x" * 65}, "value", "Patient.id"),
        ({**PATIENT, "contained": [{"resourceType": "Patient", "id": "å"}]}, "value", "Patient.contained[0].id"),
        ({**OBSERVATION, "subject": {"reference": "Organization/1"}}, "value", "Observation.subject.reference"),
        (
            {**OBSERVATION, "subject": {"reference": "http://x/fhir/Organization/1"}},
            "value",
            "Observation.subject.reference",
        ),
        ({**OBSERVATION, "subject": {"type": "Organization"}}, "value", "Observation.subject.type"),
        ({**OBSERVATION, "subject": {"reference": "Patient/" + "x" * 65}}, "value", "Observation.subject.reference"),
        ({**OBSERVATION, "subject": {"reference": "Patients/1"}}, "value", "Observation.subject.reference"),
        ({**OBSERVATION, "subject": {"reference": "Patient?identifier=1"}}, "value", "Observation.subject.reference"),
        ({**OBSERVATION, "subject": {"reference": "Patient"}}, "value", "Observation.subject.reference"),
        ({**OBSERVATION, "subject": {"reference": "#p"}}, "not-found", "Observation.subject.reference"),
        (
            {**OBSERVATION, "subject": {"reference": "#o"}, "contained": [{"resourceType": "Organization", "id": "o"}]},
            "value",
            "Observation.subject.reference",
        ),
        (
            {**PATIENT, "extension": [{"url": "http://x", "valueReference": {"reference": "Foo/1"}}]},
            "value",
            "Patient.extension[0].value.ofType(Reference).reference",
        ),
        ({**PATIENT, "name": [{"family": " \t"}]}, "value", "Patient.name[0].family"),
        ({**PATIENT, "name": [{"given": ["a", "\u00a0\u2003"]}]}, "value", "Patient.name[0].given[1]"),
        ({**PATIENT, "name": [{}]}, "structure", "Patient.name[0]"),
        ({**PATIENT, "name": [{"text": "x" * (STRING_MAX_CHARACTERS + 1)}]}, "too-long", "Patient.name[0].text"),
        ({**PATIENT, "birthDate": "2023-02-29"}, "value", "Patient.birthDate"),
        (
            {**OBSERVATION, "effectiveDateTime": "2023-06-31T10:00:00Z"},
            "value",
            "Observation.effective.ofType(dateTime)",
        ),
        ({**PATIENT, "multipleBirthInteger": 2**31}, "value", "Patient.multipleBirth.ofType(integer)"),
        ({**OBSERVATION, "valueQuantity": {"value": "1"}}, "structure", "Observation.value.ofType(Quantity).value"),
        ({"resourceType": "Observation", "code": {"text": "x"}}, "required", "Observation.status"),
        ({**PATIENT, "nmae": []}, "structure", "Patient.nmae"),
        ({"resourceType": "Elephant"}, "value", "Elephant"),
        (
            {**PATIENT, "contained": [{**PATIENT, "contained": [PATIENT]}]},
            "invariant",
            "Patient.contained[0].contained",
        ),
        ({**PATIENT, "contained": [{**PATIENT, "meta": {"versionId": "1"}}]}, "invariant", "Patient.contained"),
        ({**PATIENT, "name": [{"period": PERIOD_BACK}]}, "invariant", "Patient.name[0].period.end"),
        ({**PATIENT, "photo": [{"data": "aGVq"}]}, "invariant", "Patient.photo[0]"),
        ({**PATIENT, "extension": [{"url": "http://x"}]}, "invariant", "Patient.extension[0]"),
        (
            {**PATIENT, "birthDate": "2000", "_birthDate": {"extension": [{"url": "http://x"}]}},
            "invariant",
            "Patient.birthDate.extension[0]",
        ),
        ({**OBSERVATION, "valueQuantity": {"code": "mg"}}, "invariant", "Observation.value.ofType(Quantity)"),
        (
            {**OBSERVATION, "valueRange": {"low": {"value": 2}, "high": {"value": 1}}},
            "invariant",
            "Observation.value.ofType(Range)",
        ),
        ({**PATIENT, "telecom": [{"value": "1"}]}, "invariant", "Patient.telecom[0]"),
        ({**PATIENT, "contact": [{"gender": "male"}]}, "invariant", "Patient.contact[0]"),
        (repeat(duration=1), "invariant", "MedicationRequest.dosageInstruction[0].timing.repeat.durationUnit"),
        (repeat(period=1), "invariant", "MedicationRequest.dosageInstruction[0].timing.repeat.periodUnit"),
        (
            repeat(duration=-1, durationUnit="h"),
            "invariant",
            "MedicationRequest.dosageInstruction[0].timing.repeat.duration",
        ),
        (repeat(period=-1, periodUnit="h"), "invariant", "MedicationRequest.dosageInstruction[0].timing.repeat.period"),
        ({k: v for k, v in ALLERGY.items() if k != "clinicalStatus"}, "invariant", "AllergyIntolerance.clinicalStatus"),
        (
            {**ALLERGY, "verificationStatus": status("allergyintolerance-verification", "entered-in-error")},
            "invariant",
            "AllergyIntolerance.clinicalStatus",
        ),
        ({**APPOINTMENT, "status": "proposed", "start": SLOT["start"]}, "invariant", "Appointment"),
        (APPOINTMENT, "invariant", "Appointment"),
        (
            {**CONDITION, "abatementDateTime": "2024", "clinicalStatus": status("condition-clinical", "active")},
            "invariant",
            "Condition.clinicalStatus",
        ),
        (
            {
                **CONDITION,
                "clinicalStatus": status("condition-clinical", "active"),
                "verificationStatus": status("condition-ver-status", "entered-in-error"),
            },
            "invariant",
            "Condition.clinicalStatus",
        ),
        ({**GIVEN, "dosage": {"text": "x"}}, "invariant", "MedicationAdministration.dosage"),
        (
            {**OBSERVATION, "valueString": "x", "dataAbsentReason": {"text": "x"}},
            "invariant",
            "Observation.dataAbsentReason",
        ),
        (
            {
                **OBSERVATION,
                "code": {"coding": [{"system": "s:s", "code": "1"}]},
                "valueString": "x",
                "component": [{"code": {"coding": [{"system": "s:s", "code": "1"}]}}],
            },
            "invariant",
            "Observation",
        ),
        ({**OBSERVATION, "referenceRange": [{"type": {"text": "x"}}]}, "invariant", "Observation.referenceRange[0]"),
        (narrative("x<script>alert(1)</script>"), "invariant", "Patient.text.div"),
        (narrative("x", ' onclick="x()"'), "invariant", "Patient.text.div"),
        (narrative('<a href="java&#115;cript:x">x</a>'), "invariant", "Patient.text.div"),
        (narrative('<p style="background:url(http://x)">x</p>'), "invariant", "Patient.text.div"),
        (narrative("<p>x"), "invariant", "Patient.text.div"),
        (doctype(narrative("&a;")), "invariant", "Patient.text.div"),
        (narrative("&nbsp;x"), "invariant", "Patient.text.div"),
        (narrative("<p> </p>"), "invariant", "Patient.text.div"),
        (
            {
                "resourceType": "Bundle",
                "type": "collection",
                "entry": [{"resource": PATIENT}, {"resource": {**PATIENT, "gender": "x"}}],
            },
            "code-invalid",
            "Bundle.entry[1].resource.gender",
        ),
        (
            {"resourceType": "Parameters", "parameter": [{"name": "r", "resource": {**PATIENT, "gender": "x"}}]},
            "code-invalid",
            "Parameters.parameter[0].resource.gender",
        ),
    ],
)
def test_faults_are_found_where_they_are(resource: dict[str, Any], code: str, path: str) -> None:
    """Would break if such a resource were accepted, or its sender told another place."""
    issues = found(resource)
    assert (code, path) in [(issue.code, issue.path) for issue in issues]
    assert len(issues) == 1
    assert all(issue.severity == "error" and issue.message for issue in issues)


@pytest.mark.parametrize(
    "resource",
    [
        {**PATIENT, "id": "A-z.0" + "x" * 59, "gender": "unknown", "birthDate": "2024-02-29"},
        {**OBSERVATION, "subject": {"reference": "Patient/1/_history/2"}, "effectiveDateTime": "2024"},
        {**OBSERVATION, "subject": {"reference": "urn:uuid:1"}, "device": {"reference": "https://x/y/z"}},
        {**OBSERVATION, "subject": {"reference": "#p"}, "contained": [PATIENT]},
        {**OBSERVATION, "subject": {"identifier": {"value": "1"}, "type": "Patient"}},
        {**PATIENT, "contained": [{**CONDITION, "subject": {"reference": "#"}}]},
        {**PATIENT, "name": [{"text": 'blank " " and {} within'}]},
        {**PATIENT, "_gender": {"extension": [{"url": "http://x", "valueCode": "f"}]}},
        {**PATIENT, "name": [{"period": {"start": "2024-02-02", "end": "2024-02-02T00:00:00+01:00"}}]},
        {**PATIENT, "name": [{"period": {"start": "2024-02-15", "end": "2024-02"}}]},
        {**PATIENT, "name": [{"period": {"start": "2024-02-02T12:00:00+02:00", "end": "2024-02-02T10:30:00Z"}}]},
        {**PATIENT, "photo": [{"contentType": "image/png", "data": "aGVq" * (STRING_MAX_CHARACTERS // 4 + 1)}]},
        {**ALLERGY, "verificationStatus": status("allergyintolerance-verification", "confirmed")},
        {**APPOINTMENT, **SLOT},
        {**APPOINTMENT, "status": "proposed"},
        {**GIVEN, "dosage": {"dose": {"value": 1}}},
        repeat(duration=1, durationUnit="h", frequency=1, period=1, periodUnit="d"),
        narrative('<p style="color:red">å <b>&#229;</b><img src="#x" alt=""/><a href="https://x">y</a></p>'),
    ],
)
def test_what_r4_allows_is_accepted(resource: dict[str, Any]) -> None:
    """Would break if a check were stricter than the specification."""
    assert found(resource) == []


def test_a_message_tells_what_is_allowed() -> None:
    """Would break if the sender had to guess the codes."""
    assert found({**PATIENT, "gender": "femail"})[0].message == (
        "'femail' is not an allowed code; allowed: female, male, other, unknown"
    )


def test_an_update_needs_an_id() -> None:
    """Would break if an update could be stored under no id."""
    parsed = parse_resource(b'{"resourceType":"Patient"}')
    assert [issue.path for issue in validate(parsed, mode="update")] == ["Patient.id"]
    assert validate(parsed, mode="create") == []


def test_issues_are_limited() -> None:
    """Would break if a hostile body made an answer larger than itself."""
    assert len(found({**PATIENT, "name": [{"use": "x", "family": " "}] * 1000})) == ISSUES_MAX


def test_rules_name_structures_that_exist() -> None:
    """Would break if a misspelt structure silently never ran its rules."""
    for name in RULES:
        assert structure(name).name == name


@pytest.mark.parametrize("type_", RESOURCE_TYPES)
def test_every_type_compiles(type_: str) -> None:
    """Would break if the first resource of a rare type raised."""
    for extension in ([], [{"url": "http://x", "valueReference": {"reference": "Foo/1"}}]):
        paths = {issue.path for issue in found({"resourceType": type_, "id": "a b", "extension": extension})}
        assert f"{type_}.id" in paths


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
HOSTILE = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner))


@given(st.sampled_from(EXAMPLES), st.data())
def test_nothing_hostile_raises(line: bytes, data: st.DataObject) -> None:
    """Would break if a value of an unforeseen shape became a 500."""
    resource = copy.deepcopy(orjson.loads(line))
    for _ in range(data.draw(st.integers(1, 3))):
        at: Any = resource
        while True:
            keys = list(at) if isinstance(at, dict) else list(range(len(at)))
            if not keys:
                break
            key = data.draw(st.sampled_from(keys))
            if isinstance(at[key], dict | list) and at[key] and data.draw(st.integers(0, 3)):
                at = at[key]
                continue
            at[key] = data.draw(HOSTILE)
            break
    type_ = resource.get("resourceType")
    body = json.dumps(resource).encode()
    for issue in validate(Parsed(type_ if isinstance(type_, str) and type_ else "Patient", None, resource, body)):
        assert issue.path
