"""Opening, attesting, lifting, and writing as a person: what each needs, what it opens, and that it ends."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import psycopg
from tests.access.wards import Ward, agreement, ward
from tests.client import Resource, outcome

from vaka.access.session import CLINICIAN, Purpose, Right
from vaka.journal import cluster

__all__ = ["ward"]
PROTECTION = {"system": "http://hl7.se/fhir/ig/base/CodeSystem/SecurityLabel", "code": "sekretessmarkering"}


def _told(answer: Any) -> list[dict[str, Any]]:
    """What $access tells: rule → parts."""
    assert answer.status_code == 200, answer.text
    return [
        {"rule": part["part"][0]["valueCode"], "text": str(part["part"])} for part in answer.json().get("parameter", [])
    ]


def test_a_choice_opens_one_unit_for_one_person(ward: Ward) -> None:
    """Breaks if another unit's information shows without a choice, or a choice opens more, or for others (A3)."""
    mine, colleague = ward.at("u"), ward.at("u", "k")
    assert ward.sees(mine, "u")
    assert not ward.sees(mine, "v")
    assert ward.open(mine, "unit", "v").status_code == 201
    assert ward.sees(mine, "v")
    assert not ward.sees(mine, "w")
    assert not ward.sees(colleague, "v")


def test_another_provider_needs_consent_and_choice(ward: Ward) -> None:
    """Breaks if shared documentation opens by choice alone, or by consent alone (A4)."""
    mine = ward.at("u")
    assert ward.open(mine, "provider", "q").status_code == 201
    assert not ward.sees(mine, "w")
    consent = mine.post("/Consent", json=agreement(ward, "u"))
    assert consent.status_code == 201, consent.text
    assert ward.sees(mine, "w")
    gone = mine.post(f"/Consent/{consent.json()['id']}/$revoke", json=_reason())
    assert gone.status_code == 200, gone.text
    assert not ward.sees(mine, "w")  # withdrawn while the page is open


def _reason(text: str = "the patient says so") -> Resource:
    return {"resourceType": "Parameters", "parameter": [{"name": "reason", "valueString": text}]}


def _list(client: Any, address: str) -> tuple[set[str], list[str]]:
    """(ids that are listed, codes of what is said beside them)."""
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    found = [entry["resource"] for entry in answer.json().get("entry", [])]
    said = [one for one in found if one["resourceType"] == "OperationOutcome"]
    assert "x-vaka" not in str(said)
    return {one["id"] for one in found if one not in said}, [issue["code"] for one in said for issue in one["issue"]]


def test_a_list_says_that_it_is_not_all(ward: Ward) -> None:
    """Breaks if an empty list of allergies is read as none, while they are withheld (S3); or if it tells whose or what."""
    mine, patient = ward.at("u"), ward.patient
    asked = (
        f"/AllergyIntolerance?patient={patient}", f"/AllergyIntolerance?patient=Patient/{patient}&_summary=count",
        f"/Patient/{patient}/AllergyIntolerance", f"/Observation?subject=Patient/{patient}", f"/Patient/{patient}/$everything",
    )  # fmt: skip
    for address in asked:
        listed, said = _list(mine, address)
        assert ward.note("v") not in listed and ward.note("w") not in listed
        assert said == ["suppressed"], address
    assert _list(mine, "/AllergyIntolerance?patient=nobody") == (set(), [])
    assert ward.open(mine, "unit", "v").status_code == 201
    assert _list(mine, asked[0])[1] == ["suppressed"], "the other provider's is withheld still"
    assert mine.post("/Consent", json=agreement(ward, "u")).status_code == 201
    assert ward.open(mine, "provider", "q").status_code == 201
    assert _list(mine, asked[0]) == (set(), [])


def test_an_emergency_needs_both_reasons_and_ends(ward: Ward) -> None:
    """Breaks if an emergency opens without its reasons, for too long, or after its time (A9, S22)."""
    stranger = ward.at("v")
    assert not ward.sees(stranger, "w")
    outcome(ward.open(stranger, "emergency"), 400)
    outcome(ward.open(stranger, "emergency", reason="unconscious, bleeding"), 400)
    outcome(ward.open(stranger, "emergency", reason="x", no_consent="cannot be asked now"), 400)
    outcome(
        ward.open(stranger, "emergency", reason="unconscious, bleeding", no_consent="cannot be asked now", hours=13),
        400,
    )
    done = ward.open(stranger, "emergency", reason="unconscious, bleeding", no_consent="cannot be asked now")
    assert done.status_code == 201
    assert ward.sees(stranger, "u")
    assert ward.sees(stranger, "w")
    with psycopg.connect(cluster.at(ward.journal.data / "pg").dsn(), autocommit=True) as connection:
        past = time.time_ns() // 1_000 - 1
        changed = connection.execute("UPDATE opening SET until_us = %s WHERE person = %s", (past, f"{ward.tag}h"))
        assert changed.rowcount == 1
    assert not ward.sees(stranger, "u")


def test_an_opening_is_closed_by_its_person(ward: Ward) -> None:
    """Breaks if an opening cannot be ended early, or by somebody else."""
    mine, other = ward.at("u"), ward.at("u", "k")
    opening = ward.open(mine, "unit", "v").json()["parameter"][0]["valueId"]
    body = {"resourceType": "Parameters", "parameter": [{"name": "opening", "valueId": opening}]}
    outcome(other.post(f"/Patient/{ward.patient}/$close", json=body), 404)
    assert ward.sees(mine, "v")
    assert mine.post(f"/Patient/{ward.patient}/$close", json=body).status_code == 204
    assert not ward.sees(mine, "v")
    outcome(mine.post(f"/Patient/{ward.patient}/$close", json=body), 404)


def test_a_relation_can_be_attested(ward: Ward) -> None:
    """Breaks if staff without an encounter cannot take part in care, or an attested relation opens other units (A2)."""
    late = ward.at("v")
    assert not ward.sees(late, "v")
    outcome(late.post(f"/Patient/{ward.patient}/$attest-relation", json=_reason("x")), 400)
    made = late.post(f"/Patient/{ward.patient}/$attest-relation", json=_reason("called in as a consultant"))
    assert made.status_code == 201, made.text
    assert ward.sees(late, "v")
    assert not ward.sees(late, "u")


def test_a_referral_begins_a_relation_at_its_receiver_and_ends(ward: Ward) -> None:
    """Breaks if who is referred to cannot read what the own unit has, or still can when the referral is withdrawn (A2)."""
    receiver = ward.at("w")
    assert not ward.sees(receiver, "w")
    referral = {
        "resourceType": "ServiceRequest", "status": "active", "intent": "order", "authoredOn": datetime.now(UTC).isoformat(timespec="seconds"),
        "subject": {"reference": f"Patient/{ward.patient}"}, "performer": [{"reference": f"Organization/{ward.tag}w"}],
    }  # fmt: skip
    made = ward.at("u").post("/ServiceRequest", json=referral)
    assert made.status_code == 201, made.text
    assert ward.sees(receiver, "w")
    assert not ward.sees(receiver, "u")
    assert not ward.sees(ward.at("v"), "v"), "nor is anybody else's care begun"
    id_ = made.json()["id"]
    assert (
        ward.at("u").put(f"/ServiceRequest/{id_}", json={**referral, "id": id_, "status": "revoked"}).status_code == 200
    )
    assert not ward.sees(receiver, "w")


def test_existence_is_told_in_two_steps(ward: Ward) -> None:
    """Breaks if blocked information is named before an emergency, or withheld is shown as none (S3, S21)."""
    mine = ward.at("u")
    address = f"/Patient/{ward.patient}/$access"
    first = _told(mine.get(address))
    assert {part["rule"] for part in first} == {"a3-choice", "a4-consent"}
    assert f"{ward.tag}v" in str(first)  # the own provider's unit is named, the other provider is not
    assert f"{ward.tag}w" not in str(first)
    assert f"{ward.tag}q" not in str(first)
    ward.api.make(agreement(ward, "v", deny="inner"))
    blocked = _told(mine.get(address))
    assert {part["rule"] for part in blocked} == {"a5-inner", "a4-consent"}
    assert f"{ward.tag}v" not in str(blocked)
    outcome(mine.get(f"{address}?blocked=name"), 403)
    assert (
        ward.open(mine, "emergency", reason="unconscious, bleeding", no_consent="cannot be asked now").status_code
        == 201
    )
    assert not ward.sees(mine, "v")  # an emergency does not lift an inner block
    assert f"{ward.tag}v" in str(_told(mine.get(f"{address}?blocked=name")))


def test_an_inner_block_is_lifted_by_who_may(ward: Ward) -> None:
    """Breaks if a block is lifted without the right, or without a reason, or lifts an outer block too (A6)."""
    ward.api.make(agreement(ward, "v", deny="inner"))
    mine = ward.at("u", rights=CLINICIAN | {Right.LIFT})
    assert ward.open(mine, "unit", "v").status_code == 201
    assert not ward.sees(mine, "v")
    outcome(ward.open(ward.at("u", "k"), "inner-block", "v", reason="attested by the head of unit"), 403)
    outcome(ward.open(mine, "inner-block", "v"), 400)
    assert ward.open(mine, "inner-block", "v", reason="attested by the head of unit").status_code == 201
    assert ward.sees(mine, "v")


def test_a_block_is_lifted_with_the_patients_consent_and_back(ward: Ward) -> None:
    """Breaks if a lift opens for another unit, is not an event of its own, or cannot be cancelled (A6, A7)."""
    block = ward.api.make(agreement(ward, "v", deny="inner"))
    mine = ward.at("u")
    assert ward.open(mine, "unit", "v").status_code == 201
    assert not ward.sees(mine, "v")
    assert mine.post(f"/Patient/{ward.patient}/$lift", json=_reason()).status_code == 200
    assert ward.sees(mine, "v")
    assert mine.post(f"/Patient/{ward.patient}/$cancel-lift", json=_reason()).status_code == 200
    assert not ward.sees(mine, "v")
    versions = ward.api.bundle(f"/Consent/{block['id']}/_history")["entry"]
    events = [tag["code"] for one in versions for tag in one["resource"]["meta"].get("tag", ())]
    assert events == ["cancel-lift", "lift"]
    ward.api.post(f"/Consent/{block['id']}/$annul", json=_reason())
    assert ward.sees(mine, "v")
    outcome(ward.api.post(f"/Consent/{block['id']}/$revoke", json=_reason()), 409)


def test_guardians_do_not_block(ward: Ward) -> None:
    """Breaks if a guardian can block a child's record (A5)."""
    body = agreement(ward, "u", deny="inner") | {"performer": [{"reference": "RelatedPerson/mother"}]}
    outcome(ward.at("u").post("/Consent", json=body), 403)


def test_two_blocks_that_disagree_both_count(ward: Ward) -> None:
    """Breaks if revoking one block opens what another still covers."""
    first = ward.api.make(agreement(ward, "v", deny="inner"))
    ward.api.make(agreement(ward, "p", deny="inner"))
    mine = ward.at("u")
    ward.open(mine, "unit", "v")
    ward.api.post(f"/Consent/{first['id']}/$revoke", json=_reason())
    assert not ward.sees(mine, "v")
    assert ward.sees(mine, "u")


def _observation(ward: Ward, **more: Any) -> Resource:
    subject = {"reference": f"Patient/{ward.patient}"}
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": subject, **more}


def test_what_a_person_writes_is_the_units(ward: Ward) -> None:
    """Breaks if a writer could give an entry another owner, or write without taking part in the care."""
    mine = ward.at("u")
    encounter = {"reference": f"Encounter/{ward.tag}ev"}
    made = mine.post("/Observation", json=_observation(ward, encounter=encounter))
    assert made.status_code == 201, made.text
    id_ = made.json()["id"]
    assert mine.get(f"/Observation/{id_}").status_code == 200
    stranger = ward.at("v")
    outcome(stranger.post("/Observation", json=_observation(ward)), 403)
    assert stranger.get(f"/Observation/{id_}").status_code == 404
    with psycopg.connect(cluster.at(ward.journal.data / "pg").dsn()) as connection:
        owner = connection.execute(
            "SELECT o.unit, o.provider, o.author FROM resource r JOIN owner o USING (owner) WHERE r.id = %s", (id_,)
        ).fetchone()
    assert owner == (f"{ward.tag}u", f"{ward.tag}p", f"{ward.tag}h")


def test_another_unit_does_not_change_an_entry(ward: Ward) -> None:
    """Breaks if what may be read may also be changed by another unit (PDL 3:14), or moved to another patient (S5)."""
    mine = ward.at("u")
    ward.open(mine, "unit", "v")
    body = mine.get(f"/Observation/{ward.note('v')}").json()
    outcome(mine.put(f"/Observation/{body['id']}", json=body), 403)
    outcome(mine.delete(f"/Observation/{body['id']}"), 403)
    own = mine.get(f"/Observation/{ward.note('u')}").json()
    other = ward.api.make({"resourceType": "Patient"})["id"]
    own["subject"] = {"reference": f"Patient/{other}"}
    assert mine.put(f"/Observation/{own['id']}", json=own).status_code in (403, 409)


def test_ids_are_the_servers(ward: Ward) -> None:
    """Breaks if a person can choose an id, and so learn which are taken."""
    mine = ward.at("u")
    body = _observation(ward, id=f"{ward.tag}new")
    outcome(mine.put(f"/Observation/{body['id']}", json=body), 405)


def test_a_new_visit_and_its_notes_in_one_transaction(ward: Ward) -> None:
    """Breaks if somebody who comes to a unit for the first time cannot be written about at once."""
    other = ward.at("v")
    answer = other.transact(
        {
            "fullUrl": "urn:uuid:3c4f2b1e-7a53-4a8e-9d0c-2f6f5a1e8b11",
            "resource": {
                "resourceType": "Encounter", "status": "in-progress", "class": {"code": "EMER"},
                "subject": {"reference": f"Patient/{ward.patient}"},
            },
            "request": {"method": "POST", "url": "Encounter"},
        },
        {
            "resource": _observation(ward, encounter={"reference": "urn:uuid:3c4f2b1e-7a53-4a8e-9d0c-2f6f5a1e8b11"}),
            "request": {"method": "POST", "url": "Observation"},
        },
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    assert ward.sees(other, "v")


def test_a_protected_identity_is_shown_and_changed_by_who_may(ward: Ward) -> None:
    """Breaks if the address of somebody protected shows, or is lost when a masked body is written back (A10)."""
    body = {
        "resourceType": "Patient", "id": ward.patient, "meta": {"security": [PROTECTION]}, "name": [{"family": "Ek"}],
        "identifier": [{"system": "urn:x", "value": ward.patient}], "address": [{"city": "Hemliga"}],
    }  # fmt: skip
    assert ward.api.put(f"/Patient/{ward.patient}", json=body).status_code == 200
    mine = ward.at("u")
    shown = mine.get(f"/Patient/{ward.patient}").json()
    assert "address" not in shown
    assert shown["meta"]["tag"][-1]["code"] == "SUBSETTED"
    outcome(mine.put(f"/Patient/{ward.patient}", json=shown), 403)
    trusted = ward.at("u", "t", rights=CLINICIAN | {Right.PROTECTED})
    assert trusted.get(f"/Patient/{ward.patient}").json()["address"] == [{"city": "Hemliga"}]
    assert "Hemliga" not in trusted.get(f"/Patient?_id={ward.patient}").text  # a list is masked for everybody
    elsewhere = ward.at("v", "t", rights=CLINICIAN | {Right.PROTECTED})
    assert "Hemliga" not in elsewhere.get(f"/Patient/{ward.patient}").text
    outcome(mine.get("/Patient?_sort=address-city"), 400)
    patch = [{"op": "add", "path": "/active", "value": True}]
    headers = {"Content-Type": "application/json-patch+json"}
    assert trusted.patch(f"/Patient/{ward.patient}", json=patch, headers=headers).status_code == 200
    assert ward.api.get(f"/Patient/{ward.patient}").json()["address"] == [{"city": "Hemliga"}]


def test_purposes_bound_what_is_read_and_written(ward: Ward) -> None:
    """Breaks if an assignment of administration reads notes, or one of quality writes."""
    administration = ward.at("u", "s", purpose=Purpose.ADMINISTRATION)
    assert administration.get(f"/Encounter/{ward.tag}eu").status_code == 200
    assert not ward.sees(administration, "u")
    outcome(administration.post("/Observation", json=_observation(ward)), 403)
    quality = ward.at("u", "s", purpose=Purpose.QUALITY)
    assert ward.sees(quality, "v")
    assert not ward.sees(quality, "w")
    outcome(quality.post("/Observation", json=_observation(ward)), 403)


def test_the_directory_is_not_written_by_people(ward: Ward) -> None:
    """Breaks if a person can give themselves a role, or write the log."""
    mine = ward.at("u")
    outcome(mine.post("/PractitionerRole", json={"resourceType": "PractitionerRole"}), 403)
    outcome(mine.post("/Organization", json={"resourceType": "Organization", "name": "mine"}), 403)


def test_programs_open_nothing(ward: Ward) -> None:
    """Breaks if a program can make an active choice in a person's place."""
    outcome(ward.open(ward.api, "emergency", reason="unconscious, bleeding", no_consent="cannot be asked now"), 403)


def test_what_the_region_has_not_settled_is_closed(ward: Ward) -> None:
    """Breaks if a point of law is open by default (S21, S25)."""
    mine = ward.at("u")
    told = {"reason": "dementia, assessed by a physician", "no_consent": "nobody knows what she would say"}
    assert "settled" in outcome(ward.open(mine, "incapacity", "q", **told), 403)[0]["diagnostics"]
    assert not ward.sees(mine, "w")
