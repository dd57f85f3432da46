"""read, vread and conditional read over HTTP. https://hl7.org/fhir/R4/http.html#read, #vread, #cread."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime

import orjson
import pytest
from tests.client import Api, outcome, patient
from tests.conftest import Instance

from vaka.access.filter import AccessFilter
from vaka.access.session import Assignment, Session
from vaka.journal import cluster
from vaka.journal.journal import Journal


def test_read_gives_the_stored_resource_with_its_version(api: Api, tag: str) -> None:
    """Would break: read, or the headers that caches and conditional updates work with."""
    made = api.make(patient(tag))
    answer = api.get(f"/Patient/{made['id']}")
    assert answer.status_code == 200
    assert answer.json() == made
    assert answer.headers["etag"] == 'W/"1"'
    assert answer.headers["content-type"].startswith("application/fhir+json")
    stored_at = datetime.fromisoformat(made["meta"]["lastUpdated"])
    assert parsedate_to_datetime(answer.headers["last-modified"]) == stored_at.replace(microsecond=0)
    assert "no-store" in answer.headers["cache-control"] or "private" in answer.headers["cache-control"]


def test_reading_by_key_is_not_planned_anew(journal: Instance, api: Api, tag: str) -> None:
    """Would break: PostgreSQL plans all the rules for each read of a person, which takes five times as long as the read."""
    made = api.make(patient(tag))
    session = Session(tag, tag, tag, tag, Assignment(tag, tag, tag), 0, 2**60, "test")

    async def go() -> list[tuple[int, int]]:
        record = await Journal.open(cluster.at(journal.data / "pg").dsn())
        for _ in range(24):
            await record.reader.read("Patient", made["id"], access=AccessFilter("person:test", session=session))
        async with record.keyed.connection() as connection:
            cursor = await connection.execute("SELECT generic_plans, custom_plans FROM pg_prepared_statements")
            found = await cursor.fetchall()
        await record.close()
        return [(int(row[0]), int(row[1])) for row in found]

    plans = asyncio.run(go())
    assert sum(generic for generic, _ in plans) > 5  # on one of two connections; PostgreSQL tries five plans of its own
    assert not any(custom for _, custom in plans)


def test_threads_of_the_server_do_not_push_each_other_aside(journal: Instance) -> None:
    """Would break: each answer costs two changes of threads more (sched(7), SCHED_BATCH)."""
    pid = next(part["pid"] for part in orjson.loads((journal.data / "run" / "status.json").read_bytes())["parts"]
               if part["name"] == "journal")  # fmt: skip
    policies = {os.sched_getscheduler(int(thread)) for thread in os.listdir(f"/proc/{pid}/task")}
    assert policies == {os.SCHED_BATCH}


def test_read_of_what_never_was_and_of_what_was_deleted(api: Api, tag: str) -> None:
    """Would break: 404 and 410 are different answers, and a deletion has a version."""
    outcome(api.get(f"/Patient/{tag}"), 404)
    made = api.make(patient(tag))
    api.delete(f"/Patient/{made['id']}")
    answer = api.get(f"/Patient/{made['id']}")
    assert outcome(answer, 410)[0]["code"] == "deleted"
    assert answer.headers["etag"] == 'W/"2"'
    outcome(api.get(f"/Observation/{made['id']}"), 404)


def test_head_is_get_without_a_body(api: Api, tag: str) -> None:
    """Would break: HEAD, which the specification allows wherever GET is."""
    made = api.make(patient(tag))
    read = api.get(f"/Patient/{made['id']}")
    head = api.head(f"/Patient/{made['id']}")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == read.headers["etag"]
    assert int(head.headers["content-length"]) == len(read.content)
    assert api.head(f"/Patient/{tag}").status_code == 404
    assert api.head(f"/Patient?identifier={tag}").status_code == 200


def test_vread_gives_every_version(api: Api, tag: str) -> None:
    """Would break: an old version can be read as it was; the version that deleted is gone; others are not there."""
    id_ = api.make(patient(tag))["id"]
    api.make(patient(tag, id=id_, active=True))
    api.delete(f"/Patient/{id_}")
    api.make(patient(tag, id=id_, active=False))
    for version, active in (("1", None), ("2", True), ("4", False)):
        answer = api.get(f"/Patient/{id_}/_history/{version}")
        assert answer.status_code == 200
        assert answer.json().get("active") is active
        assert answer.json()["meta"]["versionId"] == version
        assert answer.headers["etag"] == f'W/"{version}"'
    outcome(api.get(f"/Patient/{id_}/_history/3"), 410)
    for version in ("5", "0", "-1", "01", "x", "1-e7", "99999999999999999999"):
        outcome(api.get(f"/Patient/{id_}/_history/{version}"), 404)
    outcome(api.get(f"/Patient/{tag}/_history/1"), 404)


def test_conditional_read_by_version(api: Api, tag: str) -> None:
    """Would break: If-None-Match saves the body exactly when the caller holds the current version."""
    made = api.make(patient(tag))
    address = f"/Patient/{made['id']}"
    for held in ('W/"1"', '"1"', "*", 'W/"7", W/"1"'):
        answer = api.get(address, headers={"If-None-Match": held})
        assert (answer.status_code, answer.content) == (304, b""), held
        assert answer.headers["etag"] == 'W/"1"'
    assert api.get(address, headers={"If-None-Match": 'W/"2"'}).status_code == 200
    api.make(patient(tag, id=made["id"], active=True))
    assert api.get(address, headers={"If-None-Match": 'W/"1"'}).status_code == 200
    assert api.get(address + "/_history/1", headers={"If-None-Match": 'W/"1"'}).status_code == 304


def test_conditional_read_by_time(api: Api, tag: str) -> None:
    """Would break: If-Modified-Since, which yields to If-None-Match where both are sent."""
    made = api.make(patient(tag))
    address = f"/Patient/{made['id']}"
    now = datetime.now(UTC)
    later, earlier = (format_datetime(now + timedelta(hours=h), usegmt=True) for h in (1, -1))
    assert api.get(address, headers={"If-Modified-Since": later}).status_code == 304
    assert api.get(address, headers={"If-Modified-Since": earlier}).status_code == 200
    same = api.get(address).headers["last-modified"]
    assert api.get(address, headers={"If-Modified-Since": same}).status_code == 304
    both = {"If-Modified-Since": later, "If-None-Match": 'W/"9"'}
    assert api.get(address, headers=both).status_code == 200


@pytest.mark.parametrize("since", ["yesterday", "", "Mon, 99 Foo 2026 25:61:61 GMT", "-1", "99999999999999999999"])
def test_a_malformed_if_modified_since_is_passed_over(api: Api, tag: str, since: str) -> None:
    """Would break: RFC 9110 13.1.3 has a recipient ignore what is no date; it must not fail on it."""
    made = api.make(patient(tag))
    assert api.get(f"/Patient/{made['id']}", headers={"If-Modified-Since": since}).status_code == 200


def test_summary_elements_and_pretty_of_a_read(api: Api, tag: str) -> None:
    """Would break: what a caller asks to see of one resource, and the mark that it is a part."""
    made = api.make(
        patient(
            tag,
            gender="female",
            photo=[{"title": "x"}],
            text={"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">a</div>'},
        )
    )
    address = f"/Patient/{made['id']}"
    summary = api.get(address, params={"_summary": "true"}).json()
    assert "photo" not in summary and "text" not in summary and summary["gender"] == "female"
    assert {"code": "SUBSETTED"}.items() <= summary["meta"]["tag"][0].items()
    text = api.get(address, params={"_summary": "text"}).json()
    assert "text" in text and "gender" not in text
    data = api.get(address, params={"_summary": "data"}).json()
    assert "text" not in data and "photo" in data
    elements = api.get(address, params={"_elements": "gender"}).json()
    assert elements["gender"] == "female" and "identifier" not in elements
    assert elements["meta"]["tag"][0]["code"] == "SUBSETTED"
    assert api.get(address, params={"_pretty": "true"}).text.count("\n") > 5
    outcome(api.get(address, params={"_summary": "some"}), 400)
