"""The feed and its readers: rights, forged cursors, compression, many of them, slow ones, stuck ones."""

from __future__ import annotations

import asyncio
import gzip
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime

import httpx
import orjson
import psutil
import psycopg
import pytest
import zstandard
from tests.client import Api, outcome, patient
from tests.conftest import Instance
from tests.feeding import Stream, asked, dsn, end, read, stream, versions

from vaka import config

FAR_BEHIND_ROWS = 50_000
GROWTH_MAX_BYTES = 100 * 1024 * 1024


@pytest.mark.parametrize(
    "wrong",
    [
        {"after": "x"}, {"after": "1.2"}, {"after": "1.2.3.4"}, {"after": "0.1.1"}, {"after": "-1.1.1"},
        {"after": "1.0.7"}, {"after": "1.7.0"}, {"after": "1.99999999999999999999.1"}, {"after": "١.1.1"},
        {"after": "1.1.1\n"},
        {"hash": "00"}, {"hash": "zz"}, {"wait": "-1"}, {"wait": "nan"}, {"wait": "inf"}, {"wait": "301"},
        {"wait": "x"}, {"since": "1.1.1"},
    ],
)  # fmt: skip
def test_what_is_no_cursor_is_refused(api: Api, wrong: dict[str, str]) -> None:
    """Would break: a mistaken reader would silently begin somewhere else."""
    outcome(api.get(api.root + "/feed", params=wrong), 400)


def test_a_cursor_that_this_journal_never_gave_is_a_conflict(api: Api, journal: Instance, tag: str) -> None:
    """Would break: a reader of another journal, or one that skipped, would go on as if nothing were missing."""
    api.make(patient(tag))
    line = versions(read(api))[-1]
    epoch, xid, seq = line["cursor"].split(".")
    outcome(api.get(api.root + "/feed", params=asked(f"{epoch}.{xid}.{int(seq) + 1000000}")), 409)
    outcome(api.get(api.root + "/feed", params=asked(f"{epoch}.{int(xid) + 1000000}.{seq}")), 409)
    outcome(api.get(api.root + "/feed", params=asked(f"{int(epoch) + 1}.{xid}.{seq}")), 409)
    outcome(api.get(api.root + "/feed", params=asked(line["cursor"], "00" * 32)), 409)
    with psycopg.connect(dsn(journal.data)) as open_write:
        open_write.execute("SELECT pg_current_xact_id()")
        made = api.make(patient(tag))
        above = "SELECT v.epoch, v.xid::text, v.seq FROM version v JOIN resource r USING (seq) WHERE id = %s"
        row = open_write.execute(above, (made["id"],)).fetchone()
        assert row is not None
        outcome(api.get(api.root + "/feed", params=asked(".".join(map(str, row)))), 409)


def test_the_feed_needs_its_own_scope(client: Callable[..., Api]) -> None:
    """Would break: any program that may read a patient could copy the whole region; or a copy could not read at all."""
    outcome(client("reader", frozenset({"system/*.*"})).get("/../feed"), 403)
    root = client("x").root
    assert httpx.get(root + "/feed").status_code == 401
    copy = client("copy", frozenset({"feed"}))
    assert copy.get(root + "/feed", params={"after": end(copy)}).status_code == 200
    outcome(copy.get("/Patient"), 403)
    outcome(copy.post(root + "/feed"), 405)


@pytest.mark.parametrize("encoding", ["zstd", "gzip", "identity", "zstd;q=0, gzip", "br"])
def test_compressed_or_not_it_is_the_same(api: Api, tag: str, encoding: str) -> None:
    """Would break: readers that take compressed answers would get other bytes, or some that they refused."""
    before = end(api)
    for _ in range(5):
        api.make(patient(tag))
    with api.stream("GET", api.root + "/feed", params=asked(before), headers={"Accept-Encoding": encoding}) as answer:
        raw = b"".join(answer.iter_raw())
        used = answer.headers.get("content-encoding")
    assert used == {"zstd": "zstd", "gzip": "gzip", "zstd;q=0, gzip": "gzip"}.get(encoding)
    match used:
        case "zstd":
            raw = zstandard.ZstdDecompressor().decompressobj().decompress(raw)
        case "gzip":
            raw = gzip.decompress(raw)
    assert [orjson.loads(line) for line in raw.splitlines() if b'"hash"' in line] == versions(read(api, before))


def test_head_has_the_epoch_and_no_body(api: Api) -> None:
    """Would break: HEAD would hold a stream open."""
    answer = api.head(api.root + "/feed", params={"wait": "30"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["vaka-epoch"]) >= 1


def test_an_answer_says_when_it_began(api: Api, tag: str) -> None:
    """Would break: a copy cannot tell for how long a mark was on its way."""
    api.make(patient(tag))
    answer = api.get(api.root + "/feed", params=asked(end(api)))
    began = datetime.fromisoformat(answer.headers["vaka-began"])
    marked = datetime.fromisoformat(orjson.loads(answer.content.splitlines()[-1])["at"])
    assert abs((marked - began).total_seconds()) < 10
    assert abs((datetime.now(UTC) - began).total_seconds()) < 60


def test_heartbeats_tell_the_time_and_stop_when_the_database_is_not_heard(
    api: Api, journal: Instance, tag: str
) -> None:
    """Would break: a copy knows its age by heartbeats; one sent without asking the database would lie about it."""
    with psycopg.connect(dsn(journal.data)) as holding:
        holding.execute("SELECT pg_current_xact_id()")  # so that no horizon comes, only heartbeats
        with stream(api, end(api)) as reader:
            lines = reader.until(lambda lines: sum("heartbeat" in line for line in lines) >= 2)
            beats = [line for line in lines if "heartbeat" in line]
            assert beats[0]["heartbeat"] < beats[1]["heartbeat"]
            assert beats[0]["ageSeconds"] < beats[1]["ageSeconds"]
            tail = "SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_snapshot_xmin%' AND pid <> pg_backend_pid()"
            pids = [row[0] for row in holding.execute(tail.encode())]
            assert pids, "nothing is stopped: this test tests nothing"
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            try:
                time.sleep(config.FEED_HEARTBEAT_S * 2)
                count = len(reader.lines)
                time.sleep(config.FEED_HEARTBEAT_S * 2)
                assert len(reader.lines) == count, reader.lines[count:]
                assert not reader.ended
            finally:
                for pid in pids:
                    os.kill(pid, signal.SIGCONT)
            reader.until(lambda lines: len(lines) > count)


def test_many_readers_all_get_everything_and_one_too_many_is_told(api: Api, tag: str) -> None:
    """Would break: readers would starve each other, or places would not become free when readers leave."""
    before = end(api)
    headers = {"Authorization": api.headers["Authorization"], "Accept-Encoding": "identity"}
    ready = 0

    async def reader(client: httpx.AsyncClient) -> set[str]:
        nonlocal ready
        ids: set[str] = set()
        begun = False
        async with client.stream("GET", "/feed", params=asked(before, wait_s=240)) as answer:
            assert answer.status_code == 200
            async for text in answer.aiter_lines():
                line = orjson.loads(text)
                if not begun and "horizon" in line:
                    begun = True
                    ready += 1
                if "hash" in line:
                    ids.add(line["id"])
                    if len(ids) == 10:
                        return ids
        return ids

    async def scenario() -> tuple[httpx.Response, list[set[str]], set[str]]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=api.root, headers=headers, timeout=240, limits=limits) as client:
            readers = [asyncio.create_task(reader(client)) for _ in range(config.FEED_READERS_MAX)]
            while ready < len(readers):
                await asyncio.sleep(0.05)
            refused = await client.get("/feed", params=asked(before))
            made = await asyncio.gather(*[client.post("/fhir/Patient", json=patient(tag)) for _ in range(10)])
            return refused, await asyncio.gather(*readers), {answer.json()["id"] for answer in made}

    refused, seen, made = asyncio.run(scenario())
    outcome(refused, 503)
    assert int(refused.headers["retry-after"]) > 0
    assert all(ids == made for ids in seen)
    deadline = time.monotonic() + 10
    with ExitStack() as places:
        left = 20  # the readers that left have left their places, too: one after the other, as it is noticed
        while left and time.monotonic() < deadline:
            opened = Stream(api, before, 20)
            places.callback(opened.close)
            if opened.refused:
                time.sleep(0.05)
            else:
                left -= 1
        assert left == 0


@contextmanager
def raw_reader(api: Api, after: str) -> Iterator[socket.socket]:
    """A connection that has asked for the feed and reads as little as the test lets it."""
    host, port = api.root.removeprefix("http://").split(":")
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        connection.settimeout(30)
        connection.connect((host, int(port)))
        connection.sendall(
            f"GET /feed?after={after}&wait=60 HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: {api.headers['Authorization']}\r\n\r\n".encode()
        )
        yield connection


@pytest.fixture(scope="module")
def far_behind(api: Api, journal: Instance) -> str:
    """A cursor with 50,000 versions after it: one resource's, which has many in its history from here on."""
    before = end(api)
    made = api.make(
        patient(
            "far-behind",
            text={"status": "empty", "div": f"<div xmlns='http://www.w3.org/1999/xhtml'>{'text ' * 300}</div>"},
        )
    )
    with psycopg.connect(dsn(journal.data)) as connection:
        connection.execute(
            "INSERT INTO version"
            " (seq, rkey, updated_us, patient, epoch, version, owner, type, action, dictionary, hash, body)"
            " SELECT nextval('version_seq'), v.rkey, v.updated_us, v.patient, v.epoch, n + 1, v.owner, v.type, 2,"
            " v.dictionary, v.hash, v.body FROM resource r JOIN version v USING (seq), generate_series(1, %s) n WHERE r.id = %s",
            (FAR_BEHIND_ROWS, made["id"]),
        )
        connection.execute(
            "UPDATE resource SET version = %s, seq = (SELECT max(seq) FROM version) WHERE id = %s",
            (FAR_BEHIND_ROWS + 1, made["id"]),
        )
    return before


def test_slow_readers_far_behind_do_not_fill_the_servers_memory(api: Api, journal: Instance, far_behind: str) -> None:
    """Would break: one copy that was away for a week could bring the journal down."""
    server = psutil.Process(httpx.get(journal.url + "/health").json()["pid"])
    size_bytes = len(read(api, far_behind)[1]["body"]) * FAR_BEHIND_ROWS
    before, most = server.memory_info().rss, 0
    with ExitStack() as stack:
        readers = [stack.enter_context(raw_reader(api, far_behind)) for _ in range(20)]
        got = 0
        until = time.monotonic() + 4
        while time.monotonic() < until:
            for reader in select.select(readers, [], [], 0)[0]:
                got += len(reader.recv(1024))
            most = max(most, server.memory_info().rss)
            time.sleep(0.05)
    assert got > 100_000
    assert size_bytes > 70_000_000, "not far enough behind to show anything"
    assert most - before < GROWTH_MAX_BYTES, f"{(most - before) >> 20} MB more for {len(readers)} readers"


def test_stuck_readers_stop_nobody(api: Api, journal: Instance, far_behind: str, tag: str) -> None:
    """Would break: a reader that does not read would hold up writers, other readers, or the database's clean-up."""
    with ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(raw_reader(api, far_behind)).recv(10)
        with stream(api, end(api)) as other:
            made = [api.post("/Patient", json=patient(tag), timeout=5).json()["id"] for _ in range(20)]
            other.until(lambda lines: {line["id"] for line in versions(lines)} >= set(made), timeout_s=5)
        with psycopg.connect(dsn(journal.data)) as connection:
            held = (
                "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
                " AND (state LIKE 'idle in transaction%' OR clock_timestamp() - xact_start > interval '2 s')"
            )
            assert connection.execute(held.encode()).fetchone() == (0,)


def test_a_reader_far_behind_gets_all_of_it_once(api: Api, far_behind: str) -> None:
    """Would break: pages of the feed that overlap, or leave a gap at their edge or where memory begins."""
    given = versions(read(api, far_behind))
    cursors = [line["cursor"] for line in given]
    assert len(set(cursors)) == len(cursors)
    many = [line["number"] for line in given if line["id"] == given[0]["id"]]
    assert many == list(range(1, FAR_BEHIND_ROWS + 2))
