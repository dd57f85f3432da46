"""Conditions in what is written during a stop: shown where they mean, in their turn, and decided by the journal alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.api.records import Ward
from tests.api.test_reserve_received import Nurse
from tests.api.test_reserve_taking import Copy, headers, refused
from tests.client import Api, Resource, fresh
from tests.conftest import Instance

from vaka.copy.reserve.entry import Entry, State
from vaka.errors import Invalid

SYSTEM = "urn:test:number"


@pytest.fixture(scope="module")
def ward(api: Api) -> Ward:
    return Ward(api)


@pytest.fixture
def nurse(journal: Instance, ward: Ward) -> Nurse:
    return Nurse(journal, ward)


@pytest.fixture
def copy(journal: Instance, tmp_path: Path) -> Copy:
    return Copy(journal, tmp_path)


@pytest.fixture
def number(api: Api, ward: Ward) -> str:
    """The number by which the ward's patient is known."""
    number = fresh()
    patient = api.get(f"/Patient/{ward.patient}").json()
    patient["identifier"] = [{"system": SYSTEM, "value": number}]
    assert api.put(f"/Patient/{ward.patient}", json=patient).status_code == 200
    return number


def bundle(*entries: tuple[Resource, dict[str, Any]]) -> Resource:
    made = [
        {"resource": resource, "request": {"method": "POST", "url": resource["resourceType"]}, **more}
        for resource, more in entries
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": made}


def creating(patient: Resource, condition: str) -> tuple[Resource, dict[str, Any]]:
    return patient, {
        "fullUrl": "urn:uuid:a6f0c5b2-6c1e-4c4e-9b51-5a3f1f1f0009",
        "request": {"method": "POST", "url": "Patient", "ifNoneExist": condition},
    }


def result(reference: str, **members: Any) -> Resource:
    return {"resourceType": "Observation", "status": "final", "code": {"text": "Kalium"}, **members,
            "subject": {"reference": reference}}  # fmt: skip


def shown(one: Entry) -> list[Resource]:
    return [orjson.loads(part.body) for part in one.parts if part.body is not None]


def test_a_result_for_a_number_is_shown_with_its_patient_and_waits_its_turn(
    api: Api, ward: Ward, copy: Copy, journal: Instance, number: str
) -> None:
    """Would break S14: what a laboratory sends by personal number would be on no sheet until the journal is back, and be handed over
    before the patient whom the same stop has created, so that the journal refuses it."""
    lab, by_number = journal.token("laboratory"), f"Patient?identifier={SYSTEM}|{number}"
    answer = copy.take("POST", "", bundle((result(by_number), {})), lab)
    (one,) = copy.store.open()
    assert [made["subject"]["reference"] for made in shown(one)] == [f"Patient/{ward.patient}"]
    assert one.patients == {ward.patient}
    assert f"Patient/{ward.patient}" in one.refers, "it goes after whatever makes that patient"
    assert by_number.encode() in one.body, "the journal is asked what was asked"
    assert copy.first("POST", "", bundle((result(by_number), {}))), "and no later one passes it"
    assert copy.first("POST", "", bundle(creating({"resourceType": "Patient"}, by_number)))
    assert copy.first("POST", "Patient", {"resourceType": "Patient"}, **{"if-none-exist": by_number.partition("?")[2]})
    assert not copy.first("POST", "", bundle((result(f"Patient?identifier={SYSTEM}|{fresh()}"), {})))
    assert not copy.first("POST", "", bundle((result("Patient?nonsense=1"), {})))
    copy.hand_over()
    assert copy.states() == [State.DONE]
    made = orjson.loads(answer.body)["entry"][0]["response"]["location"].partition("/_history")[0]
    assert api.get(f"/{made}").json()["subject"]["reference"] == f"Patient/{ward.patient}"


def test_nobody_stands_twice_because_a_program_would_create_who_is_there(
    api: Api, ward: Ward, copy: Copy, journal: Instance, number: str
) -> None:
    """Would break S5 and S16: every message would make its patient once more at the copies, and its results would stand on no sheet
    of whom they are."""
    lab, condition = (
        journal.token("laboratory", frozenset({"system/Patient.crs", "system/Observation.cs"})),
        f"identifier={SYSTEM}|{number}",
    )
    who = {"resourceType": "Patient", "identifier": [{"system": SYSTEM, "value": number}]}
    body = bundle(creating(who, condition), (result("urn:uuid:a6f0c5b2-6c1e-4c4e-9b51-5a3f1f1f0009"), {}))
    answer = copy.take("POST", "", body, lab)
    (one,) = copy.store.open()
    assert [(made["resourceType"], made["subject"]["reference"]) for made in shown(one)] == [
        ("Observation", f"Patient/{ward.patient}")
    ]
    told = [each["response"] for each in orjson.loads(answer.body)["entry"]]
    stands = api.get(f"/Patient/{ward.patient}").json()["meta"]["versionId"]
    assert told[0]["status"] == "200 OK"
    assert told[0]["etag"] == f'W/"{stands}"', "as reading it says"
    assert told[0]["location"].startswith(f"Patient/{ward.patient}/")
    assert told[1]["status"] == "201 Created"
    alone = copy.take("POST", "Patient", who, lab, if_none_exist=condition)
    assert alone.status == 200
    assert f"/Patient/{ward.patient}/" in headers(alone)["location"]
    assert headers(alone)["etag"] == f'W/"{stands}"'
    new = copy.take("POST", "Patient", {"resourceType": "Patient"}, lab, if_none_exist=f"identifier={SYSTEM}|{fresh()}")
    assert new.status == 201, "who is not here is made, as before"
    copy.hand_over()
    assert copy.states() == [State.DONE] * 3
    assert api.get(f"/Patient/{ward.patient}").json()["meta"]["versionId"] == stands, "it was not written again"
    assert len(api.ids(f"/Observation?patient={ward.patient}&code:text=Kalium")) >= 1


def test_a_reference_may_mean_what_comes_with_it_and_what_is_none_is_refused(copy: Copy, journal: Instance) -> None:
    """Would break: a new patient's first results, in one bundle by number, would not be shown; and a condition that the journal can
    never answer would be taken, and refused when nobody is there any more."""
    lab, number = journal.token("laboratory"), fresh()
    who = {"resourceType": "Patient", "identifier": [{"system": SYSTEM, "value": number}]}
    copy.take("POST", "", bundle((who, {}), (result(f"Patient?identifier={SYSTEM}|{number}"), {})), lab)
    (one,) = copy.store.open()
    patient, observation = shown(one)
    assert observation["subject"]["reference"] == f"Patient/{patient['id']}"
    for wrong in ("Patient?nonsense=1", "Nothing?identifier=1"):
        refused(Invalid, lambda w=wrong: copy.take("POST", "", bundle((result(w), {})), lab))  # type: ignore[misc]
    copy.hand_over()
    assert copy.states() == [State.DONE]


def test_who_is_hidden_from_the_asker_is_not_found(ward: Ward, copy: Copy, journal: Instance, number: str) -> None:
    """Would break: a program that may not see a patient would learn by a condition that there is one."""
    blind = journal.token("blind", frozenset({"system/Observation.cs", "system/Patient.c"}))
    copy.take("POST", "", bundle((result(f"Patient?identifier={SYSTEM}|{number}"), {})), blind)
    (one,) = copy.store.open()
    assert one.patients == frozenset()
    assert shown(one) == []
