"""Operations on records by people: rights, rules of access, whose name stands on a mark; and merging (S23), which needs two."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from tests import feeding
from tests.api.records import Ward, acts, marks, operate, parameters
from tests.client import Api, Resource, entries, fresh, link, outcome

from vaka import config
from vaka.access.session import CLINICIAN, Purpose, Right

IDENTITY = CLINICIAN | {Right.IDENTITY}
NUMBER = "http://electronichealth.se/identifier/personnummer"
Person = Callable[..., Api]


class Staff:
    """People at a unit."""

    def __init__(self, person: Person, ward: Ward) -> None:
        self._person, self.ward = person, ward
        self.ids: dict[str, str] = {}

    def __call__(
        self,
        name: str,
        rights: frozenset[Right] = CLINICIAN,
        ward: Ward | None = None,
        purpose: Purpose = Purpose.CARE,
    ) -> Api:
        at = ward or self.ward
        self.ids.setdefault(name, f"pr-{name}-{fresh()}")
        return self._person(
            person=f"SE-{name}-{fresh()}", practitioner=self.ids[name], unit=at.unit, provider=at.provider, rights=rights,
            name=f"Doktor {name}", purpose=purpose,
        )  # fmt: skip


@pytest.fixture
def ward(api: Api) -> Ward:
    return Ward(api)


@pytest.fixture
def staff(person: Person, ward: Ward) -> Staff:
    return Staff(person, ward)


def written(ward: Ward, doctor: Api, **members: Any) -> Resource:
    """A note that the doctor writes."""
    return doctor.make(
        {
            "resourceType": "Composition", "status": "final", "title": "Anteckning", "type": {"text": "x"}, "date": "2026-03-01",
            "author": [{"display": "x"}], **ward.owned(), **members,
        }
    )  # fmt: skip


def test_the_session_is_the_author_never_the_body(ward: Ward, staff: Staff) -> None:
    """Would break: somebody signs in another's name."""
    doctor = staff("anna")
    note = written(ward, doctor, author=[{"reference": "Practitioner/somebody-else"}])
    made = operate(doctor, note, "sign")
    assert made.status_code == 201, made.text
    agent = made.json()["agent"][0]
    assert agent["who"] == {"reference": f"Practitioner/{staff.ids['anna']}", "display": "Doktor anna"}
    assert agent["onBehalfOf"] == {"reference": f"Organization/{ward.unit}"}
    assert operate(doctor, note, "countersign").status_code == 409
    assert operate(staff("bo"), note, "countersign").status_code == 201


def test_each_right_is_asked(ward: Ward, staff: Staff) -> None:
    """Would break: an assignment that may read signs, corrects, merges or destroys (A1)."""
    reader = staff("reader", frozenset({Right.READ}))
    writer = staff("writer", frozenset({Right.READ, Right.WRITE}))
    signer = staff("signer", frozenset({Right.READ, Right.SIGN}))
    note = written(ward, writer)
    for who in (reader, writer):
        for operation in ("sign", "countersign", "lock"):
            outcome(operate(who, note, operation), 403)
    outcome(operate(writer, ward.result(), "acknowledge", step__valueCode="read"), 403)
    for operation in ("annul", "correct", "misfiled", "visibility"):
        outcome(operate(signer, note, operation, reason="r"), 403)
    outcome(operate(staff("doctor"), note, "redact", decision="1", authority="IVO"), 403)
    for operation in ("merge", "unmerge", "link"):
        outcome(staff("doctor").post(f"/Patient/${operation}", json=parameters(reason="r")), 403)
    quality = staff("quality", purpose=Purpose.QUALITY)
    outcome(operate(quality, note, "sign"), 403)
    assert operate(signer, note, "sign").status_code == 201, "signing is a right of its own"
    outcome(signer.put(f"/Composition/{note['id']}", json=note), 403)


def test_what_matters_most_needs_a_login_of_just_now(api: Api, ward: Ward, person: Person) -> None:
    """Would break: who finds an open screen makes one record of two, or has content destroyed (ASVS 3.7.1, 4.3.3); or care has
    to log in again for what cannot wait."""
    rights = CLINICIAN | {Right.IDENTITY, Right.REDACT}
    long_ago_us = time.time_ns() // 1_000 - (config.FRESH_LOGIN_S + 60) * 1_000_000
    who = {"person": f"SE-late-{fresh()}", "practitioner": fresh(), "unit": ward.unit, "provider": ward.provider, "rights": rights}  # fmt: skip
    before, now = person(began_us=long_ago_us, **who), person(**who)
    note = ward.note()
    refused = operate(before, note, "redact", decision="1", authority="IVO")
    assert (
        refused.headers["www-authenticate"]
        == 'Bearer realm="vaka", error="insufficient_user_authentication", max_age="900"'
    )
    assert "log out and in again" in outcome(refused, 401)[0]["diagnostics"]
    for operation in ("merge", "unmerge", "link"):
        outcome(before.post(f"/Patient/${operation}", json=parameters(reason="r")), 401)
        outcome(now.post(f"/Patient/${operation}", json=parameters(reason="r")), 400)  # no patients are named
    assert api.get(f"/Composition/{note['id']}").json()["title"] == note["title"]
    assert before.get(f"/Composition/{note['id']}").status_code == 200
    assert operate(before, note, "sign").status_code == 201
    assert operate(now, ward.note(), "redact", decision="1", authority="IVO").status_code == 201


def test_what_is_hidden_cannot_be_signed_or_told(api: Api, ward: Ward, staff: Staff) -> None:
    """Would break: an operation tells that an entry exists which the caller may not see."""
    stranger = staff("stranger", ward=Ward(api))
    note, result = ward.note(), ward.result()
    operate(api, note, "sign")
    hidden = [
        operate(stranger, note, "sign"), operate(stranger, note, "lock"), operate(stranger, note, "annul", reason="r"),
        operate(stranger, result, "acknowledge", step__valueCode="read"), operate(stranger, note, "visibility", visible__valueCode="no"),
        operate(stranger, note, "correct", reason="r", resource__resource=note), stranger.get(f"/Composition/{note['id']}/$times"),
        stranger.get(f"/Composition/{note['id']}/$visibility"),
    ]  # fmt: skip
    for answer in hidden:
        outcome(answer, 404)
    absent = stranger.put(f"/Composition/{fresh()}", json={**note, "id": "x"})
    assert stranger.put(f"/Composition/{note['id']}", json=note).status_code != 409, (
        "nor by a plain change of what is signed"
    )
    assert absent.status_code in (400, 403, 404, 405)
    for what in ("unsigned", "unacknowledged"):
        assert stranger.ids(f"/${what}?unit={ward.unit}") == []
    assert acts(stranger, f"Composition/{note['id']}") == [], "a mark is hidden with its entry"
    assert acts(staff("own"), f"Composition/{note['id']}") == ["sign"]


def test_lists_are_ones_own_by_default(ward: Ward, staff: Staff) -> None:
    """Would break: a person has to know ids to see what waits; or sees what another's body named."""
    doctor = staff("dora")
    note = written(ward, doctor)
    assert doctor.ids("/$unsigned") == [note["id"]]
    assert doctor.ids(f"/$unsigned?person={staff.ids['dora']}") == [note["id"]], (
        "who wrote it answers, where it names nobody"
    )


def test_who_decides_what_the_patient_sees(api: Api, ward: Ward, staff: Staff) -> None:
    """Would break: anybody who can read an entry decides what its patient sees (J5)."""
    note = written(ward, staff("author"))
    assert operate(staff("colleague"), note, "visibility", visible__valueCode="no").status_code == 201
    told = marks(api, f"Composition/{note['id']}")[-1]
    assert told["agent"][0]["who"]["display"] == "Doktor colleague"


def test_a_change_moves_no_entry(api: Api, ward: Ward, staff: Staff) -> None:
    """Would break: an entry moves to another patient, or to none, by an ordinary change (S5)."""
    doctor, other = staff("doctor"), ward.admit()
    note = written(ward, doctor)
    for changed in (
        {**note, **ward.owned(other)},
        {k: v for k, v in note.items() if k not in ("subject", "encounter")},
    ):
        issue = outcome(doctor.put(f"/Composition/{note['id']}", json=changed), 409)[0]
        assert "$misfiled" in issue["diagnostics"]
    reference = {"reference": f"Patient/{other}"}
    assert operate(doctor, note, "misfiled", reason="Fel", patient__valueReference=reference).status_code == 201
    assert api.get(f"/Composition/{note['id']}").json()["status"] == "entered-in-error"


def test_redaction_by_a_person_with_the_right(api: Api, ward: Ward, staff: Staff) -> None:
    """Would break: the right that an authority's decision is carried out with does not work, or needs no decision."""
    destroyer = staff("arkiv", CLINICIAN | {Right.REDACT})
    note = ward.note()
    operate(api, note, "sign")
    outcome(operate(destroyer, note, "redact", authority="IVO"), 400)
    outcome(operate(destroyer, note, "redact", decision="8.2", authority=" "), 400)
    done = operate(destroyer, note, "redact", decision="8.2", authority="IVO")
    assert done.status_code == 201, done.text
    outcome(api.get(f"/Composition/{note['id']}/_history/1"), 410)


# Merging ------------------------------------------------------------------------------------------------------------


def pair(source: str, target: str, reason: str = "Samma person") -> Resource:
    return parameters(
        source__valueReference={"reference": f"Patient/{source}"}, target__valueReference={"reference": f"Patient/{target}"}, reason=reason,
    )  # fmt: skip


def merge(one: Api, other: Api, source: str, target: str) -> httpx.Response:
    proposed = one.post("/Patient/$merge", json=pair(source, target))
    assert proposed.status_code == 202, proposed.text
    return other.post("/Patient/$merge", json=pair(source, target))


def test_two_persons_merge_and_every_entry_is_found_and_knows_its_origin(api: Api, ward: Ward, staff: Staff) -> None:
    """Would break: one person alone merges two records; or an entry is lost, or does not know where it came from (S23)."""
    anna, bo = staff("anna", IDENTITY), staff("bo", IDENTITY)
    source, target = ward.admit(identifier=[{"system": "urn:oid:1.2.752.97.3.1.3", "value": fresh()}]), ward.admit()
    note, signed, result = ward.note(source), ward.note(source), ward.result(source)
    operate(api, signed, "sign")
    operate(api, result, "acknowledge", step__valueCode="read")
    own = ward.note(target)
    cursor = feeding.end(api)
    proposed = anna.post("/Patient/$merge", json=pair(source, target))
    assert proposed.status_code == 202
    assert anna.post("/Patient/$merge", json=pair(source, target)).content == proposed.content, (
        "the same person only proposes"
    )
    assert api.get(f"/Patient/{source}").json().get("active") is None
    outcome(api.post("/Patient/$merge", json=pair(source, target)), 403)
    done = bo.post("/Patient/$merge", json=pair(source, target, "Kontrollerat"))
    assert done.status_code == 200, done.text
    assert done.json()["reason"] == [{"text": "Kontrollerat"}]
    gone, goes_on = api.get(f"/Patient/{source}").json(), api.get(f"/Patient/{target}").json()
    assert (gone["active"], gone["link"]) == (
        False,
        [{"other": {"reference": f"Patient/{target}"}, "type": "replaced-by"}],
    )
    assert goes_on["link"] == [{"other": {"reference": f"Patient/{source}"}, "type": "replaces"}]
    everything = {note["id"], signed["id"], own["id"]}
    for who in (api, anna):
        assert set(who.ids(f"/Composition?patient={target}")) == everything
        assert {
            one["resource"]["id"] for one in entries(who.bundle(f"/Patient/{target}/$everything?_type=Composition"))
        } == everything
        for asked in (f"patient={source}", f"subject=Patient/{source}", f"subject:Patient={source}"):
            assert set(who.ids(f"/Composition?{asked}")) == everything, "by the old id too, for ever"
        assert {one["resource"]["id"] for one in entries(who.bundle(f"/Patient/{source}/Composition"))} == everything
        old = who.bundle(f"/Patient/{source}/$everything?_type=Composition&_count=2")
        rest = who.bundle(link(old, "next") or "")
        assert {one["resource"]["id"] for one in entries(old) + entries(rest)} == everything
    moved = api.get(f"/Composition/{note['id']}").json()
    assert (moved["subject"]["reference"], moved["meta"]["versionId"]) == (f"Patient/{source}", "2")
    assert anna.get(f"/Composition/{note['id']}/_history/1").status_code == 200, "what was before is read as before"
    lines = {line["id"]: line for line in feeding.read(api, cursor) if line.get("id") in {note["id"], own["id"]}}
    assert set(lines) == {note["id"]}
    assert lines[note["id"]]["patient"] == target
    outcome(api.put(f"/Composition/{signed['id']}", json=signed), 409)
    assert set(api.ids(f"/$unsigned?unit={ward.unit}&_count=100")) >= {note["id"], own["id"]}
    assert signed["id"] not in api.ids(f"/$unsigned?unit={ward.unit}"), "a signature outlives a merge"
    assert api.ids(f"/$unacknowledged?unit={ward.unit}") == []
    late = ward.note(source)
    assert late["id"] in api.ids(f"/Composition?patient={target}"), (
        "what comes under the old number later stands in the record too"
    )
    issue = outcome(api.put(f"/Patient/{source}", json={**gone, "active": True}), 409)[0]
    assert "$unmerge" in issue["diagnostics"]
    outcome(anna.post("/Patient/$merge", json=pair(source, target)), 409)


def test_a_merge_is_taken_apart_with_every_entry_at_its_origin(api: Api, ward: Ward, staff: Staff) -> None:
    """Would break: a wrong merge that cannot be undone (S23)."""
    anna, bo = staff("anna", IDENTITY), staff("bo", IDENTITY)
    source, target = ward.admit(active=True), ward.admit()
    before = [ward.note(source)["id"], ward.note(source)["id"]]
    own = ward.note(target)["id"]
    assert merge(anna, bo, source, target).status_code == 200
    late, new = ward.note(source)["id"], ward.note(target)["id"]
    outcome(anna.post("/Patient/$unmerge", json=pair(target, source)), 409)
    done = anna.post("/Patient/$unmerge", json=pair(source, target, "Fel person"))
    assert done.status_code == 200, done.text
    assert set(api.ids(f"/Composition?patient={source}")) == {*before, late}
    assert set(api.ids(f"/Composition?patient={target}")) == {own, new}
    assert set(anna.ids(f"/Composition?patient={target}")) == {own, new}
    back, alone = api.get(f"/Patient/{source}").json(), api.get(f"/Patient/{target}").json()
    assert back["active"] is True
    assert "link" not in back
    assert "link" not in alone
    after = ward.note(source)["id"]
    assert after not in api.ids(f"/Composition?patient={target}")
    outcome(anna.post("/Patient/$unmerge", json=pair(source, target)), 409)
    assert acts(api, f"Patient/{source}") == ["merge-proposed", "merge", "unmerge"]
    assert merge(anna, bo, source, target).status_code == 200, "a new merge needs a new proposal"


def test_the_strictest_of_both(api: Api, ward: Ward, staff: Staff) -> None:
    """Would break: a merge shows what a patient had blocked, or the address of a protected identity (S23)."""
    anna, bo = staff("anna", IDENTITY), staff("bo", IDENTITY)
    label = {"system": "urn:x", "code": "sekretessmarkering"}
    source = ward.admit(meta={"security": [label]}, address=[{"city": "Hemligt"}])
    target = ward.admit(identifier=[{"system": NUMBER, "value": "199001012384"}], address=[{"city": "Känt"}])
    note = ward.note(target)
    other = Ward(api)
    reader = staff("reader", ward=other)
    api.make({"resourceType": "Encounter", "status": "in-progress", "class": {"code": "AMB"}, "subject": {"reference": f"Patient/{source}"},
              "serviceProvider": {"reference": f"Organization/{other.unit}"}})  # fmt: skip
    assert merge(anna, bo, source, target).status_code == 200
    for id_ in (source, target):
        assert label in api.get(f"/Patient/{id_}").json()["meta"]["security"]
        shown = reader.get(f"/Patient/{id_}").text
        assert "Hemligt" not in shown
        assert "Känt" not in shown
    assert reader.get(f"/Composition/{note['id']}").status_code == 404
    assert anna.post("/Patient/$unmerge", json=pair(source, target)).status_code == 200
    assert "security" not in api.get(f"/Patient/{target}").json()["meta"], (
        "the protection that the merge brought goes with it"
    )
    assert label in api.get(f"/Patient/{source}").json()["meta"]["security"]
    assert "Hemligt" in api.get(f"/Patient/{source}").text, "masking for who merged it never reached the record"


def test_a_block_goes_along(api: Api, ward: Ward, staff: Staff) -> None:
    """Would break: what was blocked under one number is open under the other (S23, A5)."""
    anna, bo = staff("anna", IDENTITY), staff("bo", IDENTITY)
    second = Ward(api)
    nurse = staff("nurse", ward=second)
    source, target = ward.admit(), ward.admit()
    for patient in (source, target):
        api.make({"resourceType": "Encounter", "status": "in-progress", "class": {"code": "AMB"}, "subject": {"reference": f"Patient/{patient}"},
                  "serviceProvider": {"reference": f"Organization/{second.unit}"}})  # fmt: skip
        api.make({
            "resourceType": "Consent", "status": "active", "patient": {"reference": f"Patient/{patient}"}, "dateTime": "2026-01-01",
            "scope": {"coding": [{"code": "patient-privacy"}]}, "category": [{"coding": [{"system": "urn:x-vaka:consent", "code": "shared-documentation"}]}],
            "policyRule": {"text": "x"}, "organization": [{"reference": f"Organization/{second.unit}"}],
            "provision": {"type": "permit", "actor": [{"role": {"text": "x"}, "reference": {"reference": f"Organization/{second.unit}"}}]},
        })  # fmt: skip
    api.make({
        "resourceType": "Consent", "status": "active", "patient": {"reference": f"Patient/{source}"}, "dateTime": "2026-01-01",
        "scope": {"coding": [{"code": "patient-privacy"}]}, "category": [{"coding": [{"system": "urn:x-vaka:consent", "code": "outer-block"}]}],
        "policyRule": {"text": "x"}, "organization": [{"reference": f"Organization/{ward.provider}"}], "provision": {"type": "deny"},
    })  # fmt: skip
    note = ward.note(target)
    chosen = nurse.post(
        f"/Patient/{target}/$open",
        json=parameters(
            what__valueCode="provider",
            target__valueReference={"reference": f"Organization/{ward.provider}"},
            reason="Behövs för vården",
        ),
    )
    assert chosen.status_code < 300, chosen.text
    assert nurse.get(f"/Composition/{note['id']}").status_code == 200
    assert merge(anna, bo, source, target).status_code == 200
    assert nurse.get(f"/Composition/{note['id']}").status_code == 404
    assert nurse.get(f"/Composition/{note['id']}/_history/1").status_code == 404
    assert anna.get(f"/Composition/{note['id']}").status_code == 200, "the own unit goes on"


def test_an_old_and_a_new_identity_are_never_linked(api: Api, ward: Ward, staff: Staff) -> None:
    """Would break: a person who was given a new identity is found by the old one (S23)."""
    anna = staff("anna", IDENTITY)
    label = {"system": "urn:x", "code": "sekretessmarkering"}
    old = ward.admit(identifier=[{"system": NUMBER, "value": "198001012385"}])
    new = ward.admit(identifier=[{"system": NUMBER, "value": "198101012384"}], meta={"security": [label]})
    for one, other in ((old, new), (new, old)):
        outcome(anna.post("/Patient/$merge", json=pair(one, other)), 409)
        told = parameters(patient__valueReference={"reference": f"Patient/{one}"}, other__valueReference={"reference": f"Patient/{other}"}, reason="r")  # fmt: skip
        outcome(anna.post("/Patient/$link", json=told), 409)
    assert api.get(f"/Patient/{old}").json()["meta"]["versionId"] == "1"


def test_two_numbers_are_linked_by_a_person(api: Api, ward: Ward, staff: Staff) -> None:
    """Would break: two numbers of one person are not known as such, or their records run together (S18)."""
    anna = staff("anna", IDENTITY)
    one, other = ward.admit(), ward.admit()
    note = ward.note(one)
    told = parameters(patient__valueReference={"reference": f"Patient/{one}"}, other__valueReference={"reference": f"Patient/{other}"}, reason="Samma")  # fmt: skip
    assert anna.post("/Patient/$link", json=told).status_code == 201
    for mine, its in ((one, other), (other, one)):
        assert api.get(f"/Patient/{mine}").json()["link"] == [
            {"other": {"reference": f"Patient/{its}"}, "type": "seealso"}
        ]
    assert api.ids(f"/Composition?patient={other}") == []
    assert api.ids(f"/Composition?patient={one}") == [note["id"]]


def test_merges_in_a_chain(api: Api, ward: Ward, staff: Staff) -> None:
    """Would break: a record that was merged twice loses its first part, or the chain is torn in the middle."""
    anna, bo = staff("anna", IDENTITY), staff("bo", IDENTITY)
    a, b, c = ward.admit(), ward.admit(), ward.admit()
    notes = {patient: ward.note(patient)["id"] for patient in (a, b, c)}
    assert merge(anna, bo, a, b).status_code == 200
    assert merge(anna, bo, b, c).status_code == 200
    assert set(api.ids(f"/Composition?patient={c}")) == set(notes.values())
    late = ward.note(a)["id"]
    assert late in anna.ids(f"/Composition?patient={c}")
    assert anna.get(f"/Composition/{notes[a]}/_history/1").status_code == 200
    outcome(anna.post("/Patient/$unmerge", json=pair(a, b)), 409)
    assert anna.post("/Patient/$unmerge", json=pair(b, c)).status_code == 200
    assert set(api.ids(f"/Composition?patient={b}")) == {notes[a], notes[b], late}
    assert api.ids(f"/Composition?patient={c}") == [notes[c]]
    assert anna.post("/Patient/$unmerge", json=pair(a, b)).status_code == 200
    assert set(api.ids(f"/Composition?patient={a}")) == {notes[a], late}


def test_bad_merges_are_told(ward: Ward, staff: Staff) -> None:
    """Would break: a patient merged with itself, with nobody, or with a deleted one."""
    anna = staff("anna", IDENTITY)
    one, gone = ward.admit(), ward.admit()
    ward.api.delete(f"/Patient/{gone}")
    outcome(anna.post("/Patient/$merge", json=pair(one, one)), 400)
    outcome(anna.post("/Patient/$merge", json=pair(one, "nobody")), 404)
    outcome(anna.post("/Patient/$merge", json=pair(gone, one)), 410)
    outcome(anna.post("/Patient/$merge", json=pair(one, gone, "")), 400)
    outcome(anna.post("/Patient/$merge", json=parameters(reason="r")), 400)
    outcome(anna.post("/Patient/$merge"), 400)
    outcome(anna.post("/Patient/$unmerge", json=pair(one, gone)), 410)


def test_two_confirm_at_once_while_entries_come_in(api: Api, ward: Ward, staff: Staff) -> None:
    """Would break: a merge is done twice, or an entry that came in at that moment stands in neither record."""
    anna, others = staff("anna", IDENTITY), [staff(f"bo{n}", IDENTITY) for n in range(3)]
    source, target = ward.admit(), ward.admit()
    assert anna.post("/Patient/$merge", json=pair(source, target)).status_code == 202
    with ThreadPoolExecutor(12) as pool:
        writing = [pool.submit(ward.note, source) for _ in range(30)]
        merging = [pool.submit(one.post, "/Patient/$merge", json=pair(source, target)) for one in others]
        writing += [pool.submit(ward.note, source) for _ in range(30)]
        codes = sorted(one.result().status_code for one in merging)
        ids = {one.result()["id"] for one in writing}
    assert codes == [200, 409, 409], codes
    assert set(api.ids(f"/Composition?patient={target}")) == ids
    assert set(anna.ids(f"/Composition?patient={target}")) == ids


def test_taken_apart_while_entries_come_in(api: Api, ward: Ward, staff: Staff) -> None:
    """Would break: an entry that was being written when a merge was taken apart stays in the wrong record."""
    anna, bo = staff("anna", IDENTITY), staff("bo", IDENTITY)
    source, target = ward.admit(), ward.admit()
    assert merge(anna, bo, source, target).status_code == 200
    with ThreadPoolExecutor(12) as pool:
        writing = [pool.submit(ward.note, source) for _ in range(30)]
        apart = pool.submit(anna.post, "/Patient/$unmerge", json=pair(source, target))
        writing += [pool.submit(ward.note, source) for _ in range(30)]
        assert apart.result().status_code == 200
        ids = {one.result()["id"] for one in writing}
    assert set(api.ids(f"/Composition?patient={source}")) == ids
    assert api.ids(f"/Composition?patient={target}") == []
    assert set(anna.ids(f"/Composition?patient={source}")) == ids
