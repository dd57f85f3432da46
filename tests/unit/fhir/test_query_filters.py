"""What each kind of parameter, modifier and prefix selects: requests read by ``parse_query``, judged on real index
rows."""

from __future__ import annotations

from typing import Any

import pytest

from vaka.fhir.criteria import Dates
from vaka.fhir.dates import parse as parse_date
from vaka.fhir.extract import extract
from vaka.fhir.keys import resource_key
from vaka.fhir.query import matches, parse_query
from vaka.fhir.values import number

BASE = "https://journal.example/fhir"
UPDATED = "2024-05-10T08:00:00.250Z"

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "meta": {
        "tag": [{"system": "http://t.se", "code": "demo"}],
        "security": [{"system": "http://s.se", "code": "R"}],
        "profile": ["http://p.se/patient|2.0"],
        "source": "http://lab.se/in#1",
    },
    "text": {"status": "generated", "div": "<div>Hostar och har feber</div>"},
    "identifier": [
        {
            "system": "http://electronichealth.se/identifier/personnummer",
            "value": "19121212-1212",
            "type": {"coding": [{"system": "http://v2", "code": "MR"}], "text": "Journalnummer"},
        },
        {"value": "A|B,C$D\\E"},
    ],
    "active": True,
    "name": [{"family": "Åkerström", "given": ["Per-Erik", "Olof"]}],
    "telecom": [{"system": "phone", "value": "08-123"}],
    "gender": "male",
    "birthDate": "1912-12-12",
    "maritalStatus": {"text": "Gift"},
    "generalPractitioner": [
        {"reference": "Practitioner/d1"},
        {"identifier": {"system": "http://hsa.se", "value": "SE1"}},
    ],
    "managingOrganization": {"reference": "Organization/o1", "display": "Södra vårdcentralen"},
}

OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "o1",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "718-7", "display": "Hemoglobin"}], "text": "B-Hb"},
    "subject": {"reference": "Patient/p1"},
    "focus": [{"reference": "https://other.example/fhir/Device/9"}, {"reference": "urn:uuid:9f0c"}],
    "performer": [{"reference": "Practitioner/d1/_history/3"}],
    "effectiveDateTime": "2024-05-10T10:00:00+02:00",
    "valueQuantity": {"value": 72.5, "unit": "g/L", "system": "http://unitsofmeasure.org", "code": "g/L"},
    "component": [
        {
            "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]},
            "valueQuantity": {"value": 140, "system": "http://unitsofmeasure.org", "code": "mm[Hg]"},
        },
        {
            "code": {"coding": [{"system": "http://loinc.org", "code": "8462-4"}]},
            "valueQuantity": {"value": 80, "system": "http://unitsofmeasure.org", "code": "mm[Hg]"},
        },
        {
            "code": {"coding": [{"system": "http://loinc.org", "code": "c1"}]},
            "valueCodeableConcept": {"coding": [{"system": "http://snomed.info/sct", "code": "v1"}]},
        },
        {
            "code": {"coding": [{"system": "http://loinc.org", "code": "c2"}]},
            "valueCodeableConcept": {"coding": [{"system": "http://snomed.info/sct", "code": "v2"}]},
        },
    ],
}

ENCOUNTER: dict[str, Any] = {
    "resourceType": "Encounter",
    "id": "e1",
    "status": "finished",
    "class": {"code": "IMP"},
    "period": {"start": "2024-05-09T12:00:00+02:00", "end": "2024-05-10T12:00:00+02:00"},
    "length": {"value": 24, "unit": "timmar"},
}

TEXT: dict[str, Any] = {"resourceType": "Observation", "id": "o2", "code": {"coding": [{"code": "c9"}]}}
VITAL: dict[str, Any] = dict(TEXT, valueCodeableConcept={"coding": [{"code": "v9"}]})

DOCUMENT: dict[str, Any] = {
    "resourceType": "DocumentReference",
    "id": "d1",
    "relatesTo": [{"code": "replaces", "target": {"reference": "DocumentReference/d2"}}],
}
MEASURE: dict[str, Any] = {
    "resourceType": "Measure",
    "id": "m1",
    "useContext": [
        {
            "code": {"system": "u", "code": "age"},
            "valueRange": {"low": {"value": 1, "unit": "a"}, "high": {"value": 5, "unit": "a"}},
        },
        {"code": {"code": "focus"}, "valueCodeableConcept": {"coding": [{"code": "x"}]}},
    ],
}

VALUE_SET: dict[str, Any] = {"resourceType": "ValueSet", "id": "v1", "url": "http://a.se/fhir/ValueSet/x"}

RISK: dict[str, Any] = {
    "resourceType": "RiskAssessment",
    "id": "r1",
    "status": "final",
    "subject": {"reference": "Patient/p1"},
    "prediction": [{"probabilityDecimal": 0.80}],
}


def selects(resource: dict[str, Any], *parameters: tuple[str, str]) -> bool | None:
    """Whether the request selects the resource."""
    query = parse_query([resource["resourceType"]], parameters, base_url=BASE, strict=True)
    moment = parse_date(UPDATED)
    assert moment is not None
    own = resource_key(resource["resourceType"], resource["id"])
    return matches(extract(resource), own, moment[0], query.where)


PERSONNUMMER = "http://electronichealth.se/identifier/personnummer"
UCUM = "http://unitsofmeasure.org"

CASES: list[tuple[dict[str, Any], str, str, bool]] = [
    # token
    (PATIENT, "identifier", "19121212-1212", True),
    (PATIENT, "identifier", f"{PERSONNUMMER}|19121212-1212", True),
    (PATIENT, "identifier", f"{PERSONNUMMER}|", True),
    (PATIENT, "identifier", "http://other|", False),
    (PATIENT, "identifier", "http://other|19121212-1212", False),
    (PATIENT, "identifier", "|19121212-1212", False),
    (PATIENT, "identifier", "|A\\|B\\,C\\$D\\\\E", True),
    (PATIENT, "identifier", "A\\|B\\,C\\$D\\\\E", True),
    (PATIENT, "identifier", "no,19121212-1212", True),
    (PATIENT, "identifier:of-type", "http://v2|MR|19121212-1212", True),
    (PATIENT, "identifier:of-type", "http://v2|XX|19121212-1212", False),
    (PATIENT, "identifier:text", "journalnummer", True),
    (PATIENT, "gender", "male", True),
    (PATIENT, "gender", "http://hl7.org/fhir/administrative-gender|male", True),
    (PATIENT, "gender", "|male", True),
    (PATIENT, "gender", "http://other|male", False),
    (PATIENT, "gender", "http://hl7.org/fhir/administrative-gender|", True),
    (PATIENT, "gender:not", "male", False),
    (PATIENT, "gender:not", "female", True),
    (PATIENT, "gender:not", "female,male", False),
    (PATIENT, "language:not", "sv", True),
    (PATIENT, "active", "true", True),
    (PATIENT, "active", "false", False),
    (PATIENT, "deceased", "false", True),
    (PATIENT, "phone", "08-123", True),
    (OBSERVATION, "code", "http://loinc.org|718-7", True),
    (OBSERVATION, "code:text", "hemoglobin", True),
    (OBSERVATION, "code:text", "hemoglobin natrium", False),
    (OBSERVATION, "code:text", "natrium,b-hb", True),
    (OBSERVATION, "combo-code", "8462-4", True),
    (PATIENT, "_tag", "http://t.se|demo", True),
    (PATIENT, "_tag:not", "demo", False),
    (PATIENT, "_security", "R", True),
    (PATIENT, "_id", "p1", True),
    (PATIENT, "_id", "p2,p1", True),
    (PATIENT, "_id", "p2", False),
    (PATIENT, "_id:not", "p1", False),
    # :missing
    (PATIENT, "gender:missing", "false", True),
    (PATIENT, "gender:missing", "true", False),
    (PATIENT, "language:missing", "true", True),
    (PATIENT, "general-practitioner:missing", "false", True),
    (PATIENT, "organization:missing", "true", False),
    (PATIENT, "death-date:missing", "true", True),
    (PATIENT, "_id:missing", "true", False),
    (PATIENT, "_lastUpdated:missing", "false", True),
    (OBSERVATION, "patient:missing", "false", True),
    (OBSERVATION, "value-quantity:missing", "true", False),
    (OBSERVATION, "code-value-quantity:missing", "false", True),
    (VALUE_SET, "url:missing", "true", False),
    # string
    (PATIENT, "family", "akerst", True),
    (PATIENT, "family", "Åkerström", True),
    (PATIENT, "family", "strom", False),
    (PATIENT, "family:contains", "strÖm", True),
    (PATIENT, "family:exact", "Åkerström", True),
    (PATIENT, "family:exact", "Akerstrom", False),
    (PATIENT, "family:exact", "Åker", False),
    (PATIENT, "name", "per-erik", True),
    (PATIENT, "name", "x,olof", True),
    (PATIENT, "given:contains", "rik", True),
    # uri
    (VALUE_SET, "url", "http://a.se/fhir/ValueSet/x", True),
    (VALUE_SET, "url", "http://a.se/fhir/ValueSet", False),
    (VALUE_SET, "url:below", "http://a.se/fhir", True),
    (VALUE_SET, "url:below", "http://a.se/fhir/", True),
    (VALUE_SET, "url:below", "http://a.se/fh", False),
    (VALUE_SET, "url:above", "http://a.se/fhir/ValueSet/x/y/z", True),
    (VALUE_SET, "url:above", "http://a.se/fhir", False),
    (VALUE_SET, "url:not", "http://a.se/fhir", True),
    ({"resourceType": "ValueSet", "id": "v2", "url": "urn:oid:1.2"}, "url:above", "urn:oid:1.2", True),
    ({"resourceType": "ValueSet", "id": "v2", "url": "urn:oid:1.2"}, "url:below", "urn:oid:1.2", True),
    ({"resourceType": "ValueSet", "id": "v2", "url": "http://a.se/"}, "url:above", "http://a.se/b", True),
    (PATIENT, "_profile", "http://p.se/patient", True),
    (PATIENT, "_profile", "http://p.se/patient|2.0", True),
    (PATIENT, "_profile", "http://p.se/patient|1.0", False),
    (PATIENT, "_source", "http://lab.se/in#1", True),
    # reference
    (OBSERVATION, "subject", "Patient/p1", True),
    (OBSERVATION, "subject", "p1", True),
    (OBSERVATION, "subject", "Group/p1", False),
    (OBSERVATION, "subject", f"{BASE}/Patient/p1", True),
    (OBSERVATION, "subject", "https://other.example/fhir/Patient/p1", False),
    (OBSERVATION, "subject:Patient", "p1", True),
    (OBSERVATION, "subject:Group", "p1", False),
    (OBSERVATION, "subject:Patient", "Patient/p1", True),
    (OBSERVATION, "subject:not", "Patient/p1", False),
    (OBSERVATION, "patient", "p1", True),
    (OBSERVATION, "patient", "Patient/p1", True),
    (OBSERVATION, "patient", "p2,p1", True),
    (dict(TEXT, subject={"reference": "Location/p1"}), "patient", "p1", False),
    (dict(TEXT, subject={"reference": "Location/p1"}), "patient:Patient", "p1", False),
    (dict(TEXT, subject={"reference": "Location/p1"}), "subject", "p1", True),
    (OBSERVATION, "performer", "Practitioner/d1", True),
    (OBSERVATION, "performer", "Practitioner/d1/_history/9", True),
    (OBSERVATION, "focus", "https://other.example/fhir/Device/9", True),
    (OBSERVATION, "focus", "urn:uuid:9f0c", True),
    (OBSERVATION, "focus", "Device/9", False),
    (PATIENT, "organization:text", "vårdcentral", True),
    (PATIENT, "general-practitioner:identifier", "http://hsa.se|SE1", True),
    (PATIENT, "general-practitioner:identifier", "SE1", True),
    (PATIENT, "general-practitioner:identifier", "http://x.se|SE1", False),
    # words
    (PATIENT, "_text", "feber", True),
    (PATIENT, "_text", "hosta feber", True),
    (PATIENT, "_text", "feber AND hosta", True),
    (PATIENT, "_text", "feber utslag", False),
    (PATIENT, "_text", "utslag OR feber", True),
    (PATIENT, "_text", "utslag,feber", True),
    (PATIENT, "_text", "Gift", False),
    (PATIENT, "_content", "gift", True),
    (PATIENT, "_content", '"feber"', True),
    # composite
    (OBSERVATION, "code-value-quantity", "718-7$72.5", True),
    (OBSERVATION, "code-value-quantity", f"http://loinc.org|718-7$gt7|{UCUM}|g/dL", True),
    (OBSERVATION, "code-value-quantity", f"http://loinc.org|718-7$gt8|{UCUM}|g/dL", False),
    (OBSERVATION, "code-value-quantity", "http://other|718-7$72.5", False),
    (OBSERVATION, "code-value-quantity", "http://loinc.org|$72.5", True),
    (OBSERVATION, "code-value-quantity", "8480-6$140", False),
    (OBSERVATION, "component-code-value-quantity", "8480-6$140", True),
    (OBSERVATION, "component-code-value-quantity", "8480-6$80", False),
    (OBSERVATION, "component-code-value-quantity", "http://loinc.org|8462-4$lt90||mm[Hg]", True),
    (OBSERVATION, "combo-code-value-quantity", "8480-6$gt130", True),
    (OBSERVATION, "combo-code-value-quantity", "718-7$gt70,8480-6$gt200", True),
    (VITAL, "code-value-concept", "c9$v9", True),
    (VITAL, "code-value-concept", "c9$http://x|v9", False),
    (VITAL, "code-value-concept", "c8$v9", False),
    (VITAL, "combo-code-value-concept", "c9$v9", True),
    (dict(TEXT, valueString="Rökare"), "code-value-string", "c9$rok", True),
    (dict(TEXT, valueString="Rökare"), "code-value-string", "c9$ja", False),
    (dict(TEXT, valueDateTime="2024-05-10"), "code-value-date", "c9$gt2024", False),
    (dict(TEXT, valueDateTime="2024-05-10"), "code-value-date", "c9$ge2024-05", True),
    (DOCUMENT, "relationship", "replaces$DocumentReference/d2", True),
    (DOCUMENT, "relationship", f"replaces${BASE}/DocumentReference/d2", True),
    (DOCUMENT, "relationship", "http://hl7.org/fhir/document-relationship-type|replaces$d2", True),
    (DOCUMENT, "relationship", "appends$DocumentReference/d2", False),
    (MEASURE, "context-type-quantity", "age$gt3", True),
    (MEASURE, "context-type-quantity", "u|age$gt3||a", True),
    (MEASURE, "context-type-quantity", "age$sa3", False),
    (MEASURE, "context-type-value", "focus$x", True),
    (MEASURE, "context-type-value", "age$x", False),
    (OBSERVATION, "component-code-value-concept", "c1$v1", True),
    (OBSERVATION, "component-code-value-concept", "http://loinc.org|c1$http://snomed.info/sct|v1", True),
    (OBSERVATION, "component-code-value-concept", "c1$v2", False),
    (OBSERVATION, "combo-code-value-concept", "c2$v2", True),
]


@pytest.mark.parametrize(("resource", "name", "value", "expected"), CASES)
def test_a_filter_selects(resource: dict[str, Any], name: str, value: str, expected: bool) -> None:
    """A kind, modifier or form of value would select too much or too little."""
    assert selects(resource, (name, value)) is expected


DAY, BEFORE, AFTER = "2024-05-10", "2024-05-09", "2024-05-11"


@pytest.mark.parametrize(
    ("prefix", "before", "same", "after"),
    [
        ("", False, True, False),
        ("eq", False, True, False),
        ("ne", True, False, True),
        ("gt", True, False, False),
        ("ge", True, True, False),
        ("lt", False, False, True),
        ("le", False, True, True),
        ("sa", True, False, False),
        ("eb", False, False, True),
    ],
)
def test_prefixes_of_a_moment(prefix: str, before: bool, same: bool, after: bool) -> None:
    """A date would be compared the wrong way round, or with the wrong end of the day."""
    for parameter in ("date", "_lastUpdated"):
        found = [selects(OBSERVATION, (parameter, prefix + day)) for day in (BEFORE, DAY, AFTER)]
        assert found == [before, same, after], parameter


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2024-05", True),
        ("2024-05-10", False),  # the stay began before that day
        ("ne2024-05-10", True),
        ("gt2024-05-09", True),
        ("sa2024-05-09", False),
        ("sa2024-05-08", True),
        ("lt2024-05-10", True),
        ("eb2024-05-10", False),
        ("eb2024-05-11", True),
        ("ap2024-05-10", True),
        ("ge2024-05-09T13:00:00+02:00", True),
        ("le2024-05-09T13:00:00+02:00", True),
        ("2024-05-09T12:00:00+02:00", False),
    ],
)
def test_prefixes_of_a_period(value: str, expected: bool) -> None:
    """A period would be taken for its start."""
    assert selects(ENCOUNTER, ("date", value)) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("72.5", True),
        ("73", True),  # two digits: 72.5 to 73.5
        ("72", False),
        ("72.50", True),
        ("72.51", False),
        ("72.45", False),
        ("7e1", False),  # the letter of R4: 69.5 to 70.5
        ("ne72.5", False),
        ("ne71", True),
        ("gt72.5", False),
        ("ge72.5", True),
        ("lt72.5", False),
        ("le72.5", True),
        ("sa72.4", True),
        ("eb72.6", True),
        ("ap70", True),
        ("ap60", False),
        (f"72.5|{UCUM}|g/L", True),
        (f"7.25|{UCUM}|g/dL", True),
        (f"72500|{UCUM}|mg/L", True),
        (f"72.5|{UCUM}|mg/L", False),
        (f"ge7.25|{UCUM}|g/dL", True),
        (f"le7.25|{UCUM}|g/dL", True),
        ("72.5||g/L", True),
        ("7.25||g/dL", True),
        ("72.5||", True),
        ("72.5||timmar", False),
        ("72.5|http://other|g/L", False),
        ("1,72.5", True),
    ],
)
def test_prefixes_and_units_of_a_quantity(value: str, expected: bool) -> None:
    """A number would be compared without its precision or its unit."""
    assert selects(OBSERVATION, ("value-quantity", value)) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0.8", True),
        ("0.80", True),
        ("0.800", True),
        ("0.81", False),
        ("gt0.5", True),
        ("lt0.5", False),
        ("ap0.85", True),
        ("8e-1", True),
        ("7.9e-1", False),
        ("8.4e-1", False),
    ],
)
def test_a_number(value: str, expected: bool) -> None:
    """A number parameter would not be found by its value."""
    assert selects(RISK, ("probability", value)) is expected


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("100", 99.5, 100.5),
        ("100.00", 99.995, 100.005),
        ("1e2", 95, 105),
        ("5.40", 5.395, 5.405),
        ("-5.4", -5.45, -5.35),
    ],
)
def test_the_range_that_digits_imply(text: str, low: float, high: float) -> None:
    """The specification's own examples would find other values than it says (search.html#number)."""
    assert number(text)[2:] == (low, high)


def test_a_unit_that_is_no_ucum_is_compared_as_printed() -> None:
    """A locally printed unit could not be searched."""
    assert selects(ENCOUNTER, ("length", "24||timmar")) is True
    assert selects(ENCOUNTER, ("length", "24||dagar")) is False


def test_repeated_parameters_are_joined_by_and() -> None:
    """A repeated parameter would widen the search."""
    assert selects(PATIENT, ("given", "olof"), ("given", "per")) is True
    assert selects(PATIENT, ("given", "olof"), ("given", "karl")) is False
    assert selects(PATIENT, ("gender:not", "female"), ("gender:not", "male")) is False


def test_no_parameter_selects_everything() -> None:
    """A search without filter would be empty."""
    assert selects(PATIENT) is True


def test_approximate_dates_widen_with_distance() -> None:
    """``ap`` would ignore how long ago the date lies: a tenth of the distance to now."""
    now = parse_date("2024-05-10")
    assert now is not None
    wide = parse_query(["Observation"], [("date", "ap2004-05-10")], base_url=BASE, strict=True, now_us=now[0])
    near = parse_query(["Observation"], [("date", "ap2024-05-10")], base_url=BASE, strict=True, now_us=now[0])
    year_us = 365 * 86_400_000_000
    assert 3.9 * year_us < wide.where.high_us - wide.where.low_us < 4.1 * year_us  # type: ignore[union-attr]
    assert near.where.high_us - near.where.low_us < 2 * 86_400_000_000  # type: ignore[union-attr]


@pytest.mark.parametrize("code", ["date", "code", "_tag", "_id"])
def test_several_types_share_a_parameter(code: str) -> None:
    """A search in several types would find only those of the first."""
    value = {"date": "2024-05-10", "code": "x", "_tag": "demo", "_id": "d1"}[code]
    query = parse_query(["Observation", "Procedure"], [(code, value)], base_url=BASE, strict=True)
    first = parse_query(["Observation"], [(code, value)], base_url=BASE, strict=True).where
    second = parse_query(["Procedure"], [(code, value)], base_url=BASE, strict=True).where
    assert query.where not in (first, second)
    for type_ in ("Observation", "Procedure"):
        resource = {
            "resourceType": type_,
            "id": "d1",
            "meta": {"tag": [{"code": "demo"}]},
            "code": {"coding": [{"code": "x"}]},
            "effectiveDateTime" if type_ == "Observation" else "performedDateTime": "2024-05-10",
        }
        assert matches(extract(resource), resource_key(type_, "d1"), 0, query.where) is True


def test_only_a_date_that_occurs_once_is_called_single() -> None:
    """A store would ask one row for both ends of an interval that two rows satisfy, and lose the match."""
    for type_, code, single in [
        ("Patient", "birthdate", True),
        ("Observation", "date", True),
        ("Medication", "expiration-date", True),
        ("Appointment", "date", True),
        ("CarePlan", "activity-date", False),
        ("Goal", "target-date", False),
    ]:
        leaf = parse_query([type_], [(code, "2024")], base_url=BASE, strict=True).where
        assert isinstance(leaf, Dates)
        assert leaf.single is single, code
    both = parse_query(["Observation", "Procedure"], [("date", "2024")], base_url=BASE, strict=True).where
    assert isinstance(both, Dates)
    assert both.single is True
