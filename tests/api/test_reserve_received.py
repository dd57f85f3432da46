"""The journal's side of the reserve: entries that a copy hands over, once, by their author, overwriting nothing."""

from __future__ import annotations

import threading
import time
import uuid
from dataclasses import replace
from typing import Any

import orjson
import pytest
from tests.api.records import Ward, acts, marks, parameters
from tests.client import Api, Resource, fresh, outcome
from tests.conftest import Instance
from tests.reserving import Receiving, entry

from vaka import config
from vaka.copy.reserve.entry import Entry, Part, wire
from vaka.store.ids import keyed_id
from vaka.store.version import instant


@pytest.fixture(scope="module")
def ward(api: Api) -> Ward:
    return Ward(api)


@pytest.fixture(scope="module")
def copy(journal: Instance) -> Receiving:
    return Receiving(journal.url, journal.token("copy-a", frozenset({"reserve"})))


class Nurse:
    """A person at the ward, and what they write in reserve."""

    def __init__(self, journal: Instance, ward: Ward, **who: Any) -> None:
        self.hsa = f"SE-{fresh()}"
        self.session = journal.session(
            person=self.hsa, practitioner=f"n-{fresh()}", unit=ward.unit, provider=ward.provider, **who
        )

    def writes(self, method: str, path: str, body: Any, **others: Any) -> Entry:
        return entry(method, path, body, author=self.session, principal=f"person:{self.hsa}", **others)


@pytest.fixture
def nurse(journal: Instance, ward: Ward) -> Nurse:
    return Nurse(journal, ward)


def vital(ward: Ward, patient: str | None = None, **members: Any) -> Resource:
    return {
        "resourceType": "Observation", "status": "final", "code": {"text": "Puls"}, "effectiveDateTime": "2026-11-29T08:00:00+01:00",
        **ward.owned(patient), **members,
    }  # fmt: skip


def tasks(api: Api, one: Entry) -> list[Resource]:
    found = api.bundle(f"/Task?identifier=urn:x-vaka:reserve-entry|{one.id}")
    return [each["resource"] for each in found.get("entry", ())]


def test_an_entry_is_written_once_with_its_id_and_says_where_it_was_written(
    api: Api, ward: Ward, nurse: Nurse, copy: Receiving
) -> None:
    """Would break: written twice, under another id, or as if it had been written at the journal."""
    one = nurse.writes(
        "POST", "Observation", vital(ward), recorded_us=(time.time_ns() // 1000) - 20_000_000, offset_ms=-250
    )
    first, again = copy.done(one), copy.done(one)
    assert first == again
    assert first["name"] == f"Observation/{one.parts[0].id}"
    stored = api.get("/" + first["name"]).json()
    assert stored["meta"]["versionId"] == "1"
    (said,) = marks(api, first["name"])
    assert said["activity"]["coding"][0]["code"] == "written-during-stop"
    assert "Site A" in said["reason"][0]["text"]
    assert said["agent"][0]["onBehalfOf"]["reference"] == f"Organization/{ward.unit}"
    told = {
        p["name"]: next(v for k, v in p.items() if k != "name")
        for p in api.get(f"/{first['name']}/$times").json()["parameter"]
    }
    assert told["happened"] == "2026-11-29T08:00:00+01:00"
    assert told["first-saved"] == told["recorded"] == said["recorded"] < told["received"]


def test_the_first_try_that_was_carried_out_is_found_by_its_key(
    api: Api, ward: Ward, nurse: Nurse, copy: Receiving, journal: Instance
) -> None:
    """Would break: a COMMIT whose answer was lost would be done a second time, under a second id."""
    key, body = uuid.uuid4().hex, vital(ward)
    one = nurse.writes("POST", "Observation", body, key=key)
    person = Api(journal.url, nurse.session)
    tried = person.post(
        "/Observation", content=one.body, headers={"Idempotency-Key": key, "Content-Type": "application/fhir+json"}
    )
    assert tried.status_code == 201, tried.text
    assert tried.json()["id"] == one.parts[0].id, "both sides give one id"
    assert copy.done(one)["name"] == f"Observation/{one.parts[0].id}"
    assert acts(api, f"Observation/{one.parts[0].id}") == [], "it was written at the journal"
    other = replace(one, body=one.body.replace(b"Puls", b"Vikt"))
    assert copy.give(other)["outcome"] == "refused"


def test_a_first_try_that_came_late_says_when_it_was_written(
    api: Api, ward: Ward, nurse: Nurse, copy: Receiving, journal: Instance
) -> None:
    """Would break J4: what was typed before the journal stood still would be recorded as of when it woke."""
    key, typed_us = uuid.uuid4().hex, time.time_ns() // 1_000 - 20_000_000
    one = nurse.writes("POST", "Observation", vital(ward), key=key, recorded_us=typed_us)
    nurse_ = Api(journal.url, nurse.session)
    sent = {"Idempotency-Key": key, "Content-Type": "application/fhir+json"}
    assert nurse_.post("/Observation", content=one.body, headers=sent).status_code == 201
    nurse_.close()
    name = copy.done(one)["name"]
    assert copy.done(one)["name"] == name, "handed over again"
    (said,) = marks(api, name)
    assert said["activity"]["coding"][0]["code"] == "written-during-stop"
    assert said["recorded"].startswith(instant(typed_us)[:19])
    told = {p["name"]: p for p in api.get(f"/{name}/$times").json()["parameter"]}
    assert told["written-during-stop"]["valueInstant"] == said["recorded"]


def test_what_was_handed_over_and_is_sent_straight_to_the_journal_too_is_one(
    api: Api, ward: Ward, copy: Receiving, journal: Instance
) -> None:
    """Would break S16: an integration that sends its message to the journal as well, under its key, would have it there twice."""
    one = entry("POST", "Observation", vital(ward), author=journal.token("laboratory"), principal="laboratory")
    handed = copy.done(one)
    laboratory = Api(journal.url, journal.token("laboratory"))
    headers = {"Idempotency-Key": one.key, "Content-Type": "application/fhir+json"}
    sent = laboratory.post("/Observation", content=one.body, headers=headers)
    assert (sent.status_code, f"Observation/{sent.json()['id']}") == (201, handed["name"]), sent.text
    other = laboratory.post("/Observation", content=one.body.replace(b"Puls", b"Vikt"), headers=headers)
    assert other.status_code == 422
    assert len(history_of(api, handed["name"])) == 1
    laboratory.close()


def history_of(api: Api, name: str) -> list[Resource]:
    found: list[Resource] = api.bundle(f"/{name}/_history")["entry"]
    return found


def test_what_an_order_met_stands_in_its_task(api: Api, ward: Ward, nurse: Nurse, copy: Receiving) -> None:
    """Would break S12: who decides about the order afterwards would not see what the copy had warned of."""
    allergy = api.make({
        "resourceType": "AllergyIntolerance", "code": {"text": "Penicillin"}, "patient": ward.owned()["subject"],
        "clinicalStatus": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}]
        },
    })  # fmt: skip
    order = {"resourceType": "MedicationRequest", "intent": "order", "status": "active",
             "medicationCodeableConcept": {"text": "Penicillin V"}, "subject": ward.owned()["subject"]}  # fmt: skip
    met = f"AllergyIntolerance/{allergy['id']}"
    one = replace(nurse.writes("POST", "MedicationRequest", order), warnings=(met,))
    copy.done(one)
    (task,) = tasks(api, one)
    assert task["input"] == [{"type": {"text": "allergy"}, "valueReference": {"reference": met}}]


def test_a_transaction_has_the_ids_that_the_copy_gave(api: Api, ward: Ward, copy: Receiving, journal: Instance) -> None:
    """Would break: a laboratory's bundle would be in the record under other ids than were answered."""
    from vaka.store.ids import keyed_id

    urn = f"urn:uuid:{uuid.uuid4()}"
    inside = vital(ward)
    report = {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "code": {"text": "x"},
        "result": [{"reference": urn}],
        **ward.owned(),
    }
    body = {"resourceType": "Bundle", "type": "transaction", "entry": [
        {"fullUrl": urn, "resource": inside, "request": {"method": "POST", "url": "Observation"}},
        {"resource": report, "request": {"method": "POST", "url": "DiagnosticReport"}}]}  # fmt: skip
    one = entry("POST", "", body, author=journal.token("laboratory"), principal="laboratory")
    told = copy.give(one)
    assert [made["name"] for made in told["made"]] == [
        f"{type_}/{keyed_id('laboratory', one.key, n)}" for n, type_ in enumerate(["Observation", "DiagnosticReport"])
    ]
    for made in told["made"]:
        assert acts(api, made["name"]) == ["written-during-stop"]


def test_nothing_that_changed_meanwhile_is_overwritten(api: Api, ward: Ward, nurse: Nurse, copy: Receiving) -> None:
    """Would break: what a colleague wrote at another site would be gone. Both versions stand in a Task for the author's unit."""
    seen = api.make(vital(ward))
    unchanged = api.make(vital(ward))
    for standing, theirs in ((seen, True), (unchanged, False)):
        if theirs:
            api.make({**standing, "code": {"text": "Theirs"}})
        mine = {**standing, "code": {"text": "Mine"}}
        name = f"Observation/{standing['id']}"
        # The record's own system made it: as such, the change is its author's.
        one = entry(
            "PUT",
            name,
            mine,
            author=api.headers["Authorization"][7:],
            principal="tests",
            base="1",
            patient=ward.patient,
        )
        told = copy.give(one)
        assert told["outcome"] == ("task" if theirs else "done"), told
        assert copy.give(one)["outcome"] == told["outcome"], "asked again, it says the same"
        assert api.get("/" + name).json()["code"]["text"] == ("Theirs" if theirs else "Mine")
        found = tasks(api, one)
        assert len(found) == int(theirs)
        if theirs:
            assert found[0]["input"][0]["valueReference"]["reference"] == f"{name}/_history/2"
            assert found[0]["input"][1]["valueAttachment"]["data"]
            assert found[0]["for"]["reference"] == f"Patient/{ward.patient}"
            assert found[0]["owner"]["reference"] == f"Organization/{ward.unit}"


def test_what_a_program_took_to_be_new_covers_nothing_that_has_come_meanwhile(
    api: Api, ward: Ward, copy: Receiving, journal: Instance
) -> None:
    """Would break: an integration that names its resources itself, cut off with its copy, would put what it knew in the place of what
    another site has written since, and nobody would hear of it."""
    token = journal.token("monitor")

    def puts(resource: Resource) -> Entry:
        path = f"{resource['resourceType']}/{resource['id']}"
        return entry("PUT", path, resource, author=token, principal="monitor", patient=ward.patient)

    stands = api.make({**vital(ward), "id": fresh(), "valueString": "72"})
    late = puts({**vital(ward), "id": stands["id"], "valueString": "64"})
    assert copy.give(late)["outcome"] == "task"
    assert copy.give(late)["outcome"] == "task", "once"
    (task,) = tasks(api, late)
    assert task["focus"]["reference"] == f"Observation/{stands['id']}/_history/1"
    assert api.get(f"/Observation/{stands['id']}").json()["valueString"] == "72"
    copy.done(puts({**vital(ward), "id": stands["id"], "valueString": "72"}))
    number = [{"system": "urn:lab", "value": fresh()}]
    early = api.make({**vital(ward), "id": fresh(), "identifier": number, "status": "preliminary"})
    copy.done(puts({**early, "status": "final"}))
    assert api.get(f"/Observation/{early['id']}").json()["status"] == "final", (
        "a result goes on as the laboratory has it"
    )
    made = puts({**vital(ward), "id": fresh()})
    copy.done(made)


def test_what_was_made_on_something_pending_that_never_came_is_a_task(
    api: Api, ward: Ward, nurse: Nurse, copy: Receiving
) -> None:
    """Would break: a change whose base became a Task would overwrite what stands."""
    standing = api.make(vital(ward))
    one = entry("PUT", f"Observation/{standing['id']}", {**standing, "code": {"text": "Mine"}}, author=api.headers["Authorization"][7:],
                principal="tests", base="", patient=ward.patient)  # fmt: skip
    assert copy.give(one)["outcome"] == "task"
    assert api.get(f"/Observation/{standing['id']}").json() == standing


def drug(ward: Ward, at: str, **members: Any) -> Resource:
    owned = ward.owned()
    return {
        "resourceType": "MedicationAdministration", "status": "completed", "subject": owned["subject"], "effectiveDateTime": at,
        "medicationCodeableConcept": {"coding": [{"system": "http://www.whocc.no/atc", "code": "N02BE01"}]}, **members,
    }  # fmt: skip


def test_two_doses_within_the_interval_are_both_kept_and_raise_an_urgent_task(
    api: Api, ward: Ward, nurse: Nurse, copy: Receiving
) -> None:
    """Would break S11: a double dose would pass unseen, or one of the two would be dropped."""
    order = api.make({"resourceType": "MedicationRequest", "status": "active", "intent": "order", "subject": ward.owned()["subject"],
                      "medicationCodeableConcept": {"text": "Alvedon"},
                      "dosageInstruction": [{"timing": {"repeat": {"frequency": 1, "period": 6, "periodUnit": "h"}}}]})  # fmt: skip
    by = {"request": {"reference": f"MedicationRequest/{order['id']}"}}
    first = api.make(drug(ward, "2026-11-29T08:00:00+01:00", **by))
    near = nurse.writes("POST", "MedicationAdministration", drug(ward, "2026-11-29T12:00:00+01:00", **by))
    far = nurse.writes("POST", "MedicationAdministration", drug(ward, "2026-11-29T20:00:00+01:00", **by))
    other = {"medicationCodeableConcept": {"text": "Waran"}}
    another = nurse.writes("POST", "MedicationAdministration", drug(ward, "2026-11-29T12:00:00+01:00", **other))
    for one in (near, far, another):
        made = copy.done(one)
        assert api.get("/" + made["name"]).status_code == 200
    assert api.get(f"/MedicationAdministration/{first['id']}").json() == first
    (found,) = tasks(api, near)
    assert found["priority"] == "urgent"
    assert f"MedicationAdministration/{first['id']}" in found["input"][0]["valueReference"]["reference"]
    assert not tasks(api, far)
    assert not tasks(api, another)


def test_two_copies_hand_over_two_doses_at_once(api: Api, ward: Ward, nurse: Nurse, copy: Receiving) -> None:
    """Would break: each would look before the other has committed, and none would raise the task."""
    both = [
        nurse.writes("POST", "MedicationAdministration", drug(ward, f"2026-10-0{n}T08:00:00+01:00")) for n in (1, 1)
    ]
    threads = [threading.Thread(target=copy.give, args=(one,)) for one in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(len(tasks(api, one)) for one in both) == 1


def test_an_order_is_not_activated_by_itself(api: Api, ward: Ward, nurse: Nurse, copy: Receiving) -> None:
    """Would break S12: an order carried out at its site would be carried out again."""
    order = {"resourceType": "MedicationRequest", "intent": "order", "medicationCodeableConcept": {"text": "x"},
             "subject": ward.owned()["subject"]}  # fmt: skip
    signed = nurse.writes("POST", "MedicationRequest", {**order, "status": "active"})
    draft = nurse.writes("POST", "MedicationRequest", {**order, "status": "draft"})
    assert api.get("/" + copy.done(signed)["name"]).json()["status"] == "on-hold"
    assert api.get("/" + copy.done(draft)["name"]).json()["status"] == "draft"
    assert [one["priority"] for one in tasks(api, signed)] == ["urgent"]
    assert not tasks(api, draft)


def test_a_preliminary_result_never_replaces_a_final_one_and_the_same_twice_is_linked(
    api: Api, ward: Ward, copy: Receiving, journal: Instance
) -> None:
    """Would break S16."""
    number = {"system": "urn:lab", "value": fresh()}
    report = {"resourceType": "DiagnosticReport", "code": {"text": "x"}, "identifier": [number], **ward.owned()}
    final = api.make({**report, "status": "final"})
    lab: dict[str, Any] = {"author": journal.token("laboratory"), "principal": "laboratory"}
    late = entry("PUT", f"DiagnosticReport/{final['id']}", {**report, "id": final["id"], "status": "preliminary"}, base="1",
                 patient=ward.patient, **lab)  # fmt: skip
    assert copy.give(late)["outcome"] == "task"
    assert api.get(f"/DiagnosticReport/{final['id']}").json() == final
    again = entry("POST", "DiagnosticReport", {**report, "status": "final"}, **lab)
    made = copy.done(again)
    (said,) = marks(api, made["name"])
    assert said["entity"][0]["what"]["reference"] == f"DiagnosticReport/{final['id']}/_history/1"


def test_an_acknowledgement_of_an_older_version_leaves_the_newer_open(
    api: Api, ward: Ward, nurse: Nurse, copy: Receiving
) -> None:
    """Would break S17. What was done then is of then."""
    result = ward.result()
    api.make({**result, "conclusion": "corrected", "status": "corrected"})
    at_us = time.time_ns() // 1000 - 20_000_000
    one = nurse.writes("POST", f"DiagnosticReport/{result['id']}/$acknowledge", parameters(step__valueCode="read"), base="1",
                       headers={"If-Match": 'W/"1"'}, recorded_us=at_us)  # fmt: skip
    copy.done(one)
    (said,) = marks(api, f"DiagnosticReport/{result['id']}")
    assert said["target"][0]["reference"].endswith("/_history/1")
    assert said["recorded"] < said["meta"]["lastUpdated"]
    assert result["id"] in api.ids(f"/$unacknowledged?unit={ward.unit}&_count=200")


def merge(journal: Instance, ward: Ward, old: str, new: str) -> None:
    from vaka.access.session import CLINICIAN, Right

    people = [Nurse(journal, ward, rights=CLINICIAN | {Right.IDENTITY}) for _ in range(2)]
    for who in people:
        asked = parameters(**{
            "source__valueReference": {"reference": f"Patient/{old}"},
            "target__valueReference": {"reference": f"Patient/{new}"}, "reason": "the same person, two numbers",
        })  # fmt: skip
        answer = Api(journal.url, who.session).post("/Patient/$merge", json=asked)
        assert answer.status_code in (200, 201, 202), answer.text


def test_a_merged_patient_is_followed_and_told(
    api: Api, ward: Ward, nurse: Nurse, copy: Receiving, journal: Instance
) -> None:
    """Would break: an entry would stand in a record that nobody opens any more."""
    old, new = ward.admit(), ward.admit()
    one = nurse.writes("POST", "Observation", vital(ward, old))
    merge(journal, ward, old, new)
    made = copy.done(one)
    assert one.parts[0].id in api.ids(f"/Observation?patient={new}")
    (found,) = tasks(api, one)
    assert found["code"]["coding"][0]["code"] == "patient-merged-meanwhile"
    assert found["for"]["reference"] == f"Patient/{new}"
    assert made["version"] == "1"


@pytest.mark.parametrize("alone", [True, False])
def test_a_patient_who_was_there_is_found_by_the_id_that_the_copy_gave(
    api: Api, copy: Receiving, journal: Instance, alone: bool
) -> None:
    """Would break: what an integration sent in a stop of a patient whom it would create, and who was there, would be refused."""
    laboratory: dict[str, Any] = {"author": journal.token("laboratory"), "principal": "laboratory"}
    value = fresh()
    resource = {"resourceType": "Patient", "identifier": [{"system": "urn:x", "value": value}]}
    there = api.make(resource)["id"]
    if alone:
        one = entry("POST", "Patient", resource, headers={"if-none-exist": f"identifier=urn:x|{value}"}, **laboratory)
    else:
        request = {"method": "POST", "url": "Patient", "ifNoneExist": f"identifier=urn:x|{value}"}
        bundle = {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [{"resource": resource, "request": request}],
        }
        one = entry("POST", "", bundle, **laboratory)
        one = replace(
            one, parts=(Part("Patient", keyed_id("laboratory", one.key, 0), orjson.dumps(resource), None, None),)
        )
    given = one.parts[0].id
    assert given != there
    assert api.get(f"/Patient/{given}").status_code == 404
    assert [copy.done(one)["name"] for _ in range(2)] == [f"Patient/{there}"] * 2
    result = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": f"Patient/{given}"},
    }
    following = entry("POST", "Observation", result, **laboratory)
    name = copy.done(following)["name"].removeprefix("Observation/")
    assert api.ids(f"/Observation?patient={there}") == [name] == api.ids(f"/Observation?patient={given}")
    assert tasks(api, following) == []
    assert api.get(f"/Patient/{given}").json()["id"] == there
    assert api.ids(f"/Patient?identifier=urn:x|{value}") == [there]


def test_what_nobody_may_write_is_refused_with_the_reason(
    api: Api, ward: Ward, nurse: Nurse, copy: Receiving, journal: Instance
) -> None:
    """Would break: an unknown patient, a stranger's patient or nonsense would be in the record."""
    elsewhere = Ward(api)
    for body in (
        vital(ward) | {"subject": {"reference": "Patient/nobody"}},
        vital(elsewhere),
        {"resourceType": "Observation", "status": "nonsense"},
    ):
        told = copy.give(nurse.writes("POST", "Observation", body))
        assert told["outcome"] == "refused", told
        assert told["message"]
    unknown = entry("POST", "Observation", vital(ward) | {"subject": {"reference": "Patient/nobody"}},
                    author=journal.token("laboratory"), principal="laboratory")  # fmt: skip
    told = copy.give(unknown)
    assert told["outcome"] == "refused"
    assert "Patient/nobody" in told["message"]


def test_a_block_hides_what_it_hides_from_a_reserve_too(api: Api, journal: Instance, copy: Receiving) -> None:
    """Would break: a blocked unit's entry would be changed, or told of, by way of a copy."""
    here = Ward(api)
    other = api.make({"resourceType": "Organization", "partOf": {"reference": f"Organization/{here.provider}"}})["id"]
    stranger = Nurse(journal, here)
    stranger.session = journal.session(person=stranger.hsa, practitioner="n", unit=other, provider=here.provider)
    note = here.note()
    api.make({"resourceType": "Consent", "status": "active", "scope": {"text": "x"}, "category": [{"text": "x"}], "policyRule": {"text": "x"},
              "patient": {"reference": f"Patient/{here.patient}"}, "organization": [{"reference": f"Organization/{here.unit}"}],
              "provision": {"type": "deny"}})  # fmt: skip
    one = stranger.writes("PUT", f"Composition/{note['id']}", {**note, "title": "x"}, base="1", patient=here.patient)
    told = copy.give(one)
    assert told["outcome"] == "refused"
    assert here.unit not in str(told)
    assert api.get(f"/Composition/{note['id']}").json() == note


def role(api: Api, ward: Ward) -> tuple[str, str, str]:
    hsa = f"SE-{fresh()}"
    person = api.make({"resourceType": "Practitioner", "active": True,
                       "identifier": [{"system": "urn:oid:1.2.752.129.2.1.4.1", "value": hsa}]})  # fmt: skip
    made = api.make({"resourceType": "PractitionerRole", "active": True, "practitioner": {"reference": f"Practitioner/{person['id']}"},
                     "organization": {"reference": f"Organization/{ward.unit}"},
                     "code": [{"coding": [{"system": "urn:oid:1.2.752.116.3.1.3", "code": "SJ"}], "text": "Sjuksköterska"}]})  # fmt: skip
    return hsa, person["id"], made["id"]


def test_an_assignment_that_ended_before_it_was_written_is_refused_and_one_that_ended_after_is_not(
    api: Api, ward: Ward, journal: Instance, copy: Receiving
) -> None:
    """Would break: somebody who does not work here any more would write by way of a copy that did not know; or what somebody wrote
    while at work would be refused."""
    hsa, practitioner, assignment = role(api, ward)
    session = journal.session(
        person=hsa, practitioner=practitioner, unit=ward.unit, provider=ward.provider, assignment=assignment
    )
    who: dict[str, Any] = {"author": session, "principal": f"person:{hsa}"}
    now_us = time.time_ns() // 1000
    during = entry("POST", "Observation", vital(ward), recorded_us=now_us, **who)
    time.sleep(0.01)
    api.make({**api.get(f"/PractitionerRole/{assignment}").json(), "active": False})
    after = entry("POST", "Observation", vital(ward), recorded_us=time.time_ns() // 1000 + 1000, **who)
    assert copy.give(during)["outcome"] == "done"
    told = copy.give(after)
    assert (told["outcome"], told["status"]) == ("refused", 401)
    assert "assignment" in told["message"]


def test_a_session_is_as_good_as_it_was_then(
    api: Api, ward: Ward, nurse: Nurse, copy: Receiving, journal: Instance
) -> None:
    """Would break: a stolen copy would write as anybody whose old session it holds, at any time (traps: Trust)."""
    hour = 3_600 * 1_000_000
    now_us = time.time_ns() // 1000
    for recorded_us in (now_us - hour, now_us - config.RESERVE_ENTRY_MAX_DAYS * 24 * hour - hour):
        assert (
            copy.give(nurse.writes("POST", "Observation", vital(ward), recorded_us=recorded_us))["outcome"] == "refused"
        )
    forged = replace(nurse.writes("POST", "Observation", vital(ward)), principal="person:somebody-else")
    assert copy.give(forged)["outcome"] == "refused"
    nobody = replace(nurse.writes("POST", "Observation", vital(ward)), author="nonsense")
    assert copy.give(nobody)["outcome"] == "refused"
    ended = Nurse(journal, ward)
    before = ended.writes("POST", "Observation", vital(ward))
    time.sleep(0.01)
    from vaka.api import sessions
    from vaka.api.keyring import Keyring
    from vaka.load.target import dsn_of

    told = sessions.Sessions(Keyring(journal.data, "session")).verify(ended.session)
    _revoke(dsn_of(__import__("vaka.assemble").assemble.directory(journal.data), None), told.person, told.id)
    time.sleep(0.01)
    after = ended.writes("POST", "Observation", vital(ward))
    assert copy.give(before)["outcome"] == "done", "written before the person logged out"
    assert copy.give(after)["outcome"] == "refused"


def _revoke(dsn: str, person: str, session: str) -> None:
    import psycopg

    now_us = time.time_ns() // 1000
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("INSERT INTO revocation (session, person, at_us, until_us, reason) VALUES (%s, %s, %s, %s, 'test')",
                           (session, person, now_us, now_us + 10**10))  # fmt: skip


def test_an_expired_session_still_tells_who_wrote_while_it_lived(
    ward: Ward, journal: Instance, copy: Receiving
) -> None:
    """Would break: a stop of more than 15 minutes would lose its authors."""
    from vaka.access.session import Assignment
    from vaka.api import sessions
    from vaka.api.keyring import Keyring

    hour, now_us = 3_600 * 1_000_000, time.time_ns() // 1000
    made = sessions.begin(
        person="SE-old", practitioner="o", name="O", assignment=Assignment("none", ward.unit, ward.provider), way="demo"
    )
    old = replace(made, began_us=now_us - 3 * hour, expires_us=now_us - 2 * hour)
    import jwt

    keys = Keyring(journal.data, "session")
    token = sessions.Sessions(keys).make(old)
    kid, key = keys.signing()
    claims = jwt.decode(token, options={"verify_signature": False}) | {"iat": (now_us - 3 * hour) // 1_000_000}
    token = jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": kid, "typ": sessions.TYPE})
    who: dict[str, Any] = {"author": token, "principal": "person:SE-old"}
    assert (
        copy.give(entry("POST", "Observation", vital(ward), recorded_us=now_us - 2 * hour - 60_000_000, **who))[
            "outcome"
        ]
        == "done"
    )
    assert (
        copy.give(entry("POST", "Observation", vital(ward), recorded_us=now_us - hour, **who))["outcome"] == "refused"
    )


def test_only_a_copy_hands_over(journal: Instance, ward: Ward, nurse: Nurse, api: Api) -> None:
    """Would break: any program could write as any person whose session it has seen."""
    one = wire(nurse.writes("POST", "Observation", vital(ward)))
    for token in (
        nurse.session,
        journal.token("x", frozenset({"system/Observation.cruds"})),
        journal.token("y", frozenset({"feed"})),
    ):
        outcome(Receiving(journal.url, token).post(one), 403)
    copy = Receiving(journal.url, journal.token("copy-b", frozenset({"reserve"})))
    outcome(copy.post(b"{}"), 400)
    outcome(copy.post(b"\x00"), 400)
    assert Api(journal.url, copy.token).get(f"/Patient/{ward.patient}").status_code in (403, 404), "it reads nothing"


def test_each_copy_has_a_number_of_its_own(journal: Instance, copy: Receiving) -> None:
    """Would break S18: two copies would give out one range."""
    import httpx

    headers = {"Authorization": f"Bearer {copy.token}"}

    def number(name: str) -> int:
        return int(httpx.post(f"{journal.url}/reserve/number", json={"copy": name}, headers=headers).json()["number"])

    names = [fresh() for _ in range(5)]
    found = [number(name) for name in names]
    assert len(set(found)) == 5
    assert [number(name) for name in names] == found


def test_the_log_names_the_author(api: Api, ward: Ward, nurse: Nurse, copy: Receiving, journal: Instance) -> None:
    """Would break L1: what a person wrote during a stop would be logged as a copy's doing."""
    one = nurse.writes("POST", "Observation", vital(ward))
    copy.done(one)
    found = api.bundle(f"/AuditEvent?agent={nurse.hsa}&_count=5")
    assert any("Site A" in str(each) for each in found.get("entry", ())), found
