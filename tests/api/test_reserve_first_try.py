"""What a copy hands over that the journal has carried out by itself, as a first try that it answered too late; and the orders
of a stop until a person has said what has become of them."""

from __future__ import annotations

import threading
import time
import uuid
from dataclasses import dataclass, replace
from typing import Any

import orjson
import pytest
from tests.api.records import Ward, marks
from tests.api.test_reserve_received import Nurse, drug, merge, tasks, vital
from tests.client import Api, Resource, fresh
from tests.conftest import Instance
from tests.reserving import Receiving, entry

from vaka.copy.reserve.entry import Entry


@pytest.fixture(scope="module")
def ward(api: Api) -> Ward:
    return Ward(api)


@pytest.fixture(scope="module")
def copy(journal: Instance) -> Receiving:
    return Receiving(journal.url, journal.token("copy-a", frozenset({"reserve"})))


@pytest.fixture
def nurse(journal: Instance, ward: Ward) -> Nurse:
    return Nurse(journal, ward)


@dataclass
class FirstTry:
    """A first try that the journal carries out 20 s after it was written, and its entry."""

    journal: Instance
    nurse: Nurse

    def __call__(self, type_: str, body: Resource, ago_s: float = 20, method: str = "POST", **others: Any) -> Entry:
        us = time.time_ns() // 1_000 - int(ago_s * 1e6)
        path = type_ if method == "POST" else f"{type_}/{body['id']}"
        one = self.nurse.writes(method, path, body, recorded_us=us, **others)
        person = Api(self.journal.url, self.nurse.session)
        sent = {"Idempotency-Key": one.key, "Content-Type": "application/fhir+json"}
        answer = person.request(method, f"/{path}", content=one.body, headers=sent)
        assert answer.status_code in (200, 201), answer.text
        person.close()
        return one


@pytest.fixture
def first_try(journal: Instance, nurse: Nurse) -> FirstTry:
    return FirstTry(journal, nurse)


def an_order(ward: Ward, **members: Any) -> Resource:
    return {"resourceType": "MedicationRequest", "intent": "order", "status": "active", "subject": ward.owned()["subject"],
            "medicationCodeableConcept": {"text": fresh()}, **members}  # fmt: skip


def codes(found: list[Resource]) -> list[str]:
    return sorted(one["code"]["coding"][0]["code"] for one in found)


@pytest.mark.parametrize("ago_s", [20, 1])
def test_an_order_that_was_the_first_try_of_a_stop_is_put_on_hold_once(
    api: Api, ward: Ward, nurse: Nurse, copy: Receiving, first_try: FirstTry, ago_s: float
) -> None:
    """Would break S12: the journal wakes and carries it out as any order, though it was told as valid at its site only."""
    one = replace(first_try("MedicationRequest", an_order(ward), ago_s), warnings=("AllergyIntolerance/x",))
    name = f"MedicationRequest/{one.parts[0].id}"
    assert api.get("/" + name).json()["status"] == "active"
    told = [copy.give(one) for _ in range(3)]
    assert told[0] == told[1] == told[2]
    assert told[0]["made"][0] | {"status": 0} == {"name": name, "version": "2", "status": 0}
    assert api.get("/" + name).json()["status"] == "on-hold"
    (task,) = tasks(api, one)
    assert (codes([task]), task["priority"], task["focus"]["reference"]) == (["order-from-stop"], "urgent", name)
    assert task["input"] == [{"type": {"text": "allergy"}, "valueReference": {"reference": "AllergyIntolerance/x"}}]
    again = replace(one, id=str(uuid.uuid4()), origin="copy-b")
    assert copy.give(again) == told[0], "the same, kept at another copy too, under the same key"
    assert not tasks(api, again)
    api.make({**api.get("/" + name).json(), "status": "active"})
    assert copy.give(one) == told[0]
    assert api.get("/" + name).json()["status"] == "active", "a person has said that it is still due"


def test_what_waits_behind_a_first_try_is_written_on_it(
    api: Api, ward: Ward, nurse: Nurse, copy: Receiving, first_try: FirstTry
) -> None:
    """Would break: holding the order would make a Task of each change that the same stop has made of it, whichever version it
    names; or a change by somebody else would be overwritten."""
    for base in ("1", "2"):
        one = first_try("MedicationRequest", an_order(ward))
        name = f"MedicationRequest/{one.parts[0].id}"
        copy.done(one)
        behind: dict[str, Any] = {"base": base, "patient": ward.patient, "headers": {"if-match": f'W/"{base}"'}}
        body = {**an_order(ward), "id": one.parts[0].id, "note": [{"text": "with food"}]}
        changed = nurse.writes("PUT", name, body, **behind)
        assert copy.done(changed)["version"] == "3"
        assert copy.done(changed)["version"] == "3", "again"
        stands = api.get("/" + name).json()
        assert (stands["status"], stands["note"][0]["text"]) == ("on-hold", "with food")
        assert codes(tasks(api, one) + tasks(api, changed)) == ["order-from-stop"], "asked once"
        late = nurse.writes("PUT", name, body, **behind)
        assert copy.give(late)["outcome"] == "task", "it has been changed since"
    one = first_try("MedicationRequest", an_order(ward))
    name = f"MedicationRequest/{one.parts[0].id}"
    api.make({**api.get("/" + name).json(), "note": [{"text": "theirs"}]})
    assert copy.done(one)["version"] == "1", "who wrote on it has not seen what somebody wrote since"
    assert api.get("/" + name).json()["status"] == "on-hold"
    body = {**an_order(ward), "id": one.parts[0].id}
    assert copy.give(nurse.writes("PUT", name, body, base="1", patient=ward.patient))["outcome"] == "task"
    assert api.get("/" + name).json()["note"][0]["text"] == "theirs"


def test_the_number_that_a_first_try_is_given_later_is_told_again(
    api: Api, ward: Ward, nurse: Nurse, copy: Receiving, first_try: FirstTry
) -> None:
    """Would break: handed over again, a visit would be told as it was before it got its number, and what the stop has changed of it
    would become a Task."""
    visit = {"resourceType": "Encounter", "status": "arrived", "class": {"code": "EMER"}, **ward.owned()}
    visit.pop("encounter", None)
    one = first_try("Encounter", visit)
    name = f"Encounter/{one.parts[0].id}"
    one = replace(one, numbers={name: "R-1"})
    assert [copy.done(one)["version"] for _ in range(2)] == ["2", "2"]
    assert api.get("/" + name).json()["identifier"][0]["value"] == "R-1"
    body = {**visit, "id": one.parts[0].id, "status": "in-progress"}
    for base in ("1", "2"):
        changed = nurse.writes("PUT", name, body, base=base, patient=ward.patient)
        assert copy.give(changed)["outcome"] == ("done" if base == "1" else "task")


def test_a_first_try_is_no_order_from_a_stop_where_it_was_active_or_ended_since(
    api: Api, ward: Ward, nurse: Nurse, copy: Receiving, first_try: FirstTry
) -> None:
    """Would break: an order that has long been carried out would be put on hold for a change of its text, or one that a person has
    cancelled at the journal would be asked about."""
    person = Api(first_try.journal.url, nurse.session)
    active = person.make(an_order(ward))
    noted = first_try(
        "MedicationRequest", {**active, "note": [{"text": "x"}]}, method="PUT", base="1", patient=ward.patient
    )
    ended = first_try("MedicationRequest", an_order(ward))
    name = f"MedicationRequest/{ended.parts[0].id}"
    api.make({**api.get("/" + name).json(), "status": "cancelled"})
    for one, status in ((noted, "active"), (ended, "cancelled")):
        made = copy.done(one)
        assert api.get("/" + made["name"]).json()["status"] == status
        assert not tasks(api, one)
    draft = person.make(an_order(ward, status="draft"))
    person.close()
    signed = first_try("MedicationRequest", {**draft, "status": "active"}, method="PUT", base="1", patient=ward.patient)
    assert copy.done(signed)["version"] == "3"
    assert codes(tasks(api, signed)) == ["order-from-stop"]


def test_a_first_try_that_was_signed_in_the_record_since_is_told_and_stays(
    api: Api, ward: Ward, nurse: Nurse, copy: Receiving, first_try: FirstTry
) -> None:
    """Would break J1: what somebody has signed would be changed under the signature; or the entry would be handed over for ever."""
    one = first_try("MedicationRequest", an_order(ward))
    name = f"MedicationRequest/{one.parts[0].id}"
    person = Api(first_try.journal.url, nurse.session)
    answer = person.post(f"/{name}/$sign", headers={"If-Match": 'W/"1"'})
    assert answer.status_code == 201, answer.text
    person.close()
    assert [copy.done(one)["version"] for _ in range(2)] == ["1", "1"]
    assert api.get("/" + name).json()["status"] == "active"
    (task,) = tasks(api, one)
    assert (codes([task]), task["focus"]["reference"]) == (["changed-meanwhile"], f"{name}/_history/1")


def test_a_dose_that_was_the_first_try_of_a_stop_is_looked_at(
    api: Api, ward: Ward, nurse: Nurse, copy: Receiving, first_try: FirstTry
) -> None:
    """Would break S11: a double dose would pass unseen, or one pair would be told twice."""
    of = {"medicationCodeableConcept": {"text": fresh()}}
    api.make(drug(ward, "2026-09-01T08:00:00+02:00", **of))
    first = first_try("MedicationAdministration", drug(ward, "2026-09-01T09:00:00+02:00", **of))
    other = first_try("MedicationAdministration", drug(ward, "2026-09-01T12:30:00+02:00", **of))
    for one in (first, other, first):
        assert copy.done(one)["version"] == "1"
    (task,) = tasks(api, first)
    assert (task["code"]["coding"][0]["code"], task["priority"]) == ("doses-too-close", "urgent")
    assert len(task["input"]) == 2
    assert not tasks(api, other), "the first one's Task names it"


def test_a_first_try_for_a_patient_who_was_merged_is_told(
    api: Api, ward: Ward, nurse: Nurse, copy: Receiving, journal: Instance, first_try: FirstTry
) -> None:
    """Would break: nobody would look whether what was written of a patient who was merged is of the other."""
    old, new = ward.admit(), ward.admit()
    one = first_try("Observation", vital(ward, old))
    merge(journal, ward, old, new)
    for _ in range(2):
        copy.done(one)
    (task,) = tasks(api, one)
    assert task["code"]["coding"][0]["code"] == "patient-merged-meanwhile"
    assert task["for"]["reference"] == f"Patient/{new}"
    assert one.parts[0].id in api.ids(f"/Observation?patient={new}")


def test_what_a_condition_found_was_not_made_by_a_first_try(
    api: Api, ward: Ward, copy: Receiving, journal: Instance
) -> None:
    """Would break: an order that stood long before would be put on hold, since a program would have made it if it had not."""
    token, value = journal.token("ordering"), fresh()
    body = an_order(ward, identifier=[{"system": "urn:order", "value": value}])
    stood = api.make(body)
    asked = {"if-none-exist": f"identifier=urn:order|{value}"}
    one = entry("POST", "MedicationRequest", body, author=token, principal="ordering", headers=asked,
                recorded_us=time.time_ns() // 1_000 - 20_000_000)  # fmt: skip
    sent = {
        "Idempotency-Key": one.key,
        "Content-Type": "application/fhir+json",
        "If-None-Exist": asked["if-none-exist"],
    }
    program = Api(journal.url, token)
    assert program.post("/MedicationRequest", content=one.body, headers=sent).status_code == 200
    program.close()
    assert copy.done(one)["name"] == f"MedicationRequest/{stood['id']}"
    assert api.get(f"/MedicationRequest/{stood['id']}").json()["status"] == "active"
    assert not tasks(api, one)
    assert marks(api, f"MedicationRequest/{stood['id']}") == []


def test_two_copies_hand_over_one_first_try_at_once(api: Api, ward: Ward, copy: Receiving, first_try: FirstTry) -> None:
    """Would break: one order would be put on hold twice, with two Tasks, or a copy would be told of the version before."""
    for _ in range(5):
        one = first_try("MedicationRequest", an_order(ward))
        told: list[Resource] = []
        several = [replace(one, id=str(uuid.uuid4())) for _ in range(4)]
        threads = [
            threading.Thread(target=lambda each, told: told.append(copy.give(each)), args=(each, told))
            for each in several
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(told) == 4
        assert all(each == told[0] for each in told)
        assert sum(len(tasks(api, each)) for each in several) == 1


def test_a_patch_of_an_order_that_was_signed_in_the_same_stop_meets_it_as_it_was_seen(
    api: Api, ward: Ward, nurse: Nurse, copy: Receiving
) -> None:
    """Would break: who changes an order only while it is active would be refused, since it was put on hold when it was handed over."""
    signed = nurse.writes("POST", "MedicationRequest", an_order(ward))
    name = copy.done(signed)["name"]

    def patches(version: str, shown: str, *steps: Resource) -> Entry:
        headers = {"content-type": "application/json-patch+json", "if-match": f'W/"{version}"'}
        one = nurse.writes("PATCH", name, list(steps), base=version, patient=ward.patient, headers=headers)
        body = orjson.dumps(an_order(ward, status=shown))
        return replace(one, parts=tuple(replace(part, body=body) for part in one.parts))

    def noted(text: str) -> Resource:
        return {"op": "add", "path": "/note", "value": [{"text": text}]}

    def status(op: str, value: str) -> Resource:
        return {"op": op, "path": "/status", "value": value}

    one = patches("1", "active", status("test", "active"), noted("x"))
    assert copy.done(one)["version"] == "2"
    assert copy.done(one)["version"] == "2"
    stands = api.get("/" + name).json()
    assert (stands["status"], stands["note"]) == ("on-hold", [{"text": "x"}])
    assert not tasks(api, one), "asked once"
    late = patches("1", "active", status("test", "active"), noted("y"))
    assert copy.give(late)["outcome"] == "task"
    copy.done(patches("2", "on-hold", status("replace", "on-hold")))
    copy.done(patches("3", "on-hold", status("test", "on-hold"), noted("on hold in the stop, and seen so")))
    copy.done(patches("4", "cancelled", status("test", "on-hold"), status("replace", "cancelled")))
    assert api.get("/" + name).json()["status"] == "cancelled"
    name = copy.done(nurse.writes("POST", "MedicationRequest", an_order(ward, status="on-hold")))["name"]
    wrong = patches("1", "active", status("test", "active"), noted("x"))
    assert copy.give(wrong)["outcome"] == "refused", "its author had it on hold"


@pytest.mark.parametrize("status", ["cancelled", "completed", "stopped", "entered-in-error"])
def test_nobody_is_asked_about_an_order_that_was_ended_in_the_stop(
    api: Api, ward: Ward, nurse: Nurse, copy: Receiving, status: str
) -> None:
    """Would break: an urgent Task would ask what has become of an order of which that was said in the stop itself."""
    signed = nurse.writes("POST", "MedicationRequest", an_order(ward))
    name = copy.done(signed)["name"]
    (task,) = tasks(api, signed)
    assert task["status"] == "requested"
    body = {**an_order(ward), "id": signed.parts[0].id, "status": status}
    ended = nurse.writes("PUT", name, body, base="1", patient=ward.patient)
    for _ in range(2):
        assert copy.done(ended)["version"] == "2"
    (task,) = tasks(api, signed)
    assert task["status"] == "completed"
    assert status in task["statusReason"]["text"]
    assert task["meta"]["versionId"] == "2"
    assert not tasks(api, ended)
