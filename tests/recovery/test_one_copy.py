"""A stop as a site with one copy meets it: the journal's process stands still, and people go on writing at the copy's own door."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from bench.running import FULL, Vaka, free_port, token
from tests.api.records import Ward
from tests.client import Api, Resource, fresh
from tests.conftest import Instance
from tests.copy.test_door import journal_pid
from tests.recovery.running import vaka, wait_until


@dataclass
class Stop:
    """The copy at ``url`` while its journal stands still. ``person``: somebody at the ward."""

    running: Vaka
    ward: Ward
    url: str
    data: Path
    session: str

    def ask(self, method: str, path: str, body: Any = None, *, by: str | None = None, **headers: str) -> httpx.Response:
        told = {"Authorization": f"Bearer {by or self.session}", "Idempotency-Key": uuid.uuid4().hex, **headers}
        return httpx.request(method, self.url + path, json=body, headers=told, timeout=30)

    @property
    def program(self) -> str:
        return token(self.running.data, "laboratory", FULL)


@pytest.fixture(scope="module")
def stop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stop]:
    made = Vaka(tmp_path_factory.mktemp("alone") / "data", free_port(), arguments=("--copies=1",))
    try:
        made.start()
        instance = Instance(made.url, made.data)
        api = Api(made.url, token(made.data, "tests", FULL))
        ward = Ward(api)
        session = instance.session(
            person=f"SE-{fresh()}", practitioner=f"n-{fresh()}", unit=ward.unit, provider=ward.provider
        )
        stop = Stop(made, ward, made.url, made.data / "copies" / "1", session)

        def followed() -> bool:
            answer = stop.ask("GET", f"/fhir/Encounter/{ward.encounter}")
            return answer.status_code == 200 and answer.headers["vaka-answered-by"] == "copy"

        wait_until(followed, "the copy has the ward")
        assert made.process is not None
        pids = (made.process.pid, journal_pid(made))
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield stop
        finally:
            for pid in reversed(pids):
                os.kill(pid, signal.SIGCONT)
        api.close()
    finally:
        made.stop()


def note(stop: Stop, **members: Any) -> Resource:
    return {
        "resourceType": "Composition", "status": "final", "type": {"text": "Anteckning"}, "date": "2026-11-29T08:00:00+01:00",
        "title": "Under stoppet", **stop.ward.owned(), "author": [{"display": "x"}], **members,
    }  # fmt: skip


def test_a_person_writes_on_the_only_copy_and_is_told_that_it_stands_once(stop: Stop) -> None:
    """Would break: at a site with one copy nobody could write a note during a stop; or it would pass for being held twice (S15)."""
    made = stop.ask("POST", "/fhir/Composition", note(stop))
    assert made.status_code == 201, made.text
    assert made.headers["vaka-reserve"] == "pending; copies=1"
    shown = stop.ask("GET", f"/fhir/Composition/{made.json()['id']}")
    assert shown.json()["title"] == "Under stoppet"


def test_a_program_keeps_its_queue_where_one_disk_alone_would_hold_it(stop: Stop) -> None:
    """Would break S15: the laboratory would believe a result delivered that one disk holds."""
    result = {"resourceType": "DiagnosticReport", "status": "final", "code": {"text": "x"}, **stop.ward.owned()}
    refused = stop.ask("POST", "/fhir/DiagnosticReport", result, by=stop.program)
    assert refused.status_code == 503, refused.text
    assert "Retry-After" in refused.headers


def test_status_says_that_there_is_one_copy(stop: Stop) -> None:
    """Would break: nobody who runs it would know that a stop's notes stand on one disk."""
    data = str(stop.running.data)
    assert "stands on one disk alone" in vaka("status", "--data", data).stdout


def paper(stop: Stop, **members: Any) -> Resource:
    return {
        "resourceType": "Task", "status": "requested", "intent": "order", "owner": {"reference": f"Organization/{stop.ward.unit}"},
        "for": stop.ward.owned()["subject"], "requester": {"reference": "Practitioner/n-1", "display": "Lars Berg"},
        "code": {"coding": [{"system": "urn:x-vaka:task", "code": "enter-from-paper"}]}, "reasonCode": {"text": "Läkemedelslista"},
        "executionPeriod": {"start": "2026-11-29T08:10:00+01:00", "end": "2026-11-29T09:40:00+01:00"}, **members,
    }  # fmt: skip


def left_on_paper(stop: Stop) -> list[dict[str, Any]]:
    told = stop.ask("GET", f"/unit/{stop.ward.unit}", Accept="application/json").json()
    (lines,) = [one["lines"] for one in told["lists"] if one["name"] == "paper"]
    return list(lines)


def test_what_lies_on_paper_stands_on_the_units_list_until_it_is_entered(stop: Stop) -> None:
    """Would break S13: after a stop nobody would know what is left to enter; or it would be crossed out with nothing entered."""
    refused = stop.ask("POST", "/fhir/Task", paper(stop, executionPeriod={"start": "2026-11-29T08:10:00+01:00"}))
    assert (refused.status_code, "executionPeriod.end" in refused.text) == (422, True)
    task = stop.ask("POST", "/fhir/Task", paper(stop))
    assert task.status_code == 201, task.text
    (line,) = left_on_paper(stop)
    assert (line["what"], line["responsible"]) == ("Läkemedelslista", "Lars Berg")
    assert (line["at"], line["to"]) == ("2026-11-29T08:10:00+01:00", "2026-11-29T09:40:00+01:00")
    page = stop.ask("GET", f"/unit/{stop.ward.unit}", Accept="text/html", **{"Accept-Language": "sv"}).text
    assert "Läkemedelslista" in page
    dose = {
        "resourceType": "MedicationAdministration", "status": "completed", "medicationCodeableConcept": {"text": "Alvedon"},
        "subject": stop.ward.owned()["subject"], "context": stop.ward.owned()["encounter"],
        "meta": {"tag": [{"system": "urn:x-vaka:entered", "code": "from-paper"}]},
    }  # fmt: skip
    assert stop.ask("POST", "/fhir/MedicationAdministration", dose).status_code == 422, "the event time has no default"
    dose["effectiveDateTime"] = "2026-11-29T08:20:00+01:00"
    entered = stop.ask("POST", "/fhir/MedicationAdministration", dose)
    assert entered.status_code == 201, entered.text
    standing, etag = task.json(), task.headers["etag"]
    done = {**standing, "status": "completed"}
    address = f"/fhir/Task/{standing['id']}"
    assert stop.ask("PUT", address, done, **{"If-Match": etag}).status_code == 422, "nothing was entered"
    reference = {"reference": f"MedicationAdministration/{entered.json()['id']}"}
    done["output"] = [{"type": {"text": "entered"}, "valueReference": reference}]
    changed = stop.ask("PUT", address, done, **{"If-Match": etag})
    assert changed.status_code == 200, changed.text
    assert left_on_paper(stop) == []
