"""A stop as a site with one copy meets it: the journal's process stands still, and people go on writing at the copy's own door."""

from __future__ import annotations

import os
import re
import secrets
import signal
import uuid
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import psutil
import pytest
import zstandard
from bench.running import FULL, Vaka, free_port, token
from tests.api.records import Ward
from tests.client import Api, Resource, fresh
from tests.conftest import Instance
from tests.copy.test_door import journal_pid
from tests.recovery.running import vaka, wait_until
from tests.web.browser import Browser, field

from vaka import process
from vaka.copy.files import Folder
from vaka.copy.reserve import recovery
from vaka.copy.reserve.entry import State
from vaka.copy.reserve.neighbours import Neighbours
from vaka.copy.reserve.numbers import ENCOUNTER, PERSONAL, copy_of
from vaka.copy.reserve.opening import open_reserve
from vaka.copy.reserve.peers import Peer
from vaka.watch import status

ATC = "http://www.whocc.no/atc"
NUMBER = {"system": "http://electronichealth.se/identifier/personnummer", "value": "194810179286"}
NAMED = "Hemligerydh"


@dataclass
class Stop:
    """The copy at ``url`` while its journal stands still. ``person``: somebody at the ward."""

    running: Vaka
    ward: Ward
    url: str
    data: Path
    session: str
    allergy: str

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
        api.make(
            {"resourceType": "Patient", "identifier": [NUMBER], "name": [{"text": f"Eva {NAMED}", "family": NAMED}]}
        )
        allergy = {
            "resourceType": "AllergyIntolerance", "code": {"coding": [{"system": ATC, "code": "J01C"}], "text": "Penicillin"},
            "patient": ward.owned()["subject"], "encounter": ward.owned()["encounter"],
            "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}]},
        }  # fmt: skip
        allergy = api.make(allergy)
        session = instance.session(
            person=f"SE-{fresh()}", practitioner=f"n-{fresh()}", unit=ward.unit, provider=ward.provider
        )
        stop = Stop(made, ward, made.url, made.data / "copies" / "1", session, allergy["id"])

        def followed() -> bool:
            answer = stop.ask("GET", f"/fhir/AllergyIntolerance/{allergy['id']}")
            return answer.status_code == 200 and answer.headers["vaka-answered-by"] == "copy"

        wait_until(followed, "the copy has the ward")
        store = open_reserve(Folder(stop.data))
        wait_until(lambda: store.range() is not None, "the copy has numbers to give")
        store.close()
        (made.data / "passphrase").write_text(secrets.token_hex(16))
        given = ("--passphrase-file", str(made.data / "passphrase"))
        vaka("keys", "recovery", "make", "--to", str(made.data / "recovery.p12"), *given)
        vaka("keys", "recovery", "use", str(made.data / "recovery.p12.pub"), "--data", str(made.data))
        wait_until(lambda: recovery.kept_for(Folder(stop.data)) is not None, "the reserve opens with the recovery key")
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


def test_a_pending_entry_is_read_with_the_version_that_was_told(stop: Stop) -> None:
    """Would break: who reads an entry of the stop and changes it with the ETag of that answer is refused: it is that of a version
    that the journal has never made. And the address that the 201 named leads nowhere."""
    made = stop.ask("POST", "/fhir/Composition", note(stop))
    at, etag = f"/fhir/Composition/{made.json()['id']}", made.headers["etag"]
    read = stop.ask("GET", at)
    assert (read.status_code, read.headers["etag"]) == (200, etag)
    assert stop.ask("GET", at, **{"If-None-Match": etag}).status_code == 304
    by_address = stop.ask("GET", made.headers["location"].removeprefix(stop.url))
    assert (by_address.status_code, by_address.content) == (200, read.content)
    assert stop.ask("GET", f"{at}/_history/r-{uuid.uuid4()}").status_code == 404
    changed = stop.ask("PUT", at, {**read.json(), "title": "Rättad"}, **{"If-Match": read.headers["etag"]})
    assert (changed.status_code, changed.json()["title"]) == (200, "Rättad")
    assert stop.ask("GET", at).headers["etag"] == changed.headers["etag"] != etag


def test_an_entry_knows_the_clock_of_its_copy(stop: Stop) -> None:
    """Would break S6: at a copy that is cut off from time service nobody could tell by how much an entry's time is wrong."""
    assert stop.ask("POST", "/fhir/Composition", note(stop)).status_code == 201
    listed = orjson.loads(vaka("reserve", "list", "--data", str(stop.data), "--json").stdout)["entries"]
    shown = vaka("reserve", "show", str(listed[-1]["number"]), "--data", str(stop.data), "--json").stdout
    assert orjson.loads(shown)["clock_offset_ms"] == 0, "copy and journal have one clock here, and it knows"


def test_a_program_keeps_its_queue_where_one_disk_alone_would_hold_it(stop: Stop) -> None:
    """Would break S15: the laboratory would believe a result delivered that one disk holds."""
    result = {"resourceType": "DiagnosticReport", "status": "final", "code": {"text": "x"}, **stop.ward.owned()}
    for _ in range(2):
        refused = stop.ask("POST", "/fhir/DiagnosticReport", result, by=stop.program)
        assert refused.status_code == 503, refused.text
        assert "Retry-After" in refused.headers
    told = vaka("reserve", "list", "--json", "--data", str(stop.data)).stdout
    assert sum("laboratory (since " in one for one in orjson.loads(told)["not_back"]) == 1, "S35: it has not come again"


def test_status_says_that_there_is_one_copy(stop: Stop) -> None:
    """Would break: nobody who runs it would know that a stop's notes stand on one disk."""
    data = str(stop.running.data)
    assert "stands on one disk alone" in vaka("status", "--data", data).stdout


@pytest.mark.skipif(not process.has_huge_pages(), reason="this system has no huge pages to give")
def test_what_serves_and_follows_has_its_memory_in_huge_pages(stop: Stop) -> None:
    """Would break: an answer costs a third more, and how much varies with what else runs on the machine (decision 0026)."""
    found = {"journal": journal_pid(stop.running)}
    copy = status.read(stop.data / "run" / "status.json")
    assert copy is not None
    found |= {part.name: part.pid or 0 for part in copy.parts if part.name in ("serve-1", "follow")}
    assert len(found) == 3
    for name, pid in found.items():
        smaps = Path(f"/proc/{pid}/smaps").read_text()
        heap = re.findall(r"\[heap\]\nSize: +(\d+) kB\n(?:.+\n)*?VmFlags: (.*)", smaps)
        asked_kb = sum(int(kb) for kb, flags in heap if "hg" in flags.split())
        assert asked_kb > 32 << 10, (name, heap)


def test_ready_says_that_it_is_alone(stop: Stop) -> None:
    """Would break: what watches the copies would learn of the one disk when it is needed."""
    wait_until(
        lambda: httpx.get(stop.url + "/ready").json()["writing"] == "reserve", "the journal is not heard any more"
    )
    answer = httpx.get(stop.url + "/ready")
    told = answer.json()
    assert (answer.status_code, told["reading"]) == (200, True)
    assert {name: told["reserve"][name] for name in ("copies", "takes", "alone")} == {
        "copies": 1, "takes": "people", "alone": True,
    }  # fmt: skip
    assert "this copy is alone" in told["reserve"]["says"]


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


def arrival(stop: Stop, **members: Any) -> Resource:
    return {
        "resourceType": "Encounter", "status": "arrived", "class": {"code": "EMER"}, "subject": stop.ward.owned()["subject"],
        "serviceProvider": {"reference": f"Organization/{stop.ward.unit}"}, **members,
    }  # fmt: skip


def arrived(stop: Stop) -> str:
    made = stop.ask("POST", "/fhir/Encounter", arrival(stop))
    assert made.status_code == 201, made.text
    (one,) = made.json()["identifier"]
    assert one["system"] == ENCOUNTER
    return str(one["value"])


def test_who_arrives_gets_a_number_that_nobody_else_has_also_after_a_restart(stop: Stop) -> None:
    """Would break S18: two patients' samples would have one number; or nobody would have one until the journal is back."""
    given = [arrived(stop) for _ in range(3)]
    found = status.read(stop.data / "run" / "status.json")
    assert found is not None
    serving = next(part.pid for part in found.parts if part.name.startswith("serve"))
    assert serving is not None
    os.kill(serving, signal.SIGKILL)

    def again() -> bool:
        try:
            return stop.ask("GET", "/ready").status_code == 200
        except httpx.TransportError:
            return False

    wait_until(again, "it answers again")
    given += [arrived(stop) for _ in range(3)]
    assert len(set(given)) == 6
    assert len({copy_of(one) for one in given}) == 1
    own = stop.ask("POST", "/fhir/Encounter", arrival(stop, identifier=[{"system": "urn:region", "value": fresh()}]))
    assert len(own.json()["identifier"]) == 1, "a visit that has a number keeps it"
    wrong = given[0][:-1] + str((int(given[0][-1]) + 1) % 10)
    misread = stop.ask("POST", "/fhir/Encounter", arrival(stop, identifier=[{"system": ENCOUNTER, "value": wrong}]))
    assert (misread.status_code, "check digit" in misread.text) == (422, True)


def reserve_number(stop: Stop, key: str | None = None, **known: Any) -> httpx.Response:
    told = [
        {"name": name.replace("_", "-"), ("valueBoolean" if value is True else "valueString"): one}
        for name, value in known.items()
        for one in (value if isinstance(value, list) else [value])
    ]
    headers = {"Idempotency-Key": key} if key else {}
    body = {"resourceType": "Parameters", "parameter": told}
    return stop.ask("POST", "/fhir/Patient/$reserve-number", body, **headers)


def test_a_person_gets_a_reserve_number_once_who_it_might_be_was_looked_at(stop: Stop) -> None:
    """Would break S18: a second record of somebody who has one, or one number for two people."""
    assert reserve_number(stop, name="Åsa Ek").status_code == 400, "one identifier is too little"
    looked = reserve_number(stop, name="Åsa Ek", born="1951-03-02")
    assert looked.status_code == 200, looked.text
    assert [one["name"] for one in looked.json()["parameter"]] == []
    key = uuid.uuid4().hex
    first, again = (
        reserve_number(stop, key, name="Åsa Ek", born="1951-03-02", nobody_shown=True).json() for _ in range(2)
    )
    assert first == again, "asked again it is the same number"
    (number,) = [one["valueIdentifier"] for one in first["parameter"]]
    assert number["system"] == PERSONAL
    assert copy_of(number["value"]) is not None
    assert reserve_number(stop, key, unknown=True, nobody_shown=True).status_code == 422, (
        "another request under its key"
    )
    made = stop.ask("POST", "/fhir/Patient", {
        "resourceType": "Patient", "identifier": [number], "name": [{"text": "Åsa Ek", "family": "Ek", "given": ["Åsa"]}],
        "birthDate": "1951-03-02",
    })  # fmt: skip
    assert made.status_code == 201, made.text
    candidates = reserve_number(stop, name="Åsa Ek", born="1951-03-02").json()["parameter"]
    assert [one["valueReference"]["reference"] for one in candidates] == [f"Patient/{made.json()['id']}"]
    passed_over = reserve_number(stop, name="Åsa Ek", born="1951-03-02", nobody_shown=True)
    assert (passed_over.status_code, "were not shown" in passed_over.text) == (422, True)
    other = reserve_number(stop, unknown=True, nobody_shown=True).json()["parameter"][0]["valueIdentifier"]["value"]
    assert other != number["value"]


def test_numbers_are_given_on_a_page_once_who_it_might_be_was_shown(stop: Stop) -> None:
    """Would break S18: a number would be given without a look, twice for one press, or to who came from another site; or what was
    typed would be lost (S19)."""
    browser = Browser(stop.url)
    assert browser.get("/numbers").status_code == 401
    browser.cookies["__Host-vaka"] = stop.session
    page = browser.get("/numbers")
    assert page.status_code == 200, page.text
    assert "<script" not in page.text.replace('<script src="/static/vaka.js" defer></script>', "")
    assert "Reserve numbers" in browser.get("/").text
    csrf, key = field(page.text, "csrf"), field(page.text, "key")
    known = {"csrf": csrf, "key": key, "name": "Nils Bergqvist", "born": "1938-07-09"}
    assert browser.post("/numbers", {**known, "csrf": "x"}).status_code == 403
    assert browser.post("/numbers", known, Origin="https://elsewhere.example").status_code == 403
    little = browser.post("/numbers", {**known, "born": ""})
    assert (little.status_code, 'value="Nils Bergqvist"' in little.text) == (422, True)
    assert "write it as 1951-03-02" in browser.post("/numbers", {**known, "born": "9/7 38"}).text
    looked = browser.post("/numbers", known)
    assert "Nobody whom you may see here has this." in looked.text
    given = browser.post("/numbers", {**known, "shown": field(looked.text, "shown")})
    assert given.status_code == 200, given.text
    (number,) = re.findall(r'<strong class="code">(99\d{10})</strong>', given.text)
    assert copy_of(number) is not None
    assert number in browser.post("/numbers", {**known, "shown": ""}).text, "sent twice it is the same"
    made = stop.ask("POST", "/fhir/Patient", {
        "resourceType": "Patient", "identifier": [{"system": PERSONAL, "value": number}], "birthDate": "1938-07-09",
        "name": [{"text": "Nils Bergqvist", "family": "Bergqvist", "given": ["Nils"]}], "gender": "male",
    })  # fmt: skip
    assert made.status_code == 201, made.text
    asked = {**known, "key": field(given.text, "key")}
    again = browser.post("/numbers", asked)
    assert f"/sheet/{made.json()['id']}" in again.text
    assert all(told in again.text for told in ("Nils Bergqvist", number, "male"))
    passed_over = browser.post("/numbers", {**asked, "shown": ""})
    assert (passed_over.status_code, "Somebody else may be meant" in passed_over.text) == (422, True)
    other = browser.post("/numbers", {**asked, "shown": field(again.text, "shown")})
    assert "It may be the same person as:" in other.text, "who it may be is looked at afterwards"
    visit = {"csrf": csrf, "key": field(other.text, "key"), "visitor": number}
    who = browser.post("/numbers/visit", visit)
    assert field(who.text, "patient") == made.json()["id"]
    confirmed = browser.post("/numbers/visit", {**visit, "patient": made.json()["id"]})
    (encounter,) = re.findall(r'<strong class="code">(R\d{10})</strong>', confirmed.text)
    assert copy_of(encounter) is not None
    assert encounter in browser.post("/numbers/visit", {**visit, "patient": made.json()["id"]}).text
    assert browser.post("/numbers/visit", {**visit, "visitor": "nobody"}).status_code == 422


def test_an_order_is_checked_against_the_allergies_that_are_known(stop: Stop) -> None:
    """Would break S12: penicillin would be ordered during a stop for who does not bear it, and nobody would be told."""
    order = {
        "resourceType": "MedicationRequest", "status": "active", "intent": "order", **stop.ward.owned(),
        "medicationCodeableConcept": {"coding": [{"system": ATC, "code": "J01CE02"}]},
    }  # fmt: skip
    met = stop.ask("POST", "/fhir/MedicationRequest", order)
    assert met.status_code == 201, met.text
    assert met.headers["vaka-allergies"] == f"known=1; met=AllergyIntolerance/{stop.allergy}"
    assert met.headers["vaka-reserve"] == "pending; copies=1; site-only"
    other = {**order, "medicationCodeableConcept": {"coding": [{"system": ATC, "code": "N02BE01"}], "text": "Alvedon"}}
    assert stop.ask("POST", "/fhir/MedicationRequest", other).headers["vaka-allergies"] == "known=1"
    assert "vaka-allergies" not in stop.ask("POST", "/fhir/Composition", note(stop)).headers


def test_nothing_that_people_write_or_say_is_plain_on_the_copys_disk(stop: Stop) -> None:
    """Would break: who takes the disk reads what was entered, what was being typed, and why somebody opened a record: in reserve,
    record, sheets, search words, drafts, log or whatever else lies there."""
    secret, draft = f"Hemligsson{fresh()}", str(uuid.uuid4())
    written = stop.ask("POST", "/fhir/Composition", note(stop, title=secret))
    assert written.status_code == 201, written.text
    owned, active = stop.ward.owned(), "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
    allergy = {
        "resourceType": "AllergyIntolerance", "code": {"text": secret}, "patient": owned["subject"],
        "encounter": owned["encounter"], "clinicalStatus": {"coding": [{"system": active, "code": "active"}]},
    }  # fmt: skip
    assert stop.ask("POST", "/fhir/AllergyIntolerance", allergy).status_code == 201
    text = {"number": 1, "form": "note", "content": secret}
    place = f"?patient={stop.ward.patient}"
    assert stop.ask("PUT", f"/drafts/{draft}/{uuid.uuid4()}{place}", text).status_code == 200
    why = {"what": "emergency", "reason": secret, "no-consent": secret}
    names = {"what": "valueCode"}
    said = [{"name": name, names.get(name, "valueString"): value} for name, value in why.items()]
    told = {"resourceType": "Parameters", "parameter": said}
    opened = stop.ask("POST", f"/fhir/Patient/{stop.ward.patient}/$open", told)
    assert opened.status_code in (200, 201), opened.text
    assert secret in stop.ask("GET", f"/fhir/Composition/{written.json()['id']}").text
    wait_until(lambda: secret in stop.ask("GET", f"/sheet/{stop.ward.patient}").text, "the sheet shows it")
    address = f"Okand{fresh()}"
    assert stop.ask("GET", f"/fhir/Patient/{address}").status_code != 200  # a refusal that is logged
    asked = stop.data / "log" / "serve-1.requests.log"
    wait_until(lambda: '"/fhir/Patient/~' in asked.read_text(), "what was gathered for the logs is written")
    for asks in (f"name={NAMED}", f"identifier={NUMBER['value']}"):
        assert NAMED in stop.ask("GET", f"/fhir/Patient?{asks}").text, "who was there before the stop"
    known = (NAMED, NUMBER["value"], NUMBER["value"][2:])
    looked = {path: path.read_bytes() for path in stop.data.rglob("*") if path.is_file()}
    there = {path.name for path in looked}
    assert {
        "record.db",
        "record.db-wal",
        "reserve.db",
        "own.db",
        "board",
        "00000001.log",
        "serve-1.requests.log",
    } <= there
    for path, content in looked.items():
        for shape in (content, *unpacked(content)):
            assert secret.encode() not in shape and secret.lower().encode() not in shape, path
            assert address.encode() not in shape, path
            assert not [one for one in known if one.encode() in shape or one.lower().encode() in shape], path


def unpacked(content: bytes) -> Iterator[bytes]:
    """Whatever in it begins like something packed, as far as it can be unpacked."""
    for mark, opener in ((b"\x28\xb5\x2f\xfd", zstandard.ZstdDecompressor().decompressobj), (b"\x1f\x8b\x08", gunzip)):
        at = -1
        while (at := content.find(mark, at + 1)) >= 0:
            with suppress(zstandard.ZstdError, zlib.error):
                yield opener().decompress(content[at : at + 1024 * 1024])


def gunzip() -> Any:
    return zlib.decompressobj(31)


def test_who_wrote_what_the_journal_refused_hears_of_it_and_why(stop: Stop) -> None:
    """Would break: a refused note would stand on the sheet as one that waits, and its unit would never know that it did not get
    into the record; or a stranger would read the reason."""
    assert stop.ask("POST", "/fhir/Composition", note(stop)).status_code == 201
    store, address = open_reserve(Folder(stop.data)), f"/unit/{stop.ward.unit}"
    try:
        one = store.open()[-1]
        assert stop.ask("GET", address, Accept="application/json").json()["notices"] == []
        store.become(one.number, State.REFUSED, "the journal's reason")
        (told,) = stop.ask("GET", address, Accept="application/json").json()["notices"]
        assert "(Composition): the journal's reason" in told
        page = stop.ask("GET", address, Accept="text/html", **{"Accept-Language": "sv"})
        assert "Journalen har inte tagit emot det som skrevs" in page.text
        other = stop.ask("GET", address, by=stop.program, Accept="application/json")
        assert (other.status_code, "reason" in other.text) == (200, False)

        def on_sheet(**who: Any) -> list[str]:
            answer = stop.ask("GET", f"/sheet/{stop.ward.patient}", Accept="application/json", **who)
            assert answer.status_code == 200, answer.text
            return [notice for notice in answer.json()["notices"] if "reason" in notice]

        wait_until(lambda: on_sheet() == [told], "the patient's sheet tells of it")
        assert on_sheet(by=stop.program) == []
        store.become(one.number, State.SETTLED, "", only_from=[State.REFUSED])
        wait_until(lambda: on_sheet() == [], "it is settled")
    finally:
        store.become(one.number, State.SETTLED, "", only_from=[State.REFUSED])
        store.close()


def test_a_neighbour_that_cannot_be_reached_is_named_on_the_pages(stop: Stop) -> None:
    """Would break S10: what was entered at the other copy would be missing, and the page would look complete."""
    Neighbours(Folder(stop.data)).keep([Peer("Södra", "http://127.0.0.1:9")], single="people")

    def named() -> bool:
        page = stop.ask("GET", f"/sheet/{stop.ward.patient}", Accept="text/html", **{"Accept-Language": "sv"})
        return "Det som förts in i Södra kan saknas här" in page.text

    wait_until(named, "the sheet names the neighbour")


def test_the_only_copy_dies_with_its_key_and_nothing_is_lost(stop: Stop) -> None:
    """Would break promise 2: what people wrote during a stop would be gone with one box, or be there twice. It ends the module."""
    values = [fresh() for _ in range(12)]
    first = note(stop, identifier={"system": "urn:test", "value": values[0]})
    ids = [stop.ask("POST", "/fhir/Composition", first).json()["id"]]
    for value in values[1:]:
        body = note(stop, identifier={"system": "urn:test", "value": value})
        ids.append(stop.ask("POST", "/fhir/Composition", body).json()["id"])
    changed = stop.ask("PUT", f"/fhir/Composition/{ids[0]}", {**first, "id": ids[0], "title": "Ändrad"})
    assert changed.status_code == 200, changed.text
    for one in copy_processes(stop.data):
        one.kill()
    (stop.data / "keys" / "copy.key").unlink()
    os.kill(journal_pid(stop.running), signal.SIGCONT)  # its supervisor stands still, and starts no copy
    data = stop.running.data
    asked = (
        "reserve", "recover", "--data", str(stop.data), "--key", str(data / "recovery.p12"), "--passphrase-file",
        str(data / "passphrase"), "--json",
    )  # fmt: skip
    listed = orjson.loads(vaka(*asked).stdout)
    assert listed["counts"]["waiting"] >= len(values) + 1
    by = ("--hand-over", "--by", "Ada", "--reason", "the copy's machine burned")
    once = orjson.loads(vaka(*asked, *by).stdout)
    never = {"unheld": listed["counts"]["unheld"]}  # the program's, to whom nothing was acknowledged
    assert once["counts"] == {"done": listed["counts"]["waiting"], **never}, once
    twice = orjson.loads(vaka(*asked, *by).stdout)
    assert twice["counts"] == never, "nothing waits any more"
    ports = orjson.loads((data / "run" / "ports.json").read_bytes())
    api = Api(f"http://127.0.0.1:{ports['journal']}", stop.program)
    for value, id_ in zip(values, ids, strict=True):
        assert api.ids(f"/Composition?identifier=urn:test|{value}") == [id_]
    assert api.get(f"/Composition/{ids[0]}").json()["title"] == "Ändrad"
    api.close()


def copy_processes(folder: Path) -> list[psutil.Process]:
    """All of the copy in ``folder``: its supervisor, what follows, what answers."""
    of_it = [one for one in psutil.process_iter() if one.is_running() and str(folder) in _line(one)]
    assert len(of_it) >= 3, of_it
    return of_it


def _line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
