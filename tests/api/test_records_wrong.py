"""Wrong patient (S5), redaction on an authority's decision (S26), and a provider that leaves; over HTTP and by command."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from tests import commands, feeding
from tests.api.records import Ward, marks, operate
from tests.client import Api, fresh, outcome
from tests.conftest import Instance


@pytest.fixture
def ward(api: Api) -> Ward:
    return Ward(api)


def vaka(journal: Instance, *arguments: str | Path) -> commands.Done:
    return commands.run(*arguments, "--data", journal.data)


@pytest.mark.parametrize("signed", [False, True])
def test_an_entry_on_the_wrong_patient_is_seen_on_both(api: Api, ward: Ward, signed: bool) -> None:
    """Would break: what was read and acted on disappears from the wrong record, or stands in it as true (S5)."""
    right = ward.admit()
    note = ward.note(title="Fel patient")
    if signed:
        operate(api, note, "sign")
    answer = operate(
        api, note, "misfiled", reason="Namne", patient__valueReference={"reference": f"Patient/{right}"},
        encounter__valueReference={"reference": f"Encounter/{ward.visits[right]}"},
    )  # fmt: skip
    assert answer.status_code == 201, answer.text
    entered = answer.json()
    wrong = api.get(f"/Composition/{note['id']}").json()
    assert (wrong["status"], wrong["subject"]["reference"]) == ("entered-in-error", f"Patient/{ward.patient}")
    assert (entered["status"], entered["subject"]["reference"]) == ("final", f"Patient/{right}")
    assert entered["encounter"]["reference"] == f"Encounter/{ward.visits[right]}"
    assert entered["id"] != note["id"]
    assert [one["resource"]["id"] for one in api.bundle(f"/Composition?patient={right}")["entry"]] == [entered["id"]]
    of_wrong, of_right = marks(api, f"Composition/{note['id']}"), marks(api, f"Composition/{entered['id']}")
    assert of_wrong[-1]["entity"][0]["what"]["reference"] == f"Composition/{entered['id']}/_history/1"
    assert of_right[-1]["entity"][0]["what"]["reference"] == f"Composition/{note['id']}/_history/1"
    assert api.ids(f"/$unsigned?unit={ward.unit}") == [entered["id"]], "on the right patient it is unsigned"
    if signed:
        outcome(api.put(f"/Composition/{note['id']}", json=note), 409)
    outcome(operate(api, wrong, "misfiled", reason="r", patient__valueReference={"reference": f"Patient/{right}"}), 409)


def test_misfiled_checks_whose_it_is(api: Api, ward: Ward) -> None:
    """Would break: an entry goes to nobody, to whom it belongs already, or into another's stay."""
    note, right = ward.note(), ward.admit()

    def to(patient: str, **more: Any) -> httpx.Response:
        reference = {"reference": f"Patient/{patient}"}
        return operate(api, note, "misfiled", reason="r", patient__valueReference=reference, **more)

    outcome(to(ward.patient), 400)
    outcome(to("nobody"), 404)
    outcome(to(right, encounter__valueReference={"reference": f"Encounter/{ward.encounter}"}), 422)
    outcome(operate(api, note, "misfiled", reason="r"), 400)
    outcome(operate(api, note, "misfiled", patient__valueReference={"reference": f"Patient/{right}"}), 400)
    outcome(operate(api, note, "misfiled", reason="r", patient__valueReference={"reference": "Group/1"}), 400)
    outcome(operate(api, f"Patient/{right}", "misfiled", version="1", reason="r"), 405)
    assert len(api.bundle(f"/Composition/{note['id']}/_history")["entry"]) == 1, "nothing was changed by any of it"


ANNULLED = [
    {"resourceType": "Condition", "code": {"text": "x"}, "clinicalStatus": {"coding": [
        {"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]}},
    {"resourceType": "MedicationRequest", "status": "active", "intent": "order", "medicationCodeableConcept": {"text": "x"}},
    {"resourceType": "MedicationAdministration", "status": "completed", "medicationCodeableConcept": {"text": "x"},
     "effectiveDateTime": "2026-01-01"},
    {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "valueQuantity": {"value": 1}},
    {"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "x"}},
    {"resourceType": "Flag", "status": "active", "code": {"text": "x"}},
]  # fmt: skip


@pytest.mark.parametrize("resource", ANNULLED, ids=lambda one: str(one["resourceType"]))
def test_annulled_is_valid_for_each_type(api: Api, ward: Ward, resource: dict[str, object]) -> None:
    """Would break: an entry of a type that can never be said to be wrong."""
    made = api.make({**resource, "subject": {"reference": f"Patient/{ward.patient}"}})
    answer = operate(api, made, "annul", reason="Fel")
    assert answer.status_code == 200, answer.text
    assert "entered-in-error" in answer.text
    right = ward.admit()
    other = api.make({**resource, "subject": {"reference": f"Patient/{ward.patient}"}})
    moved = operate(api, other, "misfiled", reason="Fel", patient__valueReference={"reference": f"Patient/{right}"})
    assert moved.status_code == 201, moved.text


def test_redaction_is_no_programs(api: Api, ward: Ward) -> None:
    """Would break: a token that was stolen destroys the record."""
    note = ward.note()
    outcome(operate(api, note, "redact", decision="1", authority="IVO"), 403)


def test_the_command_redacts_and_lists_it(api: Api, journal: Instance, ward: Ward) -> None:
    """Would break: content stays somewhere in the record, or a restore brings it back unnoticed (S26)."""
    secret = fresh()
    note = ward.note(title=secret)
    api.make({**note, "title": secret + " 2"})
    signed = ward.note(title="locked")
    operate(api, signed, "sign")
    operate(api, signed, "lock")
    cursor = feeding.end(api)
    arguments = (
        "redact",
        f"Composition/{note['id']}",
        f"Composition/{signed['id']}",
        "--decision",
        "8.2-1/2026",
        "--authority",
        "IVO",
    )
    refused = vaka(journal, *arguments)
    assert refused.returncode != 0, "it asks first"
    done = vaka(journal, *arguments, "--yes", "--json")
    assert done.returncode == 0, done.stderr
    assert orjson.loads(done.stdout) == {"redacted": 2, "before": 0}
    for version in ("", "/_history/1", "/_history/2"):
        outcome(api.get(f"/Composition/{note['id']}{version}"), 410)
    assert secret not in api.get(f"/Composition/{note['id']}/_history").text
    assert api.ids(f"/Composition?patient={ward.patient}") == []
    lines = [one for one in feeding.read(api, cursor) if one.get("id") == note["id"]]
    assert [(one["action"], one["redacted"]) for one in lines] == [("redact", True)]
    told = marks(api, f"Composition/{note['id']}")[-1]
    assert told["reason"] == [{"text": "IVO, 8.2-1/2026"}]
    for place in (journal.data, journal.data / "backup"):
        listed = place / "redactions.ndjson"
        assert stat.S_IMODE(listed.stat().st_mode) == 0o600
        assert f'"id":"{note["id"]}"' in listed.read_text()
        assert secret not in listed.read_text()
    again = vaka(journal, *arguments, "--yes", "--json")
    assert orjson.loads(again.stdout) == {"redacted": 0, "before": 2}
    outcome(api.put(f"/Composition/{note['id']}", json=note), 409)
    assert (
        vaka(journal, "redact", "Composition/nobody", "--decision", "1", "--authority", "x", "--yes").returncode == 66
    )


def test_a_redaction_that_cannot_be_listed_is_not_done(api: Api, journal: Instance, ward: Ward) -> None:
    """Would break: something is redacted that the next restore brings back."""
    note = ward.note()
    listed = journal.data / "redactions.ndjson"
    before = listed.read_bytes() if listed.exists() else None
    if listed.exists():
        listed.unlink()
    listed.mkdir()
    try:
        done = vaka(journal, "redact", f"Composition/{note['id']}", "--decision", "1", "--authority", "x", "--yes")
    finally:
        listed.rmdir()
        if before is not None:
            listed.write_bytes(before)
            os.chmod(listed, 0o600)
    assert done.returncode == 75
    assert "nothing was redacted" in done.stderr
    assert api.get(f"/Composition/{note['id']}").status_code == 200


def test_a_provider_leaves_with_all_that_is_its_own(api: Api, journal: Instance, ward: Ward, tmp_path: Path) -> None:
    """Would break: something is deleted that was not exported, or another provider's, or is left."""
    other = Ward(api)
    notes = [ward.note(title=f"egen {n}") for n in range(3)]
    api.make({**notes[0], "title": "version 2"})
    operate(api, notes[1], "sign")
    operate(api, notes[1], "lock")
    kept = other.note(other.patient)
    file = tmp_path / "export.ndjson.zst"
    told = vaka(journal, "provider", "export", "--provider", ward.provider, "--to", file, "--json")
    assert told.returncode == 0, told.stderr
    counts = orjson.loads(told.stdout)
    plain = tmp_path / "plain.ndjson"
    assert vaka(journal, "provider", "export", "--provider", ward.provider, "--to", plain).returncode == 0
    lines = [orjson.loads(line) for line in plain.read_bytes().splitlines()]
    assert counts["versions"] == lines[-1]["versions"] == len([line for line in lines if "hash" in line])
    assert [line["body"] for line in lines if line.get("id") == notes[0]["id"]][1] == api.get(
        f"/Composition/{notes[0]['id']}"
    ).text
    assert not [line for line in lines if line.get("id") == kept["id"]]

    def delete(export: Path, *more: str) -> commands.Done:
        arguments: tuple[str | Path, ...] = ("--export", export, "--decision", "D-1", "--authority", "Regionen", *more)
        return vaka(journal, "provider", "delete", "--provider", ward.provider, *arguments)

    damaged = tmp_path / "damaged.ndjson"
    damaged.write_bytes(plain.read_bytes().replace(b"egen 2", b"egen 3"))
    assert delete(damaged, "--yes").returncode == 65
    cut = tmp_path / "cut.ndjson"
    cut.write_bytes(b"".join(plain.read_bytes().splitlines(keepends=True)[:-1]))
    assert delete(cut, "--yes").returncode == 65
    newer = ward.note(title="newer")
    late = delete(file, "--yes")
    assert late.returncode == 75
    assert newer["id"] in late.stderr or "not in the export" in late.stderr
    file.unlink()
    assert vaka(journal, "provider", "export", "--provider", ward.provider, "--to", file).returncode == 0
    assert delete(file).returncode != 0, "it asks first"
    done = delete(file, "--yes", "--json")
    assert done.returncode == 0, done.stderr
    for note in (*notes, newer):
        outcome(api.get(f"/Composition/{note['id']}"), 410)
    outcome(api.get(f"/Encounter/{ward.encounter}"), 410)
    assert api.get(f"/Patient/{ward.patient}").status_code == 200
    assert api.get(f"/Organization/{ward.unit}").status_code == 200
    assert api.get(f"/Composition/{kept['id']}").status_code == 200
    again = delete(file, "--yes", "--json")
    assert orjson.loads(again.stdout) == {"deleted": 0}, again.stderr
    assert vaka(journal, "provider", "export", "--provider", "nobody", "--to", tmp_path / "x.ndjson").returncode == 66


def test_a_stop_in_the_middle_is_gone_on_with(
    api: Api, journal: Instance, ward: Ward, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Would break: a deletion that was stopped has to begin anew, or refuses since its export is older than what it did itself."""
    import asyncio

    from vaka import config
    from vaka.access.marks import Actor
    from vaka.journal.journal import Journal
    from vaka.journal.redacting import Decision
    from vaka.journal.redactions import Redactions
    from vaka.load import provider as part

    notes = [ward.note() for _ in range(7)]
    file = tmp_path / "export.ndjson"
    assert vaka(journal, "provider", "export", "--provider", ward.provider, "--to", file).returncode == 0
    monkeypatch.setattr(config, "REDACT_BATCH", 3)

    async def stopped() -> None:
        opened = await Journal.open(feeding.dsn(journal.data))

        def stop(done: int, total: int) -> None:
            if done >= 3:
                raise KeyboardInterrupt

        try:
            held = part.verify(file, ward.provider)
            actor = Actor("system/test", None, None, "test")
            await part.delete(opened, ward.provider, held, Decision("1", "x"), actor, Redactions(journal.data), stop)
        finally:
            await opened.close()

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(stopped())
    gone = [api.get(f"/Composition/{note['id']}").status_code for note in notes]
    assert 0 < gone.count(410) < 7
    arguments = ("--export", file, "--decision", "1", "--authority", "x", "--yes", "--json")
    done = vaka(journal, "provider", "delete", "--provider", ward.provider, *arguments)
    assert done.returncode == 0, done.stderr
    assert {api.get(f"/Composition/{note['id']}").status_code for note in notes} == {410}
