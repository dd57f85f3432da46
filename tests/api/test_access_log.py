"""The access log over HTTP: each answer leaves its record before it leaves (L1), a refusal's record tells what it did not."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from tests.accesses import events, folder, told
from tests.client import Api, ask, observation, patient, post, put
from tests.conftest import Instance

from vaka import config
from vaka.accesslog import codec, files
from vaka.accesslog.record import Record
from vaka.fhir.keys import resource_key

Clients = Callable[..., Api]


def durable(instance: Instance, who: str) -> list[Record]:
    """The records of ``who`` that are in the newest file at this moment, as a restart after a kill would find them."""
    found: list[Record] = []
    described: dict[int, dict[int, codec.Described]] = {}
    for _, path in files.segments(folder(instance.data)):
        for block, _ in files.read_from(path, 0, b""):
            chapter = described.setdefault(block.chapter, {})
            chapter |= block.contents().described
            found += codec.records(block.payload, block.time_us, chapter)
    return [record for record in found if record.actor.principal == who]


def test_each_interaction_leaves_exactly_its_record_before_its_answer(
    journal: Instance, client: Clients, tag: str
) -> None:
    """Would break: something is read or changed that the log does not tell, or tells twice, or tells later."""
    api = client(tag)
    one, two = f"one-{tag}"[:64], f"two-{tag}"[:64]
    seen: list[tuple[str, str, int]] = []

    def did(activity: str, type_: str, answer: httpx.Response) -> Record:
        seen.append((activity, type_, answer.status_code))
        found = durable(journal, tag)
        assert [(record.activity, record.type, record.status) for record in found] == seen
        return found[-1]

    record = did("update", "Patient", api.put(f"/Patient/{one}", json=patient(tag, id=one)))
    assert record.patients == (resource_key("Patient", one),)
    assert len(record.seqs) == len(record.owners) == 1
    did("update", "Patient", api.put(f"/Patient/{two}", json=patient(tag, id=two)))
    answer = api.post("/Observation", json=observation(tag, subject={"reference": f"Patient/{one}"}))
    record = did("create", "Observation", answer)
    assert record.patients == (resource_key("Patient", one),)
    record = did("read", "Observation", api.get(answer.headers["location"].split("/_history")[0]))
    assert record.patients == (resource_key("Patient", one),)
    did("vread", "Observation", api.get(answer.headers["location"]))
    record = did("search", "Patient", api.get(f"/Patient?identifier={tag}&_revinclude=Observation:subject"))
    assert record.patients == tuple(sorted(resource_key("Patient", id_) for id_ in (one, two)))
    assert len(record.seqs) == 3
    did("search", "Patient", api.post("/Patient/_search", data={"identifier": tag}))
    record = did("search", "Patient", api.get(f"/Patient?identifier={tag}&_summary=count"))
    assert record.patients == ()
    did("search", "Patient", api.get(f"/Patient/{one}/Observation"))
    did("everything", "Patient", api.get(f"/Patient/{one}/$everything"))
    record = did("history", "Patient", api.get(f"/Patient/{one}/_history"))
    assert record.patients == (resource_key("Patient", one),)
    did("patch", "Patient", api.patch(
        f"/Patient/{one}", content=b'[{"op":"add","path":"/active","value":true}]',
        headers={"Content-Type": "application/json-patch+json"},
    ))  # fmt: skip
    record = did("history", "Patient", api.get(f"/Patient/{one}/_history?_count=1"))
    assert len(record.seqs) == 1, "what tells only that there is more was not given out"
    did("read", "Patient", api.head(f"/Patient/{one}"))
    headers = {"If-None-Match": 'W/"2"'}
    did("read", "Patient", api.get(f"/Patient/{one}", headers=headers))
    did("validate", "Patient", api.post("/Patient/$validate", json=patient(tag)))
    record = did("transaction", "", api.transact(
        put(patient(tag, id=two, active=True)), post(observation(tag, subject={"reference": f"Patient/{one}"})),
    ))  # fmt: skip
    assert len(record.patients) == 2
    record = did(
        "transaction", "", api.transact(ask("GET", f"Patient/{one}"), ask("GET", f"Patient/{two}"), type_="batch")
    )
    assert len(record.patients) == 2
    did("delete", "Patient", api.delete(f"/Patient/{two}"))
    did("read", "Patient", api.get(f"/Patient/{two}"))
    feed = httpx.get(f"{journal.url}/feed", headers=api.headers)
    did("feed", "", feed)
    assert sum(status == 410 for _, _, status in seen) == 1
    assert told(events(journal.data, tag)) == seen, "in the tables as in the files"


def test_a_streamed_answer_is_logged_before_its_first_byte(journal: Instance, client: Clients, tag: str) -> None:
    """Would break: who breaks a download off has read without a trace."""
    api = client(tag)
    content = b"\x89PNG" + bytes(3_000_000)
    where = api.post("/Binary", content=content, headers={"Content-Type": "image/x-raw"}).headers["location"]
    with api.stream("GET", where.split("/_history")[0], headers={"Accept": "image/x-raw"}) as answer:
        assert answer.status_code == 200
        next(answer.iter_bytes(10))
        assert [(record.activity, record.status) for record in durable(journal, tag)] == [
            ("create", 201),
            ("read", 200),
        ]


def test_a_refusal_tells_the_log_what_the_caller_is_not_told(journal: Instance, client: Clients, tag: str) -> None:
    """Would break: guessing of ids, forged tokens and wrong scopes leave no trace, or the caller learns why."""
    api = client(tag)
    assert api.get(f"/Patient/guess-{tag[:20]}").status_code == 404
    assert api.get("/NoSuchType").status_code == 404
    assert api.post("/Patient", content=b"{").status_code == 400
    assert client(f"{tag}-feed", frozenset({"feed"})).get("/Patient").status_code == 403
    found = durable(journal, tag)
    assert [record.status for record in found] == [404, 404, 400]
    assert found[0].address == f"/fhir/Patient/guess-{tag[:20]}"
    assert all(record.why and not record.patients for record in found)
    assert [record.status for record in durable(journal, f"{tag}-feed")] == [403]
    forged = api.headers["authorization"][:-6] + "AAAAAA"
    answer = httpx.get(f"{journal.url}/fhir/Patient/{tag}", headers={"Authorization": forged})
    assert answer.status_code == 401
    last = durable(journal, "anonymous")[-1]
    assert (last.status, last.address) == (401, f"/fhir/Patient/{tag}")
    assert "ignature" in last.why
    assert "ignature" not in answer.text


@pytest.mark.parametrize("address", ["/health", "/ready", "/fhir/metadata", "/nowhere"])
def test_what_touches_no_record_leaves_none(journal: Instance, address: str) -> None:
    """Would break: probes and scanners of other addresses fill the log."""
    before = len(durable(journal, "anonymous"))
    httpx.get(journal.url + address)
    assert len(durable(journal, "anonymous")) == before


def test_many_patients_and_versions_in_one_answer(journal: Instance, client: Clients, tag: str) -> None:
    """Would break: a list of patients is cut, so that some never learn who saw them."""
    api = client(tag)
    count = config.LOG_RESOURCES_MAX + 20
    assert api.transact(*[post(patient(tag)) for _ in range(count)]).status_code == 200
    found = api.bundle(f"/Patient?identifier={tag}&_count={count}")
    record = durable(journal, tag)[-1]
    ids = [entry["resource"]["id"] for entry in found["entry"]]
    assert record.patients == tuple(sorted(resource_key("Patient", id_) for id_ in ids))
    assert (len(record.seqs), record.more) == (config.LOG_RESOURCES_MAX, 20)
    assert events(journal.data, patient=resource_key("Patient", ids[7]))[-1].record == record


def test_many_at_once_are_each_logged_once(journal: Instance, client: Clients, tag: str) -> None:
    """Would break: group commit loses or doubles what waits together."""
    from concurrent.futures import ThreadPoolExecutor

    api = client(tag)
    id_ = api.make(patient(tag))["id"]
    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(lambda _: api.get(f"/Patient/{id_}").status_code, range(400)))
    assert set(statuses) == {200}
    assert [record.activity for record in durable(journal, tag)].count("read") == 400
    assert told(events(journal.data, tag)).count(("read", "Patient", 200)) == 400
