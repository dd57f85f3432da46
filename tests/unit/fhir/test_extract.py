"""Extraction by hand: what each rule of search gives for the resources that a hospital writes most."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from vaka.fhir import dates, definitions
from vaka.fhir.extract import extract
from vaka.fhir.index import DATE_MAX_US, DATE_MIN_US, HIGHEST, LOWEST, IndexRows
from vaka.fhir.index_ranges import NUMBER_MAX
from vaka.fhir.keys import key, reference_key, url_reference_key
from vaka.fhir.quantities import UCUM, unit_key

LOINC = "http://loinc.org"
NPU = "urn:oid:1.2.752.108.1"


def number(name: str) -> int:
    """The number of the parameter ``Type.code``."""
    type_, code = name.split(".")
    found = definitions.parameter(type_, code)
    assert found is not None
    return found.number


def has(rows: IndexRows, name: str, kind: str, *parts: str) -> bool:
    return key(name, kind, *parts) in rows.tokens


def present(rows: IndexRows, type_: str) -> set[str]:
    """Codes of the parameters that have a value."""
    return {c for c in definitions.parameters(type_) if key(f"{type_}.{c}", "present") in rows.tokens}


def dated(rows: IndexRows, name: str) -> list[tuple[int, int]]:
    return [(r.low_us, r.high_us) for r in rows.dates if r.param == number(name)]


def texts(rows: IndexRows, name: str) -> set[str]:
    return {r.value for r in rows.strings if r.param == number(name)}


def concept(system: str, code: str, display: str | None = None) -> dict[str, Any]:
    coding = {"system": system, "code": code}
    return {"coding": [coding | ({"display": display} if display else {})]}


HEMOGLOBIN: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "hb",
    "status": "final",
    "code": {
        "coding": [{"system": NPU, "code": "NPU02319"}, {"system": LOINC, "code": "718-7"}],
        "text": "B-Hemoglobin",
    },
    "subject": {"reference": "Patient/p1"},
    "encounter": {"reference": "Encounter/e1/_history/3"},
    "effectiveDateTime": "2024-03-01T10:15:00+01:00",
    "performer": [{"reference": "Organization/lab", "display": "Klinisk kemi"}],
    "valueQuantity": {"value": 134, "unit": "g/L", "system": UCUM, "code": "g/L"},
}


def test_observation() -> None:
    """A laboratory result: found by code, patient, time, value, and code with value."""
    rows = extract(HEMOGLOBIN)
    assert present(rows, "Observation") == {
        "status", "code", "combo-code", "subject", "patient", "encounter", "date", "performer", "value-quantity",
        "combo-value-quantity", "code-value-quantity", "combo-code-value-quantity",
    }  # fmt: skip
    assert has(rows, "Observation.code", "c", "718-7")
    assert has(rows, "Observation.code", "sc", NPU, "NPU02319")
    assert has(rows, "Observation.code", "s", LOINC)
    assert has(rows, "Observation.code", "word", "hemoglobin")
    assert has(rows, "Observation.status", "c", "final")
    assert not has(rows, "Observation.combo-code", "c", "718-7")
    assert reference_key("Observation.subject", "Patient", "p1") in rows.tokens
    assert reference_key("Observation.encounter", "Encounter", "e1") in rows.tokens
    assert reference_key("Observation.patient", "Patient", "p1") not in rows.tokens
    assert has(rows, "Observation.performer", "word", "kemi")
    assert dated(rows, "Observation.date") == [dates.parse("2024-03-01T10:15:00+01:00")]
    name = "Observation.value-quantity"
    assert {tuple(r)[:5] for r in rows.quantities} == {
        (number(name), key(name, "with", code), unit, 134.0, 134.0)
        for code in ("NPU02319", "718-7")
        for unit in (0, unit_key(UCUM, "kg/m3"))
    }
    assert sum(r.edge for r in rows.quantities) == LOWEST | HIGHEST
    assert all(r.unit == 0 for r in rows.quantities if r.edge)
    assert rows.words == ["hemoglobin", "kemi", "klinisk"]
    assert rows.tokens == sorted(set(rows.tokens))


def test_observation_components() -> None:
    """Blood pressure: each value goes with the code beside it, not with the other component's."""
    rows = extract({
        "resourceType": "Observation",
        "code": concept(LOINC, "85354-9"),
        "component": [
            {"code": concept(LOINC, "8480-6"), "valueQuantity": {"value": 120, "system": UCUM, "code": "mm[Hg]"}},
            {"code": concept(LOINC, "8462-4"), "valueQuantity": {"value": 80, "system": UCUM, "code": "mm[Hg]"}},
            {"code": concept(LOINC, "8357-6"), "valueCodeableConcept": concept("http://snomed.info/sct", "371911009")},
            {"code": concept(LOINC, "x"), "dataAbsentReason": concept("urn:r", "unknown")},
        ],
    })  # fmt: skip
    name = "Observation.component-value-quantity"
    assert {(r.key, r.low) for r in rows.quantities if r.unit == 0} == {
        (key(name, "with", "8480-6"), 120.0),
        (key(name, "with", "8462-4"), 80.0),
    }
    edges = {r.low: r.edge for r in rows.quantities if r.unit == 0}
    assert edges == {80.0: LOWEST, 120.0: HIGHEST}
    pair = "Observation.component-code-value-concept"
    for code in ("c:8357-6", f"sc:{LOINC}|8357-6"):
        for value in ("c:371911009", "sc:http://snomed.info/sct|371911009"):
            assert has(rows, pair, "pair", code, value)
    assert not has(rows, pair, "pair", "c:8480-6", "c:371911009")
    assert present(rows, "Observation") >= {
        "component-code-value-quantity", "combo-code-value-quantity", "component-code-value-concept",
        "combo-code-value-concept", "component-data-absent-reason", "combo-data-absent-reason", "component-code",
    }  # fmt: skip
    assert not present(rows, "Observation") & {"code-value-quantity", "code-value-concept", "value-quantity"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"valueQuantity": {"value": 0.1, "comparator": "<"}}, [(0, -NUMBER_MAX, 0.1)]),
        ({"valueQuantity": {"value": 9, "comparator": ">="}}, [(0, 9.0, NUMBER_MAX)]),
        ({"valueQuantity": {"unit": "mg"}}, []),
        ({"valueQuantity": {"value": 1e400}}, []),
        ({"valueQuantity": {"value": 2, "unit": "tabl"}}, [(0, 2.0, 2.0), (unit_key(None, "tabl"), 2.0, 2.0)]),
        (
            {"valueQuantity": {"value": 2, "system": "urn:u", "code": "tabl"}},
            [(0, 2.0, 2.0), (unit_key("urn:u", "tabl"), 2.0, 2.0), (unit_key("", "tabl"), 2.0, 2.0)],
        ),
        (
            {"valueSampledData": {"origin": {"value": 10}, "period": 1, "factor": 2, "data": "1 E -3 7"}},
            [(0, 4.0, 24.0)],
        ),
        (
            {"valueSampledData": {"origin": {"value": 0}, "period": 1, "lowerLimit": -5, "upperLimit": 5}},
            [(0, -5.0, 5.0)],
        ),
    ],
)  # fmt: skip
def test_quantities(value: dict[str, Any], expected: list[tuple[int, float, float]]) -> None:
    """Comparators and samples are ranges; a unit that is not UCUM also stands without its system."""
    rows = extract({"resourceType": "Observation", **value})
    assert [tuple(r)[2:5] for r in rows.quantities] == expected
    assert all(r.key == 0 for r in rows.quantities)


def test_range_and_money() -> None:
    """A Range covers from its low to its high; an amount is in its currency."""
    rows = extract({"resourceType": "Condition", "onsetRange": {"low": {"value": 40, "system": UCUM, "code": "a"}}})
    year = 365.25 * 86400
    assert [tuple(r)[2:5] for r in rows.quantities] == [
        (0, 40.0, NUMBER_MAX),
        (unit_key(UCUM, "s"), 40 * year, NUMBER_MAX),
    ]
    rows = extract({"resourceType": "Invoice", "totalNet": {"value": 12.5, "currency": "SEK"}})
    assert {r.unit for r in rows.quantities} == {0, unit_key("urn:iso:std:iso:4217", "SEK"), unit_key("", "SEK")}


def test_patient() -> None:
    """A person: found by personnummer, any part of the name, telephone, and as living."""
    rows = extract({
        "resourceType": "Patient",
        "id": "p1",
        "active": True,
        "identifier": [{
            "system": "urn:oid:1.2.752.129.2.1.3.1",
            "value": "191212121212",
            "type": {"coding": [{"system": "urn:t", "code": "NI"}], "text": "Personnummer"},
        }],
        "name": [{"family": "Åberg", "given": ["Anna", "Maria"], "text": "Anna Maria Åberg"}, {"family": "Öst"}],
        "telecom": [{"system": "phone", "value": "+4670123"}, {"system": "email", "value": "a@b.se"}],
        "gender": "female",
        "birthDate": "1912-12",
        "address": [{"use": "home", "line": ["Storgatan 1"], "city": "Umeå", "postalCode": "90101", "country": "SE"}],
        "communication": [{"language": concept("urn:ietf:bcp:47", "sv")}],
        "link": [{"other": {"reference": "Patient/p0"}, "type": "replaces"}],
    })  # fmt: skip
    assert has(rows, "Patient.identifier", "sc", "urn:oid:1.2.752.129.2.1.3.1", "191212121212")
    assert has(rows, "Patient.identifier", "c", "191212121212")
    assert has(rows, "Patient.identifier", "type", "urn:t", "NI", "191212121212")
    assert has(rows, "Patient.identifier", "word", "personnumm")
    assert texts(rows, "Patient.name") == {"aberg", "anna", "maria", "anna maria aberg", "ost"}
    assert texts(rows, "Patient.family") == {"aberg", "ost"}
    assert texts(rows, "Patient.phonetic") == set()
    assert texts(rows, "Patient.address") == {"storgatan 1", "umea", "90101", "se"}
    edges = {r.value: r.edge for r in rows.strings if r.param == number("Patient.name")}
    assert edges == {"aberg": LOWEST, "ost": HIGHEST, "anna": 0, "maria": 0, "anna maria aberg": 0}
    assert has(rows, "Patient.family", "exact", "Åberg")
    assert not has(rows, "Patient.family", "exact", "aberg")
    assert has(rows, "Patient.phone", "c", "+4670123")
    assert not has(rows, "Patient.phone", "c", "a@b.se")
    assert has(rows, "Patient.telecom", "c", "a@b.se")
    assert has(rows, "Patient.active", "c", "true")
    assert has(rows, "Patient.deceased", "c", "false")
    assert has(rows, "Patient.address-use", "c", "home")
    assert dated(rows, "Patient.birthdate") == [dates.parse("1912-12")]
    assert reference_key("Patient.link", "Patient", "p0") in rows.tokens
    assert "phonetic" in present(rows, "Patient")
    assert "death-date" not in present(rows, "Patient")
    assert rows.words == ["90101", "aberg", "ann", "mari", "ost", "personnumm", "se", "storgatan", "ume"]


@pytest.mark.parametrize(
    ("deceased", "code"),
    [({}, "false"), ({"deceasedBoolean": False}, "false"), ({"deceasedBoolean": True}, "true"),
     ({"deceasedDateTime": "2024-01-01"}, "true")],
)  # fmt: skip
def test_deceased(deceased: dict[str, Any], code: str) -> None:
    """A living patient would be missing from ``deceased=false``, or a dead one be among them."""
    rows = extract({"resourceType": "Patient", **deceased})
    assert has(rows, "Patient.deceased", "c", code)
    assert not has(rows, "Patient.deceased", "c", "false" if code == "true" else "true")
    assert "deceased" in present(rows, "Patient")
    assert len(dated(rows, "Patient.death-date")) == ("deceasedDateTime" in deceased)


def test_encounter() -> None:
    """A stay in progress has no end yet; participants and places are found each."""
    rows = extract({
        "resourceType": "Encounter",
        "status": "in-progress",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": {"reference": "Patient/p1"},
        "participant": [
            {"individual": {"reference": "Practitioner/d1"}}, {"individual": {"reference": "PractitionerRole/r1"}},
        ],
        "period": {"start": "2024-03-01T08:00:00+01:00"},
        "location": [{"location": {"reference": "Location/bed1"}, "period": {"end": "2024-03-02"}}],
        "length": {"value": 2, "system": UCUM, "code": "h"},
        "serviceProvider": {"reference": "Organization/ward"},
    })  # fmt: skip
    assert dated(rows, "Encounter.date") == [((dates.parse("2024-03-01T08:00:00+01:00") or (0,))[0], DATE_MAX_US)]
    assert dated(rows, "Encounter.location-period") == [(DATE_MIN_US, (dates.parse("2024-03-02") or (0, 0))[1])]
    assert has(rows, "Encounter.class", "c", "IMP")
    assert reference_key("Encounter.participant", "Practitioner", "d1") in rows.tokens
    assert reference_key("Encounter.service-provider", "Organization", "ward") in rows.tokens
    assert {"practitioner", "participant", "patient", "length"} <= present(rows, "Encounter")
    assert {r.low for r in rows.quantities} == {2.0, 7200.0}
    without = extract(
        {"resourceType": "Encounter", "participant": [{"individual": {"reference": "PractitionerRole/r1"}}]}
    )
    assert present(without, "Encounter") == {"participant"}


def test_medication() -> None:
    """A prescription by code or by reference; a given dose by its time."""
    rows = extract({
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": concept("http://www.whocc.no/atc", "B01AA03", "Warfarin"),
        "subject": {"reference": "Patient/p1"},
        "authoredOn": "2024-02-03",
        "dosageInstruction": [{"timing": {"event": ["2024-02-04", "2024-02-05T08:00:00Z"]}}],
    })  # fmt: skip
    assert has(rows, "MedicationRequest.code", "sc", "http://www.whocc.no/atc", "B01AA03")
    assert has(rows, "MedicationRequest.code", "word", "warfarin")
    assert "medication" not in present(rows, "MedicationRequest")
    assert len(dated(rows, "MedicationRequest.date")) == 2
    assert [r.edge for r in rows.dates if r.param == number("MedicationRequest.date")] == [LOWEST, HIGHEST]
    given_dose = extract({
        "resourceType": "MedicationAdministration",
        "status": "completed",
        "medicationReference": {"reference": "Medication/m1"},
        "subject": {"reference": "Patient/p1"},
        "effectivePeriod": {"start": "2024-02-04T08:00:00+01:00", "end": "2024-02-04T08:30:00+01:00"},
    })  # fmt: skip
    assert reference_key("MedicationAdministration.medication", "Medication", "m1") in given_dose.tokens
    assert present(given_dose, "MedicationAdministration") == {
        "status", "medication", "subject", "patient", "effective-time",
    }  # fmt: skip


def test_timing() -> None:
    """A repeated order is found within its outer limits."""
    rows = extract({
        "resourceType": "ServiceRequest",
        "occurrenceTiming": {
            "event": ["2024-02-04", "2024-02-01"],
            "repeat": {"boundsPeriod": {"start": "2024-02-02", "end": "2024-02-09"}},
        },
    })  # fmt: skip
    low, high = dates.parse("2024-02-01") or (0, 0), dates.parse("2024-02-09") or (0, 0)
    assert dated(rows, "ServiceRequest.occurrence") == [(low[0], high[1])]


def test_documents_and_reports() -> None:
    """A note: its relations as pairs, its attached text as words; a report by its conclusion."""
    note = base64.b64encode("Bedömning: misstänkt lunginflammation.".encode()).decode()
    rows = extract({
        "resourceType": "DocumentReference",
        "status": "current",
        "docStatus": "preliminary",
        "relatesTo": [{"code": "replaces", "target": {"reference": "DocumentReference/d0"}}],
        "content": [{"attachment": {"contentType": "text/plain; charset=utf-8", "data": note, "title": "Anteckning"}}],
        "context": {"encounter": [{"reference": "Encounter/e1"}], "period": {"start": "2024-01-01"}},
    })  # fmt: skip
    for part in ("c:replaces", "sc:|replaces", "sc:http://hl7.org/fhir/document-relationship-type|replaces"):
        assert has(rows, "DocumentReference.relationship", "pair", part, "c:DocumentReference/d0")
    assert {"lunginflammation", "bedomning", "anteckning"} <= set(rows.words)
    assert has(rows, "DocumentReference.contenttype", "c", "text/plain; charset=utf-8")
    assert {"relationship", "relatesto", "relation", "encounter", "period"} <= present(rows, "DocumentReference")
    report = extract(
        {"resourceType": "DiagnosticReport", "conclusion": "Ingen fraktur", "result": [{"reference": "Observation/o"}]}
    )
    assert report.words == ["fraktur", "ing"]
    assert reference_key("DiagnosticReport.result", "Observation", "o") in report.tokens


def test_narrative() -> None:
    """``_text`` finds words of the narrative only, ``_content`` those and all others."""
    rows = extract({
        "resourceType": "Flag",
        "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Smitta <b>MRSA</b></div>'},
        "code": {"text": "Blodsmitta"},
        "contained": [{"resourceType": "Practitioner", "text": {"div": "<div>dold</div>"}, "name": [{"family": "Ek"}]}],
    })  # fmt: skip
    assert {w for w in rows.words if w.startswith("_")} == {"_smitt", "_mrsa"}
    assert {"blodsmit", "smitt", "ek", "dold"} <= set(rows.words)


def test_other_types() -> None:
    """Appointment, allergy, consent, task, condition, group: the paths that differ from the common ones."""
    appointment = extract({
        "resourceType": "Appointment",
        "start": "2024-03-01T08:00:00.000+01:00",
        "participant": [{"actor": {"reference": "Patient/p1"}}, {"actor": {"reference": "Location/l1"}}],
    })  # fmt: skip
    assert {"patient", "location", "actor", "date"} == present(appointment, "Appointment")
    allergy = extract({
        "resourceType": "AllergyIntolerance",
        "code": concept("urn:s", "peanut"),
        "reaction": [{"substance": concept("urn:s", "nut"), "manifestation": [{"text": "Urtikaria"}], "onset": "2020"}],
    })  # fmt: skip
    assert has(allergy, "AllergyIntolerance.code", "c", "peanut")
    assert has(allergy, "AllergyIntolerance.code", "c", "nut")
    assert dated(allergy, "AllergyIntolerance.onset") == [dates.parse("2020")]
    consent = extract({
        "resourceType": "Consent",
        "patient": {"reference": "Patient/p1"},
        "sourceAttachment": {"title": "x"},
        "provision": {"period": {"end": "2025"}, "actor": [{"reference": {"reference": "Organization/o1"}}]},
    })  # fmt: skip
    assert reference_key("Consent.actor", "Organization", "o1") in consent.tokens
    assert dated(consent, "Consent.period") == [(DATE_MIN_US, (dates.parse("2025") or (0, 0))[1])]
    task = extract(
        {"resourceType": "Task", "for": {"reference": "Patient/p1"}, "owner": {"identifier": {"value": "SE1"}}}
    )
    assert has(task, "Task.owner", "idv", "SE1")
    assert has(task, "Task.owner", "id", "", "SE1")
    assert present(task, "Task") == {"subject", "patient", "owner"}
    condition = extract(
        {"resourceType": "Condition", "onsetString": "i våras", "abatementAge": {"value": 3, "code": "a"}}
    )
    assert texts(condition, "Condition.onset-info") == {"i varas"}
    assert {"onset-info", "abatement-age"} == present(condition, "Condition")
    group = extract({
        "resourceType": "Group",
        "characteristic": [{"code": concept("urn:s", "x"), "valueBoolean": True}],
    })  # fmt: skip
    assert has(group, "Group.characteristic-value", "pair", "c:x", "c:true")


def test_use_context() -> None:
    """A composite of a repeated element: the context's code goes with its own value."""
    rows = extract({
        "resourceType": "ValueSet",
        "url": "http://region.se/ValueSet/x|2",
        "useContext": [
            {"code": {"system": "urn:u", "code": "age"}, "valueRange": {"low": {"value": 18}}},
            {"code": {"system": "urn:u", "code": "venue"}, "valueCodeableConcept": concept("urn:v", "ed")},
        ],
    })  # fmt: skip
    assert {r.key for r in rows.quantities} == {key("ValueSet.context-quantity", "with", "age")}
    assert has(rows, "ValueSet.context-type-value", "pair", "c:venue", "sc:urn:v|ed")
    assert not has(rows, "ValueSet.context-type-value", "pair", "c:age", "sc:urn:v|ed")
    assert has(rows, "ValueSet.url", "uri", "http://region.se/ValueSet/x")
    assert has(rows, "ValueSet.url", "below", "http://region.se")
    assert not has(rows, "ValueSet.url", "below", "http:/")


def test_meta() -> None:
    """Tags, security labels, profile and source of any resource."""
    rows = extract({
        "resourceType": "Basic",
        "meta": {
            "profile": ["http://x.se/P|1"],
            "source": "http://lab.se/in#4711",
            "tag": [{"system": "urn:t", "code": "a"}],
            "security": [{"code": "R"}],
            "lastUpdated": "2024-01-01T00:00:00Z",
        },
    })  # fmt: skip
    assert has(rows, "Basic._profile", "uri", "http://x.se/P")
    assert has(rows, "Basic._profile", "uri", "http://x.se/P|1")
    assert has(rows, "Basic._source", "uri", "http://lab.se/in")
    assert has(rows, "Basic._tag", "sc", "urn:t", "a")
    assert has(rows, "Basic._security", "sc", "", "R")
    assert rows.dates == []
    assert present(rows, "Basic") == {"_profile", "_source", "_tag", "_security"}


def test_references_that_are_not_local() -> None:
    """Other servers' addresses are found whole; what is contained is not referred to."""
    rows = extract({
        "resourceType": "Observation",
        "subject": {"reference": "https://other.se/fhir/Patient/1"},
        "specimen": {"reference": "#s1"},
        "device": {"reference": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"},
        "performer": [{"reference": "Nonsense/1"}],
    })  # fmt: skip
    assert url_reference_key("Observation.subject", "https://other.se/fhir/Patient/1") in rows.tokens
    assert url_reference_key("Observation.device", "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0") in rows.tokens
    assert present(rows, "Observation") == {"subject", "specimen", "device", "performer"}
    assert len(rows.tokens) == 6
    answers = extract({"resourceType": "QuestionnaireResponse", "questionnaire": "http://x.se/Q|2"})
    assert url_reference_key("QuestionnaireResponse.questionnaire", "http://x.se/Q") in answers.tokens
    assert url_reference_key("QuestionnaireResponse.questionnaire", "http://x.se/Q|2") in answers.tokens


def test_narrowed() -> None:
    """A care manager who is a role, not a person, would be found as a Practitioner."""
    role = extract({"resourceType": "EpisodeOfCare", "careManager": {"reference": "PractitionerRole/r"}})
    assert role.tokens == []
    person = extract({"resourceType": "EpisodeOfCare", "careManager": {"reference": "Practitioner/d"}})
    assert reference_key("EpisodeOfCare.care-manager", "Practitioner", "d") in person.tokens
    assert present(person, "EpisodeOfCare") == {"care-manager"}


def test_bundle() -> None:
    """A stored document is found by the composition that it begins with."""
    rows = extract({
        "resourceType": "Bundle",
        "type": "document",
        "entry": [
            {"resource": {"resourceType": "Composition", "id": "c1"}}, {"resource": {"resourceType": "MessageHeader"}},
        ],
    })  # fmt: skip
    assert reference_key("Bundle.composition", "Composition", "c1") in rows.tokens
    assert present(rows, "Bundle") == {"type", "composition"}
