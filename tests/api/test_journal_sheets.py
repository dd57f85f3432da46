"""Sheets at the journal, for copies that lag (S1): the same as a copy's, by the same rules, within a share."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.accesses import events
from tests.api.records import Ward
from tests.client import Api, fresh
from tests.conftest import Instance

ACTIVE = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}]}
CLOSED = "ditt uppdrag har ingen vårdrelation till patienten nu."


@pytest.fixture(scope="module")
def ward(api: Api) -> Ward:
    made = Ward(api)
    api.make({"resourceType": "AllergyIntolerance", "clinicalStatus": ACTIVE, "code": {"text": "Penicillin"}, "patient": made.owned()["subject"],
              "encounter": made.owned()["encounter"]})  # fmt: skip
    return made


def person(journal: Instance, ward: Ward, practitioner: str = "") -> Api:
    return Api(journal.url, journal.session(
        person=f"SE-{fresh()}", practitioner=practitioner or f"n-{fresh()}", unit=ward.unit, provider=ward.provider))  # fmt: skip


def sheet(api: Api, patient: str, accept: str = "application/json") -> Any:
    return api.get(f"{api.root}/sheet/{patient}", headers={"Accept": accept})


def sections(told: Any) -> dict[str, Any]:
    return {one["name"]: one for one in told["sections"]}


def test_what_stands_is_shown_and_logged(journal: Instance, ward: Ward) -> None:
    """Would break: a sheet of the journal without what it has, or one that no log knows of (L1)."""
    who = f"n-{fresh()}"
    mine = person(journal, ward, who)
    answer = sheet(mine, ward.patient)
    assert answer.status_code == 200, answer.text
    (owner,) = sections(answer.json())["allergies"]["owners"]
    assert (owner["unit"], [line["what"] for line in owner["lines"]]) == (ward.unit, ["Penicillin"])
    assert answer.json()["behind"] is False
    page = sheet(mine, ward.patient, "text/html").text
    assert "Penicillin" in page
    assert "<h3 class=" in page
    mine.close()


def test_who_has_no_care_relation_sees_nothing_of_it(api: Api, journal: Instance, ward: Ward) -> None:
    """Would break A8: what a copy hides would be read by way of its lag."""
    elsewhere = person(journal, Ward(api))
    answer = sheet(elsewhere, ward.patient)
    assert answer.status_code == 200, answer.text
    assert "Penicillin" not in answer.text
    assert sections(answer.json())["allergies"]["state"] == "withheld"
    assert CLOSED in sheet(elsewhere, ward.patient, "text/html").text
    elsewhere.close()


def test_a_block_holds(api: Api, journal: Instance, ward: Ward) -> None:
    """Would break: what the patient has blocked would be read by way of a copy's lag; or be told as none (S3)."""
    other = Ward(api)
    patient = other.patient
    allergy = {"resourceType": "AllergyIntolerance", "clinicalStatus": ACTIVE, "code": {"text": "Jordnöt"}, "patient": other.owned()["subject"],
               "encounter": other.owned()["encounter"]}  # fmt: skip
    api.make(allergy)
    unit = api.make({"resourceType": "Organization", "partOf": {"reference": f"Organization/{other.provider}"}})["id"]
    api.make({"resourceType": "Encounter", "status": "in-progress", "class": {"code": "IMP"}, "period": {"start": "2026-01-01"},
              "subject": {"reference": f"Patient/{patient}"}, "serviceProvider": {"reference": f"Organization/{unit}"}})  # fmt: skip
    neighbour = Api(journal.url, journal.session(
        person=f"SE-{fresh()}", practitioner=f"n-{fresh()}", unit=unit, provider=other.provider))  # fmt: skip
    opened = neighbour.post(f"/Patient/{patient}/$open", json={"resourceType": "Parameters", "parameter": [
        {"name": "what", "valueCode": "unit"}, {"name": "target", "valueReference": {"reference": f"Organization/{other.unit}"}}]})  # fmt: skip
    assert opened.status_code == 201, opened.text
    assert "Jordnöt" in sheet(neighbour, patient).text
    api.make({"resourceType": "Consent", "status": "active", "scope": {"text": "x"}, "category": [{"text": "x"}],
              "policyRule": {"text": "x"}, "patient": {"reference": f"Patient/{patient}"},
              "organization": [{"reference": f"Organization/{other.unit}"}], "provision": {"type": "deny"}})  # fmt: skip
    blocked = sheet(neighbour, patient)
    assert "Jordnöt" not in blocked.text
    assert sections(blocked.json())["allergies"]["state"] == "withheld"
    neighbour.close()


def test_beyond_its_share_the_journal_says_so_at_once(journal: Instance, ward: Ward) -> None:
    """Would break: all sheets of a region whose copies lag would be made by the journal."""
    program = Api(journal.url, journal.token("many"))
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda _: sheet(program, ward.patient), range(96)))
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert any(answer.status_code == 200 for answer in answers)
    assert all("Penicillin" in answer.text for answer in answers if answer.status_code == 200)
    assert all("Retry-After" in answer.headers for answer in answers if answer.status_code == 503)
    program.close()


def test_a_program_of_a_scope_sees_that_alone(journal: Instance, ward: Ward, tag: str) -> None:
    """Would break: a program's scopes would not hold on a sheet; or its access would not be logged."""
    scopes = frozenset({"system/Patient.rs", "system/Observation.rs"})
    program = Api(journal.url, journal.token(tag, scopes))
    answer = sheet(program, ward.patient)
    assert answer.status_code == 200, answer.text
    assert "Penicillin" not in answer.text
    found = [event.record for event in events(journal.data, tag)]
    assert [(one.activity, one.status) for one in found] == [("sheet", 200)]
    program.close()
