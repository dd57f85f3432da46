"""A copy of one unit's patients (decision 0015), with a real journal: who is held, who is passed on, and who comes in meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from bench.running import FULL, Vaka, command, free_port, running, token
from tests.api.records import Ward
from tests.client import Api, Resource, fresh
from tests.conftest import Instance
from tests.copy.test_door import journal_pid
from tests.recovery.running import vaka, wait_until

from vaka.access.scopes import FEED, FEED_PRIVATE, RESERVE
from vaka.copy import engine, files
from vaka.copy.files import Folder
from vaka.fhir.hsa import HSA
from vaka.watch import status

pytestmark = pytest.mark.alone
NOTES = 40


class Unit(Ward):
    """A ward that has an HSA-id."""

    def __init__(self, api: Api) -> None:
        super().__init__(api)
        self.hsa = f"SE{fresh()[-12:]}-1A".upper()
        unit = api.get(f"/Organization/{self.unit}").json()
        made = api.put(f"/Organization/{self.unit}", json={**unit, "identifier": [{"system": HSA, "value": self.hsa}]})
        assert made.status_code == 200, made.text

    def visit(self, patient: str, **members: Any) -> Resource:
        return self.api.make({
            "resourceType": "Encounter", "status": "in-progress", "subject": {"reference": f"Patient/{patient}"},
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
            "serviceProvider": {"reference": f"Organization/{self.unit}"}, "period": {"start": "2026-01-01"}, **members,
        })  # fmt: skip


@dataclass
class Scoped:
    """A journal with ``api``, and a copy at ``url`` of the patients of ``here``."""

    running: Vaka
    api: Api
    here: Unit
    there: Unit
    folder: Folder
    url: str
    client: httpx.Client
    process: subprocess.Popen[bytes] | None = None
    more: dict[str, Any] = field(default_factory=dict)

    def start(self, scope: str) -> None:
        folder = self.folder.path
        with (folder.parent / "said").open("ab") as said:
            self.process = subprocess.Popen(
                command(
                    "copy", "--from", self.running.url, "--data", folder, "--port", self.url.rpartition(":")[2], "--scope", scope,
                    "--token-file", folder.parent / "token",
                ),
                stdout=said, stderr=said,
            )  # fmt: skip

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(60)

    def ready(self) -> dict[str, Any]:
        assert self.process is None or self.process.poll() is None, (self.folder.path.parent / "said").read_text()
        try:
            told: dict[str, Any] = self.client.get(self.url + "/ready").json()
        except httpx.TransportError:
            return {}
        return told

    def settled(self) -> None:
        """All that was written is here, and nobody is being taken in."""
        wait_until(lambda: self.ready().get("from") == "copy", "the copy holds a record")
        place = self.api.post("/Basic", json={"resourceType": "Basic", "code": {"text": "x"}}).headers["vaka-cursor"]
        at = tuple(map(int, place.split(".")))
        wait_until(
            lambda: tuple(map(int, self.ready()["cursor"].split("."))) >= at and self.ready()["takingIn"] == 0,
            "all is here",
        )

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.client.get(self.url + path, headers=headers)

    def holds(self, patient: str) -> bool:
        answer = self.get(f"/fhir/Patient/{patient}/$everything")
        return answer.status_code == 200 and answer.headers["vaka-answered-by"] == "copy"

    def pid(self, name: str) -> int:
        found = status.read(self.folder.path / "run" / "status.json")
        assert found is not None
        return next((part.pid or 0 for part in found.parts if part.name == name and part.state != "gone"), 0)

    def contents(self) -> bytes:
        """All that stands in the record, bodies and lines unpacked."""
        import zstandard

        from vaka.copy.apply import codec

        number = self.folder.current()
        assert number is not None
        connection = engine.reader(self.folder.record(number), files.key(self.folder))
        packer, found = codec(connection), []
        tables = [
            row[0]
            for row in connection.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE 'CREATE TABLE%'"
            )
        ]
        assert {"resource", "aside", "incoming", "in_scope", "fragment"} <= set(tables)
        for table in tables:
            for row in connection.execute(f'SELECT * FROM "{table}"'):
                found += [value if isinstance(value, bytes) else str(value).encode() for value in row]
        for dictionary, body in connection.execute("SELECT dictionary, body FROM resource WHERE body IS NOT NULL"):
            found.append(packer.decompress(dictionary, body))
        for (line,) in connection.execute("SELECT line FROM incoming"):
            found.append(zstandard.decompress(line))
        connection.close()
        return b"\n".join(found)


def elsewhere(unit: Unit, family: str) -> str:
    """A patient of another unit, with notes."""
    patient = unit.admit(
        name=[{"family": family}], identifier=[{"system": "urn:oid:1.2.752.129.2.1.3.1", "value": fresh()}]
    )
    for number in range(3):
        unit.note(patient, title=f"{family} {number}")
    return patient


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scoped]:
    path = tmp_path_factory.mktemp("scope")
    with running(path / "data", "--behind-copies") as made:
        api = Api(made.url, token(made.data, "tests", FULL))
        here, there = Unit(api), Unit(api)
        (path / "token").write_text(token(made.data, "copy-south", frozenset({FEED, FEED_PRIVATE, RESERVE})))
        headers = {"Authorization": f"Bearer {token(made.data, 'tests', FULL)}"}
        with httpx.Client(headers=headers, timeout=30) as client:
            scoped = Scoped(
                made, api, here, there, Folder(path / "copy"), f"http://127.0.0.1:{free_port()}", client
            )  # fmt: skip
            scoped.more["out"] = elsewhere(there, "Bortglömd")
            both = elsewhere(there, "Delad")  # comes here after all that
            here.visits[both] = here.visit(both)["id"]
            scoped.more["both"] = both
            scoped.start(here.hsa)
            try:
                scoped.settled()
                wait_until(lambda: scoped.holds(here.patient), "it answers from it")
                yield scoped
            finally:
                scoped.stop()
                api.close()


def bundle(answer: httpx.Response) -> list[Any]:
    assert answer.status_code == 200, answer.text
    return [(e.get("search"), e["resource"]) for e in answer.json().get("entry", [])]


QUESTIONS = (
    "Patient/{p}", "Patient/{p}/$everything", "Patient/{p}/Composition?_sort=-date", "Encounter?patient={p}",
    "Composition?subject=Patient/{p}&_sort=_lastUpdated", "AllergyIntolerance?patient={p}",
    "Encounter?subject=Patient/{p}&_include=Encounter:service-provider", "Patient?_id={p}", "Patient/{p}/*?_count=5",
    "Provenance?patient={p}", "Appointment?patient=Patient/{p}&_total=accurate",
)  # fmt: skip


def same(site: Scoped, patient: str, *, by: str | None = None, copy: bool = True) -> None:
    """The copy answers of this patient, and as the journal does."""
    proof = {"Authorization": f"Bearer {by}"} if by else {}
    for question in QUESTIONS:
        path = "/fhir/" + question.format(p=patient)
        ours = site.get(path, **proof)
        theirs = site.client.get(site.running.url + path, headers=proof)
        assert (ours.headers["vaka-answered-by"] == "copy") is copy, (path, ours.headers, ours.text)
        assert ours.status_code == theirs.status_code, (path, ours.text, theirs.text)
        if theirs.status_code == 200 and theirs.json()["resourceType"] == "Bundle":
            assert bundle(ours) == bundle(theirs), path
        elif theirs.status_code == 200:
            assert ours.content == theirs.content, path


def test_a_units_patients_are_answered_whole_and_as_the_journal_does(site: Scoped) -> None:
    """Broken: what another unit wrote before somebody came here is missing, or an order or count is another."""
    for patient in (site.here.patient, site.more["both"]):
        same(site, patient)
    found = bundle(site.get(f"/fhir/Patient/{site.more['both']}/$everything"))
    assert sum(one["resourceType"] == "Composition" for _, one in found) == 3


def test_ready_says_whose_record_it_holds(site: Scoped) -> None:
    told = site.ready()
    assert told["scope"] == [site.here.hsa]
    assert told["takingIn"] == 0
    assert told["patients"] >= 2


def test_others_are_passed_on(site: Scoped) -> None:
    """Broken: a copy that cannot know says that somebody, or something, is not there (S3)."""
    out = site.more["out"]
    same(site, out, copy=False)
    number = site.api.get(f"/Patient/{out}").json()["identifier"][0]["value"]
    found = site.get(f"/fhir/Patient?identifier={number}")
    assert found.headers["vaka-answered-by"] == "journal"
    assert [one["id"] for _, one in bundle(found)] == [out]
    for path in (f"/sheet/{out}", f"/unit/{site.there.hsa}"):
        answer = site.get(path, Accept="application/json")
        assert answer.status_code == 503, answer.text
        assert site.here.hsa in answer.text
        assert "$everything" in answer.text
    mine = site.get(f"/unit/{site.here.hsa}", Accept="application/json")
    assert mine.headers["vaka-answered-by"] == "copy"
    assert mine.json()["comingIn"] == 0
    shown = {line["patient"] for one in mine.json()["lists"] for line in one["lines"]}
    assert {site.here.patient, site.more["both"]} <= shown
    assert site.get(f"/sheet/{site.more['both']}").status_code == 200
    staff = site.get("/fhir/Organization?name=Provider")
    assert staff.headers["vaka-answered-by"] == "copy"
    assert len(bundle(staff)) >= 2


def test_nothing_of_another_patient_stands_in_the_files(site: Scoped) -> None:
    """Broken: a stolen copy of one site tells of patients of another."""
    stands = site.contents()
    assert b"Delad" in stands
    assert site.more["out"].encode() not in stands
    assert "Bortglömd".encode() not in stands
    for path in site.folder.path.rglob("*"):
        if path.is_file() and not path.is_socket():
            assert "Bortglömd".encode() not in path.read_bytes(), path


def test_access_is_decided_as_the_journal_does(site: Scoped) -> None:
    """Broken: a block of before somebody came here is not known, and shows what it hides."""
    patient = elsewhere(site.there, fresh())
    site.api.make({
        "resourceType": "Consent", "status": "active", "patient": {"reference": f"Patient/{patient}"},
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "urn:x-vaka:consent", "code": "outer-block"}]}],
        "organization": [{"reference": f"Organization/{site.there.provider}"}], "dateTime": "2026-01-02",
        "policyRule": {"text": "PDL"}, "provision": {"type": "deny"},
    })  # fmt: skip
    site.here.visits[patient] = site.here.visit(patient)["id"]
    site.here.note(patient)
    site.settled()
    assert site.holds(patient)
    instance = Instance(site.running.url, site.running.data)
    for unit in (site.here, site.there):
        by = instance.session(
            person=f"SE-{fresh()}", practitioner=f"n-{fresh()}", unit=unit.unit, provider=unit.provider
        )  # fmt: skip
        same(site, patient, by=by)
        notes = bundle(site.get(f"/fhir/Patient/{patient}/Composition", Authorization=f"Bearer {by}"))
        shown = [one["id"] for how, one in notes if how["mode"] == "match"]
        assert len(shown) == (1 if unit is site.here else 3)


@pytest.mark.parametrize("how", ["appointment", "referral", "named", "hsa"])
def test_who_comes_here_comes_in_whole(site: Scoped, how: str) -> None:
    """Broken: an appointment shows a patient with nothing of before it."""
    patient = elsewhere(site.there, fresh())
    site.settled()
    assert not site.holds(patient)
    subject = {"reference": f"Patient/{patient}"}
    unit = {"reference": f"Organization/{site.here.unit}"}
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 86_400))
    if how == "appointment":
        doctor = Instance(site.running.url, site.running.data).session(
            person=f"SE-{fresh()}", practitioner=f"n-{fresh()}", unit=site.here.unit, provider=site.here.provider
        )  # fmt: skip
        people = [{"actor": subject, "status": "accepted"}]
        made = httpx.post(
            site.url + "/fhir/Appointment", headers={"Authorization": f"Bearer {doctor}"},
            json={"resourceType": "Appointment", "status": "booked", "start": soon, "end": soon, "participant": people},
        )  # fmt: skip
        assert made.status_code == 201, made.text
    else:
        by = {"identifier": {"system": HSA, "value": site.here.hsa}} if how == "hsa" else unit
        resource: Resource = {
            "resourceType": "ServiceRequest", "status": "active", "intent": "order", "subject": subject, "performer": [by],
            "authoredOn": soon,
        }  # fmt: skip
        if how == "named":
            resource = {
                "resourceType": "Task", "status": "requested", "intent": "order", "for": subject, "owner": unit, "authoredOn": soon
            }  # fmt: skip
        site.api.make(resource)
    site.settled()
    assert site.holds(patient)
    same(site, patient)


def test_what_was_long_ago_makes_nobody_a_patient(site: Scoped) -> None:
    patient = elsewhere(site.there, fresh())
    site.here.visit(patient, status="finished", period={"start": "2009-01-01", "end": "2009-01-03"})
    site.settled()
    assert not site.holds(patient)


def test_a_merge_across_the_border(site: Scoped) -> None:
    """Broken: a record that went on in another's is told as it was, or in half."""
    from tests.api.test_records_people import IDENTITY, pair

    instance = Instance(site.running.url, site.running.data)

    def merged(source: str, target: str) -> None:
        for code in (202, 201):
            by = instance.client(instance.session(
                person=f"SE-{fresh()}", practitioner=f"n-{fresh()}", unit=site.here.unit, provider=site.here.provider, rights=IDENTITY,
            ))  # fmt: skip
            answer = by.post("/Patient/$merge", json=pair(source, target))
            assert answer.status_code == code or answer.status_code == 200, answer.text
            by.close()

    outside, inside = elsewhere(site.there, fresh()), site.here.admit()
    site.here.note(inside)
    merged(outside, inside)
    outside_target, inside_source = elsewhere(site.there, fresh()), site.here.admit()
    site.here.note(inside_source)
    site.settled()
    assert not site.holds(outside_target)
    merged(inside_source, outside_target)
    site.settled()
    for patient in (inside, outside_target):
        wait_until(lambda patient=patient: site.holds(patient), "the one whom they are now is held")  # type: ignore[misc]
        same(site, patient)
        assert len(bundle(site.get(f"/fhir/Patient/{patient}/Composition"))) == 4


@contextmanager
def reading(site: Scoped, patient: str) -> Iterator[list[tuple[str, int]]]:
    """What a reader is told meanwhile: by whom, and how many notes."""
    found: list[tuple[str, int]] = []
    done = threading.Event()

    def run() -> None:
        with httpx.Client(headers=site.client.headers, timeout=30) as client:
            while not done.is_set():
                answer = client.get(f"{site.url}/fhir/Patient/{patient}/Composition?_summary=count")
                if answer.status_code == 200:
                    found.append((answer.headers["vaka-answered-by"], answer.json()["total"]))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()


def test_killed_in_the_middle_of_taking_somebody_in(site: Scoped) -> None:
    """Broken: half of a patient's record is shown as all of it."""
    patient = site.there.admit()
    for _ in range(NOTES):
        site.there.note(patient)
    site.settled()
    kills = 0
    with reading(site, patient) as told:
        site.here.visit(patient)
        for _ in range(4):
            wait_until(lambda: site.pid("follow"), "it follows")
            os.kill(site.pid("follow"), signal.SIGKILL)
            kills += 1
            wait_until(lambda: site.pid("follow"), "it follows again")
            time.sleep(0.05 * kills)
        site.settled()
        wait_until(lambda: any(by == "copy" for by, _ in told[-3:]), "the copy answers")
    assert {count for _, count in told} == {NOTES}
    assert {by for by, _ in told} == {"copy", "journal"}
    same(site, patient)


def test_the_journal_away(site: Scoped) -> None:
    """Broken: a search that cannot be answered here says none; or who is not held is told to be unknown."""
    out, pid = site.more["out"], journal_pid(site.running)
    assert site.running.process is not None
    pids = (site.running.process.pid, pid)
    for one in pids:
        os.kill(one, signal.SIGSTOP)
    try:
        for path in (
            f"/fhir/Patient/{out}", f"/fhir/Encounter?patient={out}", f"/fhir/Patient/{out}/$everything", "/fhir/Patient?identifier=none",
            f"/fhir/Encounter?date=2026-01-01&patient={out},{site.here.patient}", "/fhir/Task?status=requested",
            f"/sheet/{out}", f"/unit/{site.there.hsa}",
        ):  # fmt: skip
            answer = site.get(path, Accept="application/json, application/fhir+json")
            assert answer.status_code == 503, (path, answer.text)
            assert site.here.hsa in answer.text, (path, answer.text)
        for path in (
            f"/fhir/Patient/{site.here.patient}", f"/fhir/Encounter?patient={site.here.patient}", f"/sheet/{site.here.patient}",
            f"/fhir/AllergyIntolerance?patient={site.here.patient}", f"/unit/{site.here.hsa}", "/fhir/Organization?name=Provider",
        ):  # fmt: skip
            answer = site.get(path)
            assert (answer.status_code, answer.headers["vaka-answered-by"]) == (200, "copy"), (path, answer.text)
    finally:
        for one in reversed(pids):
            os.kill(one, signal.SIGCONT)
    site.settled()


def test_status_says_whose_record_it_holds(site: Scoped) -> None:
    told = vaka("status", "--data", site.folder.path)
    assert f"holds the patients of {site.here.hsa}" in told.stdout, told.stdout


@pytest.mark.parametrize(
    ("scope", "says"), [("ward 5", "not an HSA-id"), (",", "names 0 units"), ("SE0-NONE", "does not know")]
)
def test_a_scope_that_is_none(site: Scoped, tmp_path: Path, scope: str, says: str) -> None:
    token_file = site.folder.path.parent / "token"
    told = vaka(
        "copy", "--from", site.running.url, "--data", tmp_path / "copy", "--port", str(free_port()), "--scope", scope,
        "--token-file", token_file,
    )  # fmt: skip
    assert told.returncode == 78
    assert says in told.stderr, told.stderr


def test_another_scope_is_seeded_anew(site: Scoped) -> None:
    """Broken: the patients of before stay in the files, or the new ones are missing."""
    before = site.folder.current()
    site.stop()
    site.start(site.there.hsa)
    wait_until(
        lambda: site.ready().get("scope") == [site.there.hsa] and site.folder.current() != before,
        "another seed is used",
    )
    site.settled()
    assert "the scope of this copy is another" in (site.folder.path / "log" / "follow.jsonl").read_text()
    wait_until(lambda: site.holds(site.more["out"]), "it is read from")
    same(site, site.more["out"])
    assert not site.holds(site.here.patient)
    assert site.here.patient.encode() not in site.contents()
    assert orjson.loads((site.folder.path / "copy.json").read_bytes())["scope"] == [site.there.hsa]
