"""Sheets that are asked for again, at a real copy: answered from memory, and never an answer that the usual way would not give."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from bench.running import FULL, Vaka, free_port, token
from tests.api.records import Ward
from tests.client import Api, fresh
from tests.conftest import Instance
from tests.copy.test_door import journal_pid
from tests.feeding import dsn
from tests.recovery.running import wait_until

from vaka.accesslog import codec, files
from vaka.accesslog.record import Record
from vaka.copy import files as copies
from vaka.copy.files import Folder
from vaka.fhir.keys import resource_key

pytestmark = pytest.mark.alone


@dataclass
class Asking:
    """A person at the ward, who asks for one sheet in the same words each time."""

    running: Vaka
    ward: Ward
    person: str
    client: httpx.Client
    answers: int = 0

    def ask(self) -> httpx.Response:
        answer = self.client.get(f"/sheet/{self.ward.patient}")
        self.answers += answer.status_code == 200 and answer.headers["vaka-answered-by"] == "copy"
        return answer

    def again(self) -> httpx.Response:
        """Asked until it is answered from memory."""
        found: list[httpx.Response] = []

        def kept() -> bool:
            found.append(self.ask())
            assert found[-1].status_code == 200, found[-1].text
            return from_memory(found[-1])

        wait_until(kept, "the sheet is answered from memory")
        return found[-1]

    def shows(self, text: str) -> bool:
        return text in self.ask().text


def from_memory(answer: httpx.Response) -> bool:
    """Kept answers begin with what changes."""
    return answer.headers.raw[1][0] == b"vaka-as-of"


def on_disk(copy: Folder, name: str) -> Iterator[Record]:
    """What stands in the files of a copy's access log."""
    folder, key = copy.path / "accesslog" / name, copies.log_key(copies.key(copy))
    described: dict[int, codec.Described] = {}
    for _, path in files.segments(folder):
        scanned = files.scan(path, key)
        assert scanned is not None
        for block in scanned.blocks:
            if block.number == block.chapter:
                described = {}
            described |= block.contents().described
            yield from codec.records(block.payload, block.time_us, described)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vaka]:
    made = Vaka(tmp_path_factory.mktemp("again") / "data", free_port(), arguments=("--copies=1",))
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
def asking(running: Vaka) -> Iterator[Asking]:
    instance = Instance(running.url, running.data)
    with Api(running.url, token(running.data, "tests", FULL)) as api:
        ward, person = Ward(api), f"SE-{fresh()}"
        allergy(ward, "Penicillin")
        session = instance.session(person=person, practitioner=f"n-{fresh()}", unit=ward.unit, provider=ward.provider)
        headers = {"Authorization": f"Bearer {session}", "Accept": "application/json"}
        with httpx.Client(base_url=running.url, headers=headers, timeout=30) as client:
            made = Asking(running, ward, person, client)

            def has() -> bool:  # while it lags, the journal answers, and not for the copy's log
                answer = made.ask()
                return "Penicillin" in answer.text and answer.headers["vaka-answered-by"] == "copy"

            wait_until(has, "the copy has the ward")
            yield made


def allergy(ward: Ward, text: str) -> dict[str, Any]:
    made: dict[str, Any] = ward.api.make({
        "resourceType": "AllergyIntolerance", "code": {"text": text}, "patient": ward.owned()["subject"],
        "encounter": ward.owned()["encounter"],
        "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}]},
    })  # fmt: skip
    return made


def test_it_is_the_same_answer_and_each_is_logged(asking: Asking) -> None:
    """Would break: an answer from memory is another than the usual one, or is given without a trace (L1)."""
    first = asking.ask()
    kept = asking.again()
    moving = {"asOf", "ageSeconds", "shownAt"}
    assert {k: v for k, v in kept.json().items() if k not in moving} == {
        k: v for k, v in first.json().items() if k not in moving
    }
    assert set(kept.headers) == set(first.headers)
    wait_until(lambda: asking.again().json()["shownAt"] > kept.json()["shownAt"], "its times are those of the moment")
    patient = resource_key("Patient", asking.ward.patient)

    found = [
        record for record in on_disk(Folder(asking.running.data / "copies" / "1"), "serve-1")
        if record.actor.person == asking.person and record.activity == "sheet" and record.status == 200
    ]  # fmt: skip
    assert len(found) == asking.answers
    assert {patient in record.patients for record in found} == {True}
    assert len({record.time_us for record in found}) == len(found)


def test_what_is_written_shows(asking: Asking) -> None:
    """Would break: a new allergy does not show to who has had the sheet open all day."""
    asking.again()
    made = allergy(asking.ward, "Latex")
    wait_until(lambda: asking.shows("Latex"), "the new allergy shows")
    assert "Latex" in asking.again().text
    asking.ward.api.delete(f"/AllergyIntolerance/{made['id']}")
    wait_until(lambda: not asking.shows("Latex"), "the deleted one is gone")
    assert "Latex" not in asking.again().text


def test_who_has_just_written_reads_it(asking: Asking) -> None:
    """Would break: one's own note is missing from the sheet that is read right after it."""
    for n in range(10):
        asking.again()
        made = asking.client.post("/fhir/AllergyIntolerance", json={
            "resourceType": "AllergyIntolerance", "code": {"text": f"Own {n}"}, "patient": asking.ward.owned()["subject"],
            "encounter": asking.ward.owned()["encounter"],
            "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}]},
        })  # fmt: skip
        assert made.status_code == 201, made.text
        read = asking.client.get(f"/sheet/{asking.ward.patient}", headers={"Vaka-Cursor": made.headers["vaka-cursor"]})
        assert f"Own {n}" in read.text
        assert asking.shows(f"Own {n}")  # the same words as before, of this copy


def test_who_may_not_see_it_any_more_does_not(asking: Asking) -> None:
    """Would break: a care relation that has ended goes on in memory."""
    asking.again()
    stay = asking.ward.api.get(f"/Encounter/{asking.ward.encounter}").json()
    stay["status"] = "finished"
    stay["period"] = {"start": "2026-01-01", "end": "2026-01-02"}
    assert asking.ward.api.put(f"/Encounter/{stay['id']}", json=stay).status_code == 200
    wait_until(lambda: not asking.shows("Penicillin"), "the ended relation shows nothing")
    for _ in range(5):
        assert not asking.shows("Penicillin")


def test_a_session_that_was_ended_gets_nothing(asking: Asking) -> None:
    """Would break: who has logged out, or was shut out, goes on reading what is kept."""
    asking.again()
    with psycopg.connect(dsn(asking.running.data), autocommit=True) as connection:
        connection.execute(
            "INSERT INTO revocation (session, person, at_us, until_us, reason) VALUES (NULL, %s, %s, %s, 'test')",
            (asking.person, time.time_ns() // 1_000, time.time_ns() // 1_000 + 3_600_000_000),
        )
    wait_until(lambda: asking.ask().status_code == 401, "the session is refused")
    for _ in range(5):
        assert asking.ask().status_code == 401


def test_a_copy_without_its_journal_says_so(asking: Asking) -> None:
    """Would break S2: what is kept goes on saying that all is well."""
    assert asking.again().json()["journalAway"] is False
    made = asking.running.process
    assert made is not None
    pids = (made.pid, journal_pid(asking.running))
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: asking.ask().json()["journalAway"], "the sheet says that the journal is away")
        assert asking.again().json()["journalAway"] is True
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)
    wait_until(lambda: not asking.ask().json()["journalAway"], "the journal is heard again")


def test_another_person_with_other_rights_gets_an_answer_of_their_own(asking: Asking, tmp_path: Path) -> None:
    """Would break: a kept answer is given to who may not see it."""
    asking.again()
    stranger = Instance(asking.running.url, asking.running.data).session(
        person=f"SE-{fresh()}", practitioner=f"n-{fresh()}", unit="elsewhere", provider="another"
    )
    answer = httpx.get(
        f"{asking.running.url}/sheet/{asking.ward.patient}",
        headers={**asking.client.headers, "Authorization": f"Bearer {stranger}"},
    )
    assert "Penicillin" not in answer.text
