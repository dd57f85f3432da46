"""A new epoch: after a restore or a failover no reader goes on blindly, and nothing given out is given again."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import psycopg
import pytest
from bench.running import Vaka, running
from tests.client import Api, outcome, patient
from tests.feeding import Stream, asked, dsn, end, read, stream, versions

from vaka.journal.migrate import raise_epoch


@pytest.fixture(scope="module")
def vaka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vaka]:
    with running(tmp_path_factory.mktemp("epochs") / "data") as one:
        yield one


@pytest.fixture
def own(vaka: Vaka) -> Iterator[Api]:
    with Api(vaka.url, vaka.token("epochs")) as client:
        yield client


def settled(own: Api, tag: str) -> None:
    """Sessions were ended: a request that meets the end of one is told 503 and sent again."""
    for _ in range(50):
        asked_of_each_pool = (own.get(f"/Patient/{tag}"), own.get("/../ready"), own.head(own.root + "/feed"))
        if all(answer.status_code != 503 for answer in asked_of_each_pool):
            return
        time.sleep(0.05)
    pytest.fail("503 for longer than a broken connection explains")


def epoch(own: Api) -> int:
    return int(own.head(own.root + "/feed").headers["vaka-epoch"])


def test_a_new_epoch_is_noticed_while_the_process_lives(own: Api, vaka: Vaka, tag: str) -> None:
    """Would break: versions of the new timeline under ids that the lost one had given out; a stale If-Match that hits."""
    pid = own.get("/../health").json()["pid"]
    made = own.make(patient(tag, id=tag))
    old = epoch(own)
    new = raise_epoch(dsn(vaka.data), "test")
    settled(own, tag)
    assert own.get("/../health").json()["pid"] == pid
    stale = own.put(f"/Patient/{tag}", json=patient(tag, id=tag), headers={"If-Match": f'W/"2-e{new + 1}"'})
    outcome(stale, 412)
    changed = own.put(f"/Patient/{tag}", json=patient(tag, id=tag, active=True), headers={"If-Match": 'W/"1"'})
    assert (changed.status_code, changed.json()["meta"]["versionId"]) == (200, f"2-e{new}")
    outcome(own.put(f"/Patient/{tag}", json=patient(tag, id=tag), headers={"If-Match": 'W/"2"'}), 412)
    lines = [line for line in versions(read(own)) if line["id"] == tag]
    assert [line["cursor"].split(".")[0] for line in lines] == [str(old), str(new)]
    assert made["meta"]["versionId"] == lines[0]["version"]
    assert epoch(own) == new == old + 1


def test_a_cursor_of_the_last_epoch_goes_on_if_its_version_is_still_there(own: Api, vaka: Vaka, tag: str) -> None:
    """Would break: every copy would have to be made anew after each failover, or none would notice a lost tail."""
    for number in range(3):
        own.make(patient(tag, id=f"{tag}-{number}"))
    given = [line for line in versions(read(own)) if line["id"].startswith(tag)]
    raise_epoch(dsn(vaka.data), "test")
    settled(own, f"{tag}-0")
    own.make(patient(tag, id=f"{tag}-after"))
    rest = versions(read(own, given[1]["cursor"], given[1]["hash"]))
    assert [line["id"] for line in rest] == [f"{tag}-2", f"{tag}-after"]
    assert rest[0] == given[2]
    mark = read(own, given[2]["cursor"], given[2]["hash"])[-1]
    assert mark["cursor"] == rest[-1]["cursor"]
    outcome(own.get(own.root + "/feed", params=asked(given[1]["cursor"], "ab" * 32)), 409)
    with psycopg.connect(dsn(vaka.data)) as connection:  # as if this journal had been restored to before it
        _, xid, seq = given[2]["cursor"].split(".")
        connection.execute("DELETE FROM version WHERE xid = %s::text::xid8 AND seq = %s", (xid, int(seq)))
    for row_hash in (given[2]["hash"], None):
        outcome(own.get(own.root + "/feed", params=asked(given[2]["cursor"], row_hash)), 409)


def test_a_cursor_of_an_epoch_to_come_is_a_conflict(own: Api, tag: str) -> None:
    """Would break: a copy that is ahead of a restored journal would take its lost tail for the journal's."""
    own.make(patient(tag))
    ahead = versions(read(own))[-1]["cursor"].split(".")
    answer = own.get(own.root + "/feed", params=asked(f"{epoch(own) + 1}.{ahead[1]}.{ahead[2]}"))
    outcome(answer, 409)
    assert "restored" in answer.text


def test_a_mark_names_a_cursor_to_go_on_from_in_every_epoch(own: Api, vaka: Vaka, tag: str) -> None:
    """Would break: after a failover, a reader that stood at the end could not go on from its last mark."""
    own.make(patient(tag))
    last = versions(read(own))[-1]
    raise_epoch(dsn(vaka.data), "test")
    settled(own, tag)
    mark = read(own, last["cursor"], last["hash"])[-1]
    assert mark["epoch"] == epoch(own)
    assert mark["cursor"] == last["cursor"]
    assert versions(read(own, mark["cursor"], last["hash"])) == []


def test_open_readers_are_ended_and_go_on_from_where_they_were(own: Api, vaka: Vaka, tag: str) -> None:
    """Would break: a reader that is connected through a failover would never be asked whether its history is still ours."""
    before = end(own)
    with stream(own, before) as reader:
        own.make(patient(tag, id=f"{tag}-0"))
        reader.until(lambda lines: bool(versions(lines)))
        raise_epoch(dsn(vaka.data), "test")
        settled(own, tag)
        reader._thread.join(10)
        assert reader.ended
    own.make(patient(tag, id=f"{tag}-1"))
    again = Stream(own, versions(reader.lines)[-1]["cursor"], 0)
    assert versions(again.until(lambda lines: bool(versions(lines))))[0]["id"] == f"{tag}-1"


def test_another_timeline_begins_an_epoch_by_itself(own: Api, vaka: Vaka, tag: str) -> None:
    """Would break: after a failover this process would write on the new timeline under the old one's epoch."""
    before = epoch(own)
    with psycopg.connect(dsn(vaka.data), autocommit=True) as connection:
        connection.execute("UPDATE epoch SET timeline = timeline + 7")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE usename = current_user AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
    settled(own, tag)
    made = httpx.post(
        own.root + "/fhir/Patient", json=patient(tag), headers={"Authorization": own.headers["Authorization"]}
    )
    assert made.json()["meta"]["versionId"] == f"1-e{before + 1}"
    assert epoch(own) == before + 1
