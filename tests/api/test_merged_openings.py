"""What people open of patients who are merged and taken apart (S22, S23): of the whole record under either id while it is one,
of the one patient before and after; and a merge that is too large."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.api.programs import dsn
from tests.api.records import Ward, operate
from tests.api.test_records_people import IDENTITY, Staff, merge, pair, staff, ward
from tests.client import Api, Resource, outcome
from tests.conftest import Instance

from vaka import config
from vaka.access.filter import system_filter
from vaka.access.marks import actor_of
from vaka.access.session import CLINICIAN, Right
from vaka.errors import Unprocessable
from vaka.journal import merging
from vaka.journal.journal import Journal, Transaction

__all__ = ["staff", "ward"]

DANGER = {"reason": "medvetslös, misstänkt förgiftning", "no-consent": "patienten kan inte tala"}
LIFTER = CLINICIAN | {Right.LIFT}


def emergency(doctor: Api, patient: str) -> None:
    opened = operate(doctor, f"Patient/{patient}", "open", what__valueCode="emergency", **DANGER)
    assert opened.status_code == 201, opened.text


def sees(doctor: Api, *notes: Resource) -> list[bool]:
    return [doctor.get(f"/Composition/{note['id']}").status_code == 200 for note in notes]


def rules(doctor: Api, patient: str) -> set[str]:
    """Rules under which there is something that is not shown."""
    told = doctor.get(f"/Patient/{patient}/$access")
    assert told.status_code == 200, told.text
    parts = [part for one in told.json().get("parameter", ()) for part in one["part"]]
    return {part["valueCode"] for part in parts if part["name"] == "rule"}


def block(api: Api, ward: Ward, patient: str) -> None:
    """The patient blocks what the ward has from other units."""
    api.make({
        "resourceType": "Consent", "status": "active", "patient": {"reference": f"Patient/{patient}"}, "dateTime": "2026-01-01",
        "scope": {"coding": [{"code": "patient-privacy"}]}, "category": [{"coding": [{"system": "urn:x-vaka:consent", "code": "inner-block"}]}],
        "policyRule": {"text": "x"}, "organization": [{"reference": f"Organization/{ward.unit}"}], "provision": {"type": "deny"},
    })  # fmt: skip


def test_an_opening_is_of_the_whole_record_under_either_id(api: Api, ward: Ward, staff: Staff) -> None:
    """Breaks if who asks under the number that was merged opens nothing, is told that nothing is withheld (S3), or cannot close it."""
    anna, bo, other = staff("anna", IDENTITY), staff("bo", IDENTITY), Ward(api)
    old, new = ward.admit(), ward.admit()
    notes = [ward.note(old), ward.note(new)]
    assert merge(anna, bo, old, new).status_code == 200
    for asked in (old, new):
        doctor = staff(f"doctor-{asked}", ward=other)
        relation = {"resourceType": "Encounter", "status": "in-progress", "class": {"code": "AMB"}}
        assert sees(doctor, *notes) == [False, False]
        opened = operate(doctor, f"Patient/{asked}", "open", what__valueCode="emergency", **DANGER)
        assert sees(doctor, *notes) == [True, True]
        [opening] = [part["valueId"] for part in opened.json()["parameter"] if part["name"] == "opening"]
        assert operate(doctor, f"Patient/{asked}", "close", opening__valueId=opening).status_code == 204
        assert sees(doctor, *notes) == [False, False]
        nurse = staff(f"nurse-{asked}", ward=other)
        api.make({**relation, "subject": {"reference": f"Patient/{asked}"}, "serviceProvider": {"reference": f"Organization/{other.unit}"}})  # fmt: skip
        assert rules(nurse, asked) == {"a4-consent"}


def test_what_was_opened_of_a_merged_record_ends_with_it(api: Api, ward: Ward, staff: Staff) -> None:
    """Breaks if an emergency of a record that was two patients' by mistake shows a patient who is in no danger (S22, S23)."""
    anna, bo, other = staff("anna", IDENTITY), staff("bo", IDENTITY), Ward(api)
    old, new = ward.admit(), ward.admit()
    notes = [ward.note(old), ward.note(new)]
    before_old, before_new, meanwhile = (staff(name, ward=other) for name in ("before-old", "before-new", "meanwhile"))
    emergency(before_old, old)
    emergency(before_new, new)
    assert (sees(before_old, *notes), sees(before_new, *notes)) == ([True, False], [False, True])
    assert merge(anna, bo, old, new).status_code == 200
    emergency(meanwhile, new)
    emergency(meanwhile, old)
    assert sees(meanwhile, *notes) == [True, True]
    assert sees(before_new, *notes) == [True, True], "it is one patient's record now"
    assert sees(before_old, *notes) == [False, False], "what was opened of the other number rests: it is opened anew"
    assert anna.post("/Patient/$unmerge", json=pair(old, new)).status_code == 200
    assert sees(meanwhile, *notes) == [False, False]
    assert (sees(before_old, *notes), sees(before_new, *notes)) == ([True, False], [False, True]), "as before the merge"
    emergency(meanwhile, old)
    assert sees(meanwhile, *notes) == [True, False]


def test_a_lifted_block_holds_again_when_another_comes_along(api: Api, ward: Ward, staff: Staff) -> None:
    """Breaks if lifting the one patient's inner block lifts the block that the merge brought (S23: the strictest of both)."""
    anna, bo = staff("anna", IDENTITY), staff("bo", IDENTITY)
    old, new = ward.admit(), ward.admit()
    note = ward.note(new)
    other = Ward(api)
    for patient in (old, new):
        block(api, ward, patient)
    doctor = staff("doctor", LIFTER, ward=other)
    lifted: dict[str, Any] = {"what__valueCode": "inner-block", "target__valueReference": {"reference": f"Organization/{ward.unit}"}}  # fmt: skip
    emergency(doctor, new)
    assert sees(doctor, note) == [False]
    assert operate(doctor, f"Patient/{new}", "open", **lifted, reason=DANGER["reason"]).status_code == 201
    assert sees(doctor, note) == [True]
    assert merge(anna, bo, old, new).status_code == 200
    assert sees(doctor, note) == [False]
    assert operate(doctor, f"Patient/{old}", "open", **lifted, reason=DANGER["reason"]).status_code == 201
    assert sees(doctor, note) == [True]


def test_a_merge_that_is_too_large_is_refused_whole(
    api: Api, journal: Instance, ward: Ward, staff: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Breaks if a merge moves a part of a record that is larger than one transaction can be, or refuses one that is just as large."""
    anna = staff("anna", IDENTITY)
    old, new = ward.admit(), ward.admit()
    notes = {ward.note(old)["id"] for _ in range(3)}
    assert anna.post("/Patient/$merge", json=pair(old, new)).status_code == 202
    access = system_filter("tests")

    async def work(tx: Transaction) -> None:
        source, target = await merging.both(tx, old, new)
        proposed = await merging.proposal(tx, source, target)
        assert proposed is not None
        await merging.merge(tx, source, target, actor_of(access), "Samma person", proposed[0])

    async def go(most: int) -> None:
        monkeypatch.setattr(config, "MERGE_MAX_RESOURCES", most)
        opened = await Journal.open(dsn(journal))
        try:
            await opened.run(work, access=access)
        finally:
            await opened.close()

    everything = 2 + len(notes)  # the Patient and the stay
    with pytest.raises(Unprocessable, match=f"more than {everything - 1} entries") as refused:
        asyncio.run(go(everything - 1))
    assert refused.value.status == 422
    assert set(api.ids(f"/Composition?patient={old}")) == notes
    assert api.ids(f"/Composition?patient={new}") == []
    assert api.get(f"/Patient/{old}").json()["meta"]["versionId"] == "1"
    asyncio.run(go(everything))
    assert api.get(f"/Patient/{old}").json()["active"] is False
    outcome(anna.post("/Patient/$merge", json=pair(old, new)), 409)
