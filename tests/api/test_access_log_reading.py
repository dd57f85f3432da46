"""Reading the access log: as AuditEvents over HTTP, by command, and who may (L3)."""

from __future__ import annotations

import time
from collections.abc import Callable

import orjson
import pytest
from tests.accesses import events
from tests.client import Api, Resource, entries, link, observation, outcome, patient
from tests.conftest import Instance
from tests.recovery.running import told, vaka

Clients = Callable[..., Api]
LOG = "urn:vaka:access-log"


def pages(api: Api, address: str) -> list[Resource]:
    """All resources of all pages."""
    found: list[Resource] = []
    following: str | None = address
    while following is not None:
        page = api.bundle(following)
        found += [entry["resource"] for entry in entries(page)]
        following = link(page, "next")
    return found


@pytest.fixture
def done(client: Clients, tag: str) -> tuple[Api, str]:
    """A program that has done six things with a patient of its own."""
    api = client(tag)
    id_ = f"p-{tag}"
    api.make(patient(tag, id=id_))
    api.make(observation(tag, subject={"reference": f"Patient/{id_}"}))
    api.get(f"/Patient/{id_}")
    api.get(f"/Observation?subject=Patient/{id_}")
    api.delete(f"/Patient/none-{tag[:20]}")
    api.get(f"/Patient/none-{tag[:20]}")
    return api, id_


def test_the_log_of_a_patient_as_audit_events(api: Api, done: tuple[Api, str], tag: str) -> None:
    """Would break: who has read about a patient cannot be asked for, or the answer is not FHIR R4."""
    _, id_ = done
    found = pages(api, f"/AuditEvent?patient=Patient/{id_}&_source={LOG}")
    own = [one for one in found if one["agent"][0]["who"]["identifier"]["value"] == tag]
    assert [one["subtype"][0]["code"] for one in own] == ["search-type", "read", "create", "update"]
    assert [one["action"] for one in own] == ["E", "R", "C", "U"]
    for one in own:
        assert one["entity"][0]["what"] == {"reference": f"Patient/{id_}"}
        assert one["outcome"] == "0"
        assert not [
            issue
            for issue in api.post("/AuditEvent/$validate", json=one).json()["issue"]
            if issue["severity"] == "error"
        ]
        read = api.get(f"/AuditEvent/{one['id']}")
        assert read.status_code == 200
        assert read.json() == one
    assert any(entity["what"]["reference"].startswith("Observation/") for entity in own[0]["entity"][1:])


def test_searching_the_log(api: Api, done: tuple[Api, str], tag: str) -> None:
    """Would break: a search gives what was not asked for, or leaves out what was."""
    _, id_ = done

    def codes(query: str) -> list[str]:
        return [
            one["subtype"][0]["code"] for one in pages(api, f"/AuditEvent?agent:identifier={tag}&_source={LOG}&{query}")
        ]

    everything = ["read", "delete", "search-type", "read", "create", "update"]
    assert codes("") == everything
    assert codes("_count=2") == everything, "pages join without a gap"
    assert codes("action=R") == ["read", "read"]
    assert codes("action=C,U") == ["create", "update"]
    assert codes("outcome=4") == ["read"]
    assert codes("outcome=0") == everything[1:]
    assert codes("subtype=search-type") == ["search-type"]
    assert codes("action=R&outcome=0") == ["read"]
    assert codes("date=ge2020-01-01") == everything
    assert codes("date=lt2020-01-01") == []
    assert codes(f"date=gt{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(time.time() + 60))}") == []
    assert codes(f"patient={id_}") == ["search-type", "read", "create", "update"]
    form = api.post("/AuditEvent/_search", data={"agent": tag, "_source": LOG, "action": "C"}).json()
    assert len(entries(form)) == 1
    for wrong in (
        "date=nonsense",
        "date=ne2020",
        "action=X",
        "patient=Practitioner/1",
        "outcome=9",
        "unknown=1",
        "_count=x",
    ):
        outcome(api.get(f"/AuditEvent?_source={LOG}&{wrong}"), 400)
    outcome(api.get("/AuditEvent/log-nothing"), 404)
    outcome(api.get(f"/AuditEvent/log-{'0' * 32}-zzzzzzzzzzzzz-0"), 404)


def test_posted_audit_events_stay_what_they_were(api: Api, done: tuple[Api, str], tag: str) -> None:
    """Would break: what a laboratory system posts as its own audit is lost among ours, or ours is stored as a version."""
    _, id_ = done
    posted = api.make({
        "resourceType": "AuditEvent", "type": {"system": "http://example.org", "code": tag}, "recorded": "2026-01-01T10:00:00Z",
        "agent": [{"requestor": True, "name": "laboratory"}], "source": {"observer": {"display": "laboratory"}},
        "entity": [{"what": {"reference": f"Patient/{id_}"}}],
    })  # fmt: skip
    assert api.get(f"/AuditEvent/{posted['id']}").json() == posted
    assert api.ids(f"/AuditEvent?type={tag}") == [posted["id"]]
    both = pages(api, f"/AuditEvent?patient=Patient/{id_}")
    assert [one["id"] for one in both if not one["id"].startswith("log-")] == [posted["id"]]
    assert len(both) >= 5
    assert pages(api, f"/AuditEvent?patient=Patient/{id_}&_source=urn:vaka:record") == [posted]


def test_the_log_has_rights_of_its_own(client: Clients, journal: Instance, tag: str) -> None:
    """Would break: a program without full rights reads who reads."""
    narrow = client(f"{tag}-narrow", frozenset({"feed"}))
    assert narrow.get(f"/AuditEvent?_source={LOG}").status_code == 403
    assert events(journal.data, f"{tag}-narrow")[-1].record.status == 403


def test_reading_the_log_is_logged(
    api: Api, client: Clients, journal: Instance, done: tuple[Api, str], tag: str
) -> None:
    """Would break: who looks into the log leaves no trace."""
    _, id_ = done
    reader = client(f"{tag}-reader")
    reader.get(f"/AuditEvent?patient=Patient/{id_}&_source={LOG}")
    (found,) = events(journal.data, f"{tag}-reader")
    assert (found.record.activity, found.record.type, len(found.record.patients)) == ("search", "AuditEvent", 1)


def test_the_command_shows_what_was_done(journal: Instance, done: tuple[Api, str], tag: str) -> None:
    """Would break: an operator cannot read the log, or reads it without a trace."""
    _, id_ = done
    shown = vaka("log", "show", "--data", journal.data, "--person", tag, "--json")
    assert shown.returncode == 0, shown.stderr
    rows = [orjson.loads(line) for line in shown.stdout.splitlines()]
    assert [row["activity"] for row in rows] == ["read", "delete", "search", "read", "create", "update"]
    refused = vaka("log", "show", "--data", journal.data, "--person", tag, "--refused", "--json")
    assert [orjson.loads(line).get("address", line) for line in refused.stdout.splitlines()] == [
        f"/fhir/Patient/none-{tag[:20]}"
    ]
    assert (
        len(vaka("log", "show", "--data", journal.data, "--patient", id_, "--activity", "read").stdout.splitlines())
        == 1
    )
    assert "vaka:log" in vaka("log", "show", "--data", journal.data, "--activity", "log", "--limit", "1").stdout
    wrong = vaka("log", "show", "--data", journal.data, "--since", "yesterday")
    assert wrong.returncode == 65
    assert "is not a time" in wrong.stderr


def test_commands_that_reach_the_record_are_logged(journal: Instance, tmp_path: object, tag: str) -> None:
    """Would break: the whole record is taken out, or put in, without a trace."""
    from pathlib import Path

    folder = Path(str(tmp_path))
    (folder / "in.ndjson").write_bytes(orjson.dumps(patient(tag)))
    assert vaka("load", folder / "in.ndjson", "--data", journal.data).returncode == 0
    assert vaka("dump", "--data", journal.data, "--to", folder / "out.ndjson").returncode == 0
    loads = [event.record.reason for event in events(journal.data, "vaka:load") if str(folder) in event.record.reason]
    assert len(loads) == 1
    assert events(journal.data, "vaka:load")[-1].record.reason.startswith("ends:")
    assert str(folder) in events(journal.data, "vaka:dump")[-1].record.reason
    assert told(vaka("log", "verify", "--data", journal.data, "--json"))["findings"] == []


def test_forgetting_refuses_what_the_law_keeps(journal: Instance) -> None:
    """Would break: a command drops the log of the last five years."""
    refused = vaka("log", "forget", "--data", journal.data, "--before", "2026-01-01")
    assert refused.returncode == 65
    assert "5 years" in refused.stderr
    assert vaka("log", "forget", "--data", journal.data, "--before", "2001-01-01").stdout == "0 months dropped\n"
