"""A stop, from the front door: the journal's process frozen or killed, writes reserved at two copies, and all of it home, once."""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest
from bench.running import FULL, Vaka, free_port, running, token
from tests.api.records import Ward
from tests.client import Api, fresh
from tests.conftest import Instance
from tests.copy.reserve_standin import Fronted, fronted
from tests.copy.test_door import journal_pid
from tests.waiting import until

from vaka import config
from vaka.copy.reserve.entry import State
from vaka.copy.reserve.mode import Mode
from vaka.copy.reserve.numbers import copy_of
from vaka.copy.reserve.store import ReserveStore


@pytest.fixture(scope="module")
def vaka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vaka]:
    with running(tmp_path_factory.mktemp("stop") / "data") as made:
        yield made


@pytest.fixture(scope="module")
def doors(vaka: Vaka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Fronted]]:
    folder, ports = tmp_path_factory.mktemp("doors"), [free_port(), free_port()]
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                fronted(vaka.data, vaka.url, folder / f"copy-{name}", ports[n], f"http://127.0.0.1:{ports[1 - n]}")
            )
            for n, name in enumerate("ab")
        ]


@contextmanager
def standing_still(vaka: Vaka) -> Iterator[None]:
    """The journal's process is frozen; so is its supervisor, which would start another."""
    assert vaka.process is not None
    supervisor, journal = vaka.process.pid, journal_pid(vaka)
    for pid in (supervisor, journal):
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in (journal, supervisor):
            os.kill(pid, signal.SIGCONT)


def post(vaka: Vaka, door: Fronted, key: str | None = None, body: Any = None, **headers: str) -> httpx.Response:
    told = {
        "Authorization": f"Bearer {token(vaka.data, 'tests', FULL)}",
        "Idempotency-Key": key or uuid.uuid4().hex,
        **headers,
    }
    return httpx.post(door.url + "/fhir/Patient", json=body or patient(fresh()), headers=told, timeout=30)


def patient(value: str) -> dict[str, Any]:
    return {"resourceType": "Patient", "identifier": [{"system": "urn:test", "value": value}]}


def arrive(vaka: Vaka, door: Fronted, patient_id: str, key: str | None = None) -> httpx.Response:
    told = {"Authorization": f"Bearer {token(vaka.data, 'tests', FULL)}", "Idempotency-Key": key or uuid.uuid4().hex}
    body = {
        "resourceType": "Encounter",
        "status": "arrived",
        "class": {"code": "EMER"},
        "subject": {"reference": f"Patient/{patient_id}"},
    }
    return httpx.post(door.url + "/fhir/Encounter", json=body, headers=told, timeout=30)


def test_a_journal_that_stands_still_costs_one_wait_and_comes_back_to_everything_once(
    vaka: Vaka, doors: list[Fronted]
) -> None:
    """Would break: S14. The first try lies in the frozen journal and is carried out when it wakes; handing over does it no second time."""
    first, second = doors
    api = Api(vaka.url, token(vaka.data, "tests", FULL))
    assert post(vaka, first).headers["vaka-answered-by"] == "journal"
    with standing_still(vaka):
        key, value = uuid.uuid4().hex, fresh()
        began = time.monotonic()
        tried = post(vaka, first, key, patient(value))
        assert time.monotonic() - began > config.DOOR_TRY_S - 0.5
        assert (tried.status_code, tried.headers["vaka-reserve"]) == (201, "pending; copies=2")
        assert tried.headers.get_list("vaka-answered-by") == ["copy"] and "vaka-as-of" in tried.headers
        began = time.monotonic()
        values = [fresh() for _ in range(20)]
        ids = [post(vaka, first, body=patient(one)).json()["id"] for one in values]
        assert time.monotonic() - began < 20 * config.DOOR_TRY_S, "only the first waits for the journal"
        elsewhere = post(vaka, second, key, patient(value))
        assert elsewhere.json() == tried.json(), "the other copy knows it, and answers the same"
        assert post(vaka, second, key, patient("another")).status_code == 422
        (first.folder / "state.json").write_bytes(b'{"age_s": 60, "heard": false}')  # as the board says by then
        headers = {"Authorization": api.headers["Authorization"]}
        asked = httpx.delete(f"{first.url}/fhir/Patient/{ids[0]}", timeout=30, headers=headers)
        (first.folder / "state.json").write_bytes(b"{}")
        assert asked.status_code == 503
    stores = [door.store() for door in doors]
    until(lambda: all(not store.open() for store in stores), "all is handed over")
    until(lambda: stores[0].standing().mode is Mode.JOURNAL, "writes go to the journal again")
    for one in (value, *values):
        assert len(api.ids(f"/Patient?identifier=urn:test|{one}")) == 1
    assert api.ids(f"/Patient?identifier=urn:test|{value}") == [tried.json()["id"]]
    assert [api.ids(f"/Patient?identifier=urn:test|{one}")[0] for one in values] == ids
    assert {one.state for store in stores for one in store.listed(list(State))} == {State.DONE}
    assert post(vaka, first).headers["vaka-answered-by"] == "journal"
    for door, name in zip(doors, ("first", "second"), strict=True):
        headers = {"Authorization": api.headers["Authorization"], "If-Match": tried.headers["etag"]}
        changed = {**tried.json(), "active": True, "language": name}
        saved = httpx.put(f"{door.url}/fhir/Patient/{tried.json()['id']}", json=changed, headers=headers, timeout=30)
        expected = 200 if name == "first" else 412
        assert saved.status_code == expected, f"{saved.text}: it names what it has become, until that is changed"
        assert saved.headers["vaka-answered-by"] == "journal"
    for store in stores:
        store.close()
    api.close()


def test_an_order_and_a_dose_that_lay_in_the_frozen_journal_are_as_any_other_of_the_stop(
    vaka: Vaka, doors: list[Fronted]
) -> None:
    """Would break S12, S11: the very first order of a stop would be active by itself when the journal wakes, and a dose unseen; or,
    where the copy dies while it hands over, they would be told twice, and what waits behind them would be a Task."""
    first, second = doors
    api = Api(vaka.url, token(vaka.data, "tests", FULL))
    ward, drug = Ward(api), {"medicationCodeableConcept": {"text": fresh()}}
    person = f"SE-{fresh()}"
    session = Instance(vaka.url, vaka.data).session(
        person=person, practitioner=f"n-{person}", unit=ward.unit, provider=ward.provider
    )
    order = {"resourceType": "MedicationRequest", "intent": "order", "status": "active",
             "subject": ward.owned()["subject"], **drug}  # fmt: skip
    dose = {"resourceType": "MedicationAdministration", "status": "completed", "subject": ward.owned()["subject"],
            "effectiveDateTime": "2026-11-29T08:00:00+01:00", **drug}  # fmt: skip
    given = api.make(dose)
    for door in doors:
        store = door.store()
        until(lambda: store.standing().mode is Mode.JOURNAL, "writes go to the journal", 60)  # noqa: B023
        store.close()

    def sent(door: Fronted, method: str, path: str, body: Any, **headers: str) -> httpx.Response:
        told = drafted(door, method, f"/fhir/{path}", session, body, **headers)
        assert told.status_code in (200, 201), told.text
        assert told.headers["vaka-reserve"].startswith("pending; copies=2")
        return told

    with standing_still(vaka):
        made = sent(first, "POST", "MedicationRequest", order)
        assert "site-only" in made.headers["vaka-reserve"]
        name = f"MedicationRequest/{made.json()['id']}"
        twice = sent(
            second, "POST", "MedicationAdministration", {**dose, "effectiveDateTime": "2026-11-29T09:00:00+01:00"}
        )
        noted = sent(
            second, "PUT", name, {**made.json(), "note": [{"text": "1"}]}, **{"If-Match": made.headers["etag"]}
        )
        steps = [
            {"op": "test", "path": "/status", "value": "active"},
            {"op": "add", "path": "/note/-", "value": {"text": "2"}},
        ]
        patching = {"If-Match": noted.headers["etag"], "Content-Type": "application/json-patch+json"}
        sent(first, "PATCH", name, steps, **patching)
        other = sent(first, "POST", "MedicationRequest", order)
        path = f"MedicationRequest/{other.json()['id']}"
        sent(second, "PUT", path, {**other.json(), "status": "cancelled"}, **{"If-Match": other.headers["etag"]})
    until(lambda: api.get(f"/{name}").status_code == 200, "the journal has carried it out when it woke")
    until(lambda: asked(api, ward), "handing over has begun", 60)
    first.kill()
    first.start()
    stores = [door.store() for door in doors]
    until(lambda: all(not store.open() for store in stores), "all is handed over", 60)
    stands = api.get(f"/{name}").json()
    assert (stands["status"], [one["text"] for one in stands["note"]]) == ("on-hold", ["1", "2"])
    assert api.get(f"/{path}").json()["status"] == "cancelled"
    assert asked(api, ward) == sorted(
        [
            ("order-from-stop", "requested", name),
            ("order-from-stop", "completed", path),
            ("doses-too-close", "requested", f"MedicationAdministration/{twice.json()['id']}"),
        ]
    )
    assert api.get(f"/MedicationAdministration/{given['id']}").json() == given
    for store in stores:
        mine = [one for one in store.listed(list(State)) if ward.patient in one.patients]
        assert {one.state for one in mine} == {State.DONE}
        store.close()
    api.close()


def asked(api: Api, ward: Ward) -> list[tuple[str, str, str]]:
    """Code, status and focus of the Tasks of a ward's patient."""
    tasks = [each["resource"] for each in api.bundle(f"/Task?patient={ward.patient}").get("entry", ())]
    return sorted((one["code"]["coding"][0]["code"], one["status"], one["focus"]["reference"]) for one in tasks)


def drafted(door: Fronted, method: str, path: str, session: str, body: Any = None, **headers: str) -> httpx.Response:
    told = {"Authorization": f"Bearer {session}", **headers}
    return httpx.request(method, door.url + path, json=body, headers=told, timeout=30)


def test_a_draft_survives_session_page_and_stop(vaka: Vaka, doors: list[Fronted]) -> None:
    """Would break S19: what was typed is gone with its page or its copy, stands where it does not belong, or is sent twice."""
    first, second = doors
    api = Api(vaka.url, token(vaka.data, "tests", FULL))
    ward, instance = Ward(api), Instance(vaka.url, vaka.data)

    def login(person: str) -> str:
        return instance.session(person=person, practitioner=f"n-{person}", unit=ward.unit, provider=ward.provider)

    person = f"SE-{fresh()}"
    here, there, another = login(person), login(person), login(f"SE-{fresh()}")
    draft, form, other_form = (str(uuid.uuid4()) for _ in range(3))
    place = f"?patient={ward.patient}"

    def texts(door: Fronted) -> list[str]:
        told = drafted(door, "GET", f"/drafts/{draft}{place}", there)
        return [one["content"] for one in told.json().get("texts", ())]

    with standing_still(vaka):
        saved = drafted(
            first, "PUT", f"/drafts/{draft}/{form}{place}", here, {"number": 1, "form": "note", "content": "Sover gott"}
        )
        assert saved.status_code == 200, saved.text
        assert saved.headers["vaka-answered-by"] == "copy"
        until(lambda: texts(second) == ["Sover gott"], "another session finds it on the other copy")
        assert drafted(second, "GET", f"/drafts/{draft}{place}", another).status_code == 404
        assert drafted(second, "GET", "/drafts", another).json() == {"drafts": []}
        assert drafted(second, "GET", f"/drafts/{draft}?patient={fresh()}", there).status_code == 409
        drafted(
            second, "PUT", f"/drafts/{draft}/{other_form}{place}", there,
            {"number": 1, "form": "note", "content": "Sover gott. Åt frukost", "continues": {form: 1}},
        )  # fmt: skip
        until(lambda: texts(first) == ["Sover gott. Åt frukost"], "the first hears that it goes on elsewhere")
        assert not [entry for door in doors for entry in door.store().open() if ward.patient in entry.patients]
        note = {
            "resourceType": "Composition", "status": "final", "type": {"text": "Anteckning"}, "date": "2026-11-29",
            "title": "Sover gott", "author": [{"display": "x"}], **ward.owned(),
        }  # fmt: skip
        sends = {"Vaka-Draft": f"{draft}/{other_form}/1"}
        elsewhere = {**note, "subject": {"reference": f"Patient/{fresh()}"}}
        assert drafted(first, "POST", "/fhir/Composition", there, elsewhere, **sends).status_code == 409
        sent = drafted(first, "POST", "/fhir/Composition", there, note, **sends)
        assert (sent.status_code, sent.headers["vaka-reserve"]) == (201, "pending; copies=2"), sent.text
        until(lambda: texts(first) == texts(second) == [], "it leaves the drafts of both")
        again = drafted(second, "POST", "/fhir/Composition", there, note, **sends)
        assert again.json() == sent.json()
        assert drafted(second, "POST", "/fhir/Composition", there, {**note, "title": "x"}, **sends).status_code == 422
        late = drafted(
            first, "PUT", f"/drafts/{draft}/{form}{place}", here, {"number": 1, "form": "note", "content": "x"}
        )
        assert late.status_code == 409, "the first page saves what was gone on from"
    until(lambda: not any(door.store().open() for door in doors), "all is handed over", 60)
    assert api.get(f"/Composition/{sent.json()['id']}").json()["title"] == "Sover gott"
    assert len(api.ids(f"/Composition?patient={ward.patient}")) == 1
    api.close()


def _kept(store: ReserveStore) -> list[tuple[str, bool]]:
    """Programs that keep what was not taken, and whether they send it."""
    return [(one.name, one.sends()) for one in store.programs.keeping()]


def test_a_copy_is_killed_with_what_it_holds_and_its_neighbour_knows_it(vaka: Vaka, doors: list[Fronted]) -> None:
    """Would break: promise 2: what two machines hold would be lost with one of them."""
    first, second = doors
    with standing_still(vaka):
        key, value = uuid.uuid4().hex, fresh()
        told = post(vaka, first, key, patient(value))
        assert told.status_code == 201
        first.kill()
        again = post(vaka, second, key, patient(value))
        assert again.status_code == 201, again.text
        assert again.json() == told.json()
        alone = post(vaka, second)
        assert alone.status_code == 503, "no other copy can hold it"
        assert "Retry-After" in alone.headers
        store = second.store()
        assert _kept(store) == [("tests", False)], "it keeps what it has, and nobody may say that all is back (S35)"
    api = Api(vaka.url, token(vaka.data, "tests", FULL))
    until(lambda: api.ids(f"/Patient?identifier=urn:test|{value}"), "the neighbour hands over what it has answered for")
    assert _kept(store) == [("tests", False)]
    store.close()
    first.start()
    stores = [door.store() for door in doors]
    until(lambda: _kept(stores[0]) == [("tests", False)], "the first one has heard of it")
    until(lambda: post(vaka, first).status_code == 201, "writes go to the journal again")
    assert _kept(stores[0]) == [("tests", True)], "it has come again, and may keep more"
    until(lambda: not _kept(stores[0]) and not _kept(stores[1]), "it rests: both know that it has sent all")
    until(lambda: all(not store.open() for store in stores), "both know that it is home")
    assert api.ids(f"/Patient?identifier=urn:test|{value}") == [told.json()["id"]]
    for store in stores:
        store.close()
    api.close()


def test_two_copies_and_a_restart_never_give_one_number_twice(vaka: Vaka, doors: list[Fronted]) -> None:
    """Would break S18; and the number that was told for a first try, which the journal carried out, would be on no visit."""
    second = doors[1]
    api = Api(vaka.url, token(vaka.data, "tests", FULL))
    somebody = api.make(patient(fresh()))["id"]
    for door in doors:
        store = door.store()
        until(lambda: store.range() is not None, "it has numbers to give")  # noqa: B023
        until(lambda: store.standing().mode is Mode.JOURNAL, "writes go to the journal")  # noqa: B023
        store.close()
    told: dict[str, str] = {}
    with standing_still(vaka):
        for _ in range(2):  # the very first lies in the frozen journal, which carries it out when it wakes
            for door in doors:
                made = arrive(vaka, door, somebody)
                assert made.status_code == 201, made.text
                told[made.json()["id"]] = made.json()["identifier"][0]["value"]
            second.kill()
            second.start()
    assert len(set(told.values())) == 4
    assert len({copy_of(number) for number in told.values()}) == 2
    stores = [door.store() for door in doors]
    until(lambda: all(not store.open() for store in stores), "all is handed over")
    for id_, number in told.items():
        assert [one["value"] for one in api.get(f"/Encounter/{id_}").json()["identifier"]] == [number]
    for store in stores:
        store.close()
    api.close()
