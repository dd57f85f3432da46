"""A journal that was set back to an earlier time gets from its copies what it lost: all of it, once, overwriting nothing."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest
from bench.running import FULL, free_port
from tests.api.records import Ward, acts, marks
from tests.client import Api, Resource
from tests.conftest import Instance
from tests.copy.following import Following, caught_up, following
from tests.feeding import end
from tests.recovery.running import up, vaka, wait_until

from vaka.copy.reserve.entry import LOST, Entry, Part, State, wire
from vaka.copy.reserve.opening import open_reserve

ACTIVE = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}]}
SCOPES = frozenset({"feed", "feed-private", "reserve"})


@dataclass
class Tail:
    """What was written after the time that the journal was set back to, and what was written before it."""

    ward: Ward
    note: Resource
    signed: Resource
    alert: Resource
    gone: Resource
    new: Resource
    seen_by_one: Resource
    journal: Instance
    api: Api
    copies: list[Following]
    theirs: Resource


def note(ward: Ward, text: str, **members: Any) -> Resource:
    return {
        "resourceType": "Composition", "status": "final", "type": {"text": "Anteckning"}, "date": "2026-11-29T08:00:00+01:00",
        "title": text, **ward.owned(), "author": [{"display": "x"}], **members,
    }  # fmt: skip


def allergy(ward: Ward, text: str, **members: Any) -> Resource:
    return {
        "resourceType": "AllergyIntolerance",
        "code": {"text": text},
        "patient": ward.owned()["subject"],
        "encounter": ward.owned()["encounter"],
        "clinicalStatus": ACTIVE,
        **members,
    }


def change(api: Api, resource: Resource, **members: Any) -> Resource:
    return api.make({**resource, **members})


@pytest.fixture(scope="module")
def tail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tail]:
    folder, port, seed = tmp_path_factory.mktemp("set-back"), free_port(), random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    data = folder / "data"
    journal = Instance(f"http://127.0.0.1:{port}", data)
    with up(data, port=port):
        api = Api(journal.url, journal.token("tests", FULL))
        wait_until(lambda: list((data / "backup").glob("*/base/[0-9]*/vaka.json")), "a base backup that is whole")
        ward = Ward(api)
        before = [api.make(note(ward, "Före")), api.make(allergy(ward, "Hasselnöt")), api.make(note(ward, "Raderas"))]
        time.sleep(0.1)
        between = datetime.now(UTC)
        time.sleep(0.1)
        with (
            following(folder / "one", journal.url, journal.token("one", SCOPES)) as one,
            following(folder / "two", journal.url, journal.token("two", SCOPES)) as two,
        ):
            signed = change(api, before[0], title="Efter")
            person = journal.client(
                journal.session(person="SE-1", practitioner="n-1", unit=ward.unit, provider=ward.provider)
            )
            done = person.post(f"/Composition/{signed['id']}/$sign", headers={"If-Match": 'W/"2"'})
            assert done.status_code in (200, 201), done.text
            alert = change(api, before[1], code={"text": "Jordnöt"})
            api.delete(f"/Composition/{before[2]['id']}")
            new = api.make(note(ward, "Ny"))
            for text in ("Ny, ändrad", "Ny, igen"):
                new = change(api, new, title=text)
            for copy in (one, two):
                copy.until(caught_up)
                assert copy.ask(wait=end(api), ms=10_000) == {"reached": True}
            two.kill()
            seen_by_one = change(api, new, title="Bara ett exemplar")
            one.until(lambda _: one.ask(wait=end(api), ms=10_000) == {"reached": True})
            one.kill()
            api.close()
    assert vaka("restore", "--to", between.isoformat(), "--data", data).returncode == 0
    with up(data, port=port):
        api = Api(journal.url, journal.token("tests", FULL))
        assert api.get(f"/Composition/{new['id']}").status_code == 404, "it was set back"
        theirs = change(api, before[1], code={"text": "Mandel"})
        copies = [Following(one.folder), Following(two.folder)]
        try:
            for copy in reversed(copies):  # the one that knows less first
                for _ in range(6):
                    copy.start()
                    time.sleep(chance.uniform(0.1, 1.0))
                    copy.kill()
                copy.start()
                copy.until(lambda s: s["distrusting"] == 0 and s["lost"] == 0 and caught_up(s))
            for copy in copies:
                store = open_reserve(copy.folder)
                wait_until(lambda: store.counts() and not store.open(), "all is given back")  # noqa: B023
                store.close()
            yield Tail(ward, before[0], signed, alert, before[2], new, seen_by_one, journal, api, copies, theirs)
        finally:
            for copy in copies:
                copy.kill()


def history(api: Api, name: str) -> list[str]:
    """Its version ids, newest first."""
    found = api.bundle(f"/{name}/_history")
    return [entry["response"]["etag"].removeprefix('W/"').rstrip('"') for entry in found["entry"]]


def entries(copy: Following) -> list[Entry]:
    store = open_reserve(copy.folder)
    try:
        return store.listed(list(State))
    finally:
        store.close()


def test_what_was_lost_is_in_the_journal_once_under_its_number(tail: Tail) -> None:
    """Would break: what was acknowledged would be gone, or there twice, or under a number that was somebody else's."""
    api, ward = tail.api, tail.ward
    assert history(api, f"Composition/{tail.new['id']}") == ["4-e2", "3-e2"]
    assert api.get(f"/Composition/{tail.new['id']}").json()["title"] == "Bara ett exemplar"
    assert history(api, f"Composition/{tail.signed['id']}") == ["2-e2", "1"]
    assert api.get(f"/Composition/{tail.signed['id']}").json()["title"] == "Efter"
    assert api.get(f"/Composition/{tail.gone['id']}").status_code == 410
    assert tail.new["id"] in api.ids(f"/Composition?patient={ward.patient}")


def test_it_says_who_gave_it_back_and_when_it_was_written(tail: Tail) -> None:
    """Would break: nobody could tell what a copy has given from what the journal kept, or when it was first saved."""
    name = f"Composition/{tail.new['id']}"
    assert set(acts(tail.api, name)) == {"given-back"}
    said = next(one for one in marks(tail.api, name) if one["target"][0]["reference"].endswith("/3-e2"))
    assert "version 3" in said["reason"][0]["text"]
    told = {
        p["name"]: next(v for k, v in p.items() if k != "name")
        for p in tail.api.get(f"/{name}/$times").json()["parameter"]
    }
    assert told["first-saved"] == tail.new["meta"]["lastUpdated"] < told["received"]


def test_a_signature_is_on_what_was_signed(tail: Tail) -> None:
    """Would break: a signed note would owe a signature again, or could be changed as if it had never been signed."""
    name = f"Composition/{tail.signed['id']}"
    signature = next(one for one in marks(tail.api, name) if one["activity"]["coding"][0]["code"] == "sign")
    assert signature["target"][0]["reference"] == f"{name}/_history/2-e2"
    assert signature["agent"][0]["who"]["reference"] == "Practitioner/n-1"
    assert tail.signed["id"] not in tail.api.ids(f"/$unsigned?unit={tail.ward.unit}&_count=200")
    assert tail.api.put(f"/{name}", json={**tail.signed, "title": "x"}).status_code == 409


def test_what_was_written_since_stands_and_a_person_compares(tail: Tail) -> None:
    """Would break: a copy would overwrite what somebody has entered after the restore, or drop what they had not seen."""
    name = f"AllergyIntolerance/{tail.alert['id']}"
    assert history(tail.api, name) == ["2-e2", "1"]
    assert tail.api.get(f"/{name}").json()["code"]["text"] == "Mandel"
    found = tail.api.bundle(f"/Task?patient={tail.ward.patient}&code=urn:x-vaka:reserve-task|lost-and-changed-since")
    (task,) = [one["resource"] for one in found["entry"]]
    assert task["owner"]["reference"] == f"Organization/{tail.ward.unit}"
    assert task["input"][0]["valueReference"]["reference"] == f"{name}/_history/2-e2"
    assert task["input"][1]["valueAttachment"]["data"]


def test_the_copies_show_what_the_journal_has(tail: Tail) -> None:
    """Would break: a copy would go on showing what nobody has any more, or show an entry as waiting for ever."""
    for copy in tail.copies:
        for name, newest in (
            (f"Composition/{tail.new['id']}", (2, 4)),
            (f"Composition/{tail.signed['id']}", (2, 2)),
            (f"AllergyIntolerance/{tail.alert['id']}", (2, 2)),
        ):
            copy.until(lambda _: shown(copy, name) == (*newest, 0))  # noqa: B023
        assert {one.state for one in entries(copy)} == {State.DONE, State.TASK}


def shown(copy: Following, name: str) -> tuple[int, int, int] | None:
    """(epoch, number, entry) of what the copy shows of a resource."""
    row = copy.row(*name.split("/"))
    return (row["epoch"], row["version"], row["pending"]) if row is not None else None


def give(tail: Tail, one: Entry) -> Resource:
    token = tail.journal.token("stolen", frozenset({"reserve"}))
    answer = httpx.post(f"{tail.journal.url}/reserve", content=wire(one), headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.text
    told: Resource = answer.json()
    return told


def test_a_copy_cannot_give_what_was_never_lost(tail: Tail) -> None:
    """Would break: who has stolen a copy could write into anybody's record, as anybody."""
    lost = next(one for one in entries(tail.copies[0]) if one.path == f"Composition/{tail.signed['id']}")
    line = orjson.loads(lost.body)
    now = datetime.now(UTC).isoformat()
    for changed in (
        {"updated": now},
        {"updated": "2020-01-01T00:00:00Z"},
        {"cursor": line["cursor"].replace("1.", "2.", 1)},
        {"body": line["body"].replace("Efter", "Annat")},
        {"id": "another"},
    ):
        body = orjson.dumps({**line, **changed})
        forged = Entry(
            "f" * 32, "copy-x", "X", "vaka:given-back", f"k-{changed}"[:60], b"", "", LOST, lost.path, (), {}, body,
            (Part("Composition", tail.signed["id"], None, None),), (), lost.recorded_us,
        )  # fmt: skip
        assert give(tail, forged)["outcome"] == "refused", changed
    assert history(tail.api, f"Composition/{tail.signed['id']}") == ["2-e2", "1"]
