"""A copy's access log: kept while the journal is away, brought to it once, and verified in its own folder."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from bench.running import Vaka, running, token
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.accesses import events, on, verified
from tests.recovery.running import told, vaka
from tests.recovery.test_access_log import KIB, record
from tests.waiting import until

from vaka.accesslog import blocks, direct
from vaka.accesslog.codec import Encoder
from vaka.accesslog.record import Actor
from vaka.accesslog.remote import JournalStore
from vaka.accesslog.runs import Run
from vaka.accesslog.tables import Connection, statements
from vaka.accesslog.writer import AccessLog, State
from vaka.api.peer.carried import to_neighbours
from vaka.api.peer.introduced import introduction
from vaka.copy import files as copies
from vaka.copy.files import Folder

_WRITER = """
import asyncio, sys, time
from pathlib import Path
import httpx
from tests.recovery.test_access_log import record
from tests.recovery.test_copy_log import post_to
from vaka import config
from vaka.accesslog.record import Actor
from vaka.accesslog.remote import JournalStore
from vaka.accesslog.writer import AccessLog

config.LOG_HEAD_EVERY_S = config.LOG_SHIP_EVERY_S = 0.05
config.LOG_SHIP_AGE_S = 0.2

async def main(url, proof, folder, person, first):
    log = await AccessLog.open(Path(folder), JournalStore(post_to(url, proof)), "copy", segment_bytes=32768, ballast_bytes=1024)
    number = int(first)
    while True:
        await log.write(record(number, actor=Actor("", person, "Ett Namn")))
        print(number, flush=True)
        number += 1
        await asyncio.sleep(0.001)

asyncio.run(main(*sys.argv[1:]))
"""


def post_to(url: str, proof: str) -> Any:
    async def post(address: str, body: bytes) -> tuple[int, bytes]:
        try:
            async with httpx.AsyncClient(
                timeout=2, headers={"Authorization": f"Bearer {proof}"}, verify=False
            ) as client:
                answer = await client.post(url + address, content=body)
        except httpx.TransportError as error:
            raise ConnectionError(str(error)) from error
        return answer.status_code, answer.content

    return post


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vaka]:
    with running(tmp_path_factory.mktemp("copy-log") / "data") as one:
        yield one


def introduced(journal: Vaka, name: str) -> str:
    """The token of a copy that the journal knows."""
    proof = token(journal.data, f"copy-{name}", frozenset({"feed-private"}))
    sent = introduction(name, Ed25519PrivateKey.generate())
    answer = httpx.post(journal.url + "/peer/key", json=sent, headers={"Authorization": f"Bearer {proof}"})
    assert answer.status_code == 200, answer.text
    return proof


@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_each_access_reaches_the_journal_once_through_kills_and_stops(
    journal: Vaka, tmp_path: Path, kills: int
) -> None:
    """Broken: an access on a copy is lost, or stands twice, where the copy or the journal was killed while it was brought; or a
    copy does not start while the journal is away."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    proof, folder, person, written = introduced(journal, f"kills{kills}"), tmp_path / "log", f"SE-copy-{kills}", 0
    for n in range(kills):
        pid = int(httpx.get(journal.url + "/health").json()["pid"])
        frozen = n % 3 == 1  # the copy starts, writes and dies without the journal
        if frozen:
            os.kill(pid, signal.SIGSTOP)
        try:
            command = [sys.executable, "-c", _WRITER, journal.url, proof, str(folder), person, str(written)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
                assert writer.stdout is not None
                least = written + chance.randrange(20, 200)
                deadline = time.monotonic() + chance.uniform(0.2, 1.5)
                for line in writer.stdout:
                    written = int(line) + 1
                    if written > least and time.monotonic() > deadline:
                        break
                if n % 3 == 2:  # the journal dies under what is being brought
                    os.kill(pid, signal.SIGKILL)
                writer.send_signal(signal.SIGKILL)
                for line in writer.stdout:
                    written = int(line) + 1
        finally:
            if frozen:
                os.kill(pid, signal.SIGCONT)
        deadline = time.monotonic() + 120
        while not journal.ready():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        written += 1  # one may be on disk that nobody was told of

    async def rest() -> None:
        log = await AccessLog.open(
            folder, JournalStore(post_to(journal.url, proof)), "copy", segment_bytes=32 * KIB, ballast_bytes=KIB
        )
        await log.shipper.ship(everything=True)
        await log.close()

    asyncio.run(rest())
    logged = Counter(event.record.seqs[0] for event in events(journal.data, person))
    assert set(logged.values()) == {1}, f"seed {seed}"
    unknown = set(range(written)) - set(logged)
    assert len(unknown) <= kills, f"seed {seed}: more is missing than what nobody was told of"
    found = verified(journal.data)
    assert not found.findings, f"seed {seed}: {found.findings}"


def test_the_journal_stands_in_for_the_files_of_a_copy(
    journal: Vaka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken: a full disk stops a copy though the journal would take its log; or a start without the journal gives a number twice."""
    proof, folder = introduced(journal, "full"), tmp_path / "log"
    store = JournalStore(post_to(journal.url, proof))

    async def fill() -> str:
        log = await AccessLog.open(folder, store, "copy", segment_bytes=32 * KIB, ballast_bytes=KIB)
        await log.write(record(1, actor=Actor("", "SE-full")))
        for beat in log._beats:
            beat.cancel()

        def full(*_: object) -> int:
            raise OSError(28, "full")

        with monkeypatch.context() as patched:
            patched.setattr("vaka.accesslog.files._write", full)
            await log.write(record(2, actor=Actor("", "SE-full")))
            assert log.state == State.DATABASE
        log._lock.close()  # killed here
        return log.stream

    async def away(address: str, body: bytes) -> tuple[int, bytes]:
        raise ConnectionError("away")

    async def alone() -> str:
        log = await AccessLog.open(folder, JournalStore(away), "copy", segment_bytes=32 * KIB, ballast_bytes=KIB)
        await log.write(record(3, actor=Actor("", "SE-full")))
        await log.close()
        return log.stream

    async def back() -> None:
        log = await AccessLog.open(folder, store, "copy", segment_bytes=32 * KIB, ballast_bytes=KIB)
        await log.write(record(4, actor=Actor("", "SE-full")))
        for shipper in (log.shipper, *log._closed):
            await shipper.ship(everything=True)
        await log.close()

    first = asyncio.run(fill())
    assert asyncio.run(alone()) != first, "its end may be at the journal: another log is begun"
    asyncio.run(back())
    logged = Counter(event.record.seqs[0] for event in events(journal.data, "SE-full"))
    assert logged == {1: 1, 2: 1, 3: 1, 4: 1}
    assert not verified(journal.data).findings


def test_a_run_goes_with_what_the_journal_lacks_and_nothing_else(journal: Vaka) -> None:
    """Broken: each run says again who and what was described long ago, and people wait at the copy while it looks that up; or a
    journal that was restored takes accesses of which nobody can say whose they were."""
    proof, stream, encoder, asked = introduced(journal, "lean"), "2b" * 16, Encoder(), list[dict[str, Any]]()
    post = post_to(journal.url, proof)

    async def heard(address: str, body: bytes) -> tuple[int, bytes]:
        asked.append(orjson.loads(body))
        answer: tuple[int, bytes] = await post(address, body)
        return answer

    made, before = list[blocks.Block](), blocks.genesis(stream)
    for n in range(1, 5):
        payload = encoder.payload([record(n, actor=Actor("", f"SE-lean-{n % 2}"))], 1)
        made.append(blocks.make(n, 1, time.time_ns() // 1_000, payload, before))
        before = made[-1].hash
    store = JournalStore(heard)
    # The first run, in which all is described, is not at this journal.
    assert asyncio.run(store.put_run(Run(stream, made[2:3], dict(encoder.described)))) == 1
    assert [len(one.get("described", ())) for one in asked] == [0, 2], "its actor and its form, once it has said so"
    asked.clear()
    assert asyncio.run(store.put_run(Run(stream, made[3:], dict(encoder.described)))) == 1
    assert [len(one.get("described", ())) for one in asked] == [0, 1], "its actor: the form is there"
    asked.clear()
    assert asyncio.run(store.put_run(Run(stream, made[:2], {}))) == 2
    assert [len(one.get("described", ())) for one in asked] == [0], "they describe all by themselves"
    logged = Counter((one.record.actor.person, one.record.seqs) for one in events(journal.data))
    assert [logged[f"SE-lean-{n % 2}", (n,)] for n in range(1, 5)] == [1, 1, 1, 1]


def head_of(journal: Vaka, stream: str) -> bool:
    async def work(connection: Connection) -> bool:
        return await (await connection.execute(statements()["head"], {"stream": stream})).fetchone() is not None

    return on(journal.data, work, ship=False)


def test_what_a_copy_told_of_and_has_not_brought_is_not_yet_here(journal: Vaka) -> None:
    """Broken: each daily check of a sound log calls the newest minutes of every copy cut off, until nobody reads it; or a copy
    that never brings them is passed over for ever."""
    proof, stream, encoder = introduced(journal, "late"), "1a" * 16, Encoder()
    store, made, before = JournalStore(post_to(journal.url, proof)), list[blocks.Block](), blocks.genesis(stream)
    for n in range(1, 4):
        payload = encoder.payload([record(n, actor=Actor("", "SE-late"))], 1)
        made.append(blocks.make(n, 1, time.time_ns() // 1_000, payload, before))
        before = made[-1].hash
    asyncio.run(store.put_run(Run(stream, made[:1], encoder.described)))
    asyncio.run(store.put_head(stream, "copy late", 3, made[-1].hash))

    def said() -> tuple[list[str], list[str]]:
        found = verified(journal.data)
        return [one.what for one in found.findings if one.stream == stream], [
            one for one in found.notes if stream in one
        ]

    findings, (note,) = said()
    assert findings == []
    assert "blocks 2 to 3: not yet here; copy late told of them" in note

    async def older(connection: Connection) -> None:
        await connection.execute("UPDATE log.head SET at = at - interval '1 hour' WHERE stream = %s", (stream,))

    on(journal.data, older, ship=False)
    (finding,), notes = said()
    assert "blocks 2 to 3 are missing: copy late has not brought them" in finding
    assert notes == []
    asyncio.run(store.put_run(Run(stream, made[1:], encoder.described)))
    assert said() == ([], [])


def test_a_log_is_the_copys_that_began_it(journal: Vaka) -> None:
    """Broken: a stolen copy writes into another's log, or into the journal's own; or nonsense gets into the tables."""
    mine, other = introduced(journal, "mine"), introduced(journal, "other")
    stream = "ab" * 16
    encoder = Encoder()
    made = [
        blocks.make(
            1,
            1,
            time.time_ns() // 1_000,
            encoder.payload([record(7, actor=Actor("", "SE-mine"))], 1),
            blocks.genesis(stream),
        )
    ]
    run = Run(stream, made, encoder.described)

    async def put(proof: str) -> int:
        return await JournalStore(post_to(journal.url, proof)).put_run(run)

    assert (asyncio.run(put(mine)), asyncio.run(put(mine))) == (1, 0)
    with pytest.raises(ConnectionRefusedError, match="403"):
        asyncio.run(put(other))
    own = (journal.data / "accesslog" / "stream").read_text().strip()
    assert httpx.get(journal.url + "/fhir/Patient/x").status_code == 401
    until(lambda: head_of(journal, own), "its head is told")
    headers = {"Authorization": f"Bearer {mine}"}
    for asked, status in [
        ({"ask": "newest", "stream": own}, 403), ({"ask": "newest", "stream": direct.STREAM}, 403), ({"ask": "newest", "stream": "x"}, 400), ({"ask": "all", "stream": stream}, 400),
        ({"ask": "head", "stream": stream, "block": 9, "hash": "00"}, 400), ({"ask": "head", "stream": own, "block": 9, "hash": "00" * 32}, 403),
        ({"ask": "run", "stream": stream, "before": "00" * 32, "blocks": "AAAA", "described": []}, 400),
        ({"ask": "run", "stream": stream, "before": "00" * 32, "blocks": "", "described": []}, 400), ({}, 400),
    ]:  # fmt: skip
        assert httpx.post(journal.url + "/peer/log", json=asked, headers=headers).status_code == status, asked
    assert httpx.post(journal.url + "/peer/log", json={}).status_code == 401
    stranger = token(journal.data, "copy-unknown", frozenset({"feed-private"}))
    assert (
        httpx.post(journal.url + "/peer/log", json={}, headers={"Authorization": f"Bearer {stranger}"}).status_code
        == 409
    )
    full = {"Authorization": f"Bearer {journal.token('x')}"}
    assert httpx.post(journal.url + "/peer/log", json={}, headers=full).status_code == 403


def test_a_neighbour_carries_what_a_copy_signed_and_nothing_else(journal: Vaka) -> None:
    """Broken: a neighbour that carries a log could change it, or write into another's; or it would stand twice."""
    private = Ed25519PrivateKey.generate()
    proof = token(journal.data, "copy-full-disk", frozenset({"feed-private"}))
    sent = introduction("full-disk", private)
    assert (
        httpx.post(journal.url + "/peer/key", json=sent, headers={"Authorization": f"Bearer {proof}"}).status_code
        == 200
    )
    carrier = introduced(journal, "carrier")
    encoder, stream = Encoder(), "cd" * 16
    payload = encoder.payload([record(9, actor=Actor("", "SE-carried"))], 1)
    made = [blocks.make(1, 1, time.time_ns() // 1_000, payload, blocks.genesis(stream))]
    given: list[bytes] = []

    async def tell(content: bytes) -> bool:
        given.append(content)
        return True

    async def refuses(_: bytes) -> bool:
        return False

    run = Run(stream, made, encoder.described)
    asyncio.run(JournalStore(to_neighbours(private, tell)).put_run(run))
    with pytest.raises(ConnectionError):
        asyncio.run(JournalStore(to_neighbours(private, refuses)).put_run(run))

    def bring(content: dict[str, Any]) -> int:
        headers = {"Authorization": f"Bearer {carrier}"}
        return httpx.post(journal.url + "/peer/log/carried", json=content, headers=headers).status_code

    told_ = orjson.loads(given[0])
    body = orjson.loads(told_["body"])
    changed = {**told_, "body": orjson.dumps({**body, "stream": "ef" * 16}).decode()}
    assert bring(changed) == 403, "it is not what was signed"
    assert bring({**told_, "kid": "0" * 16}) == 403, "nobody that is known has signed it"
    assert bring({**told_, "signature": "zz"}) == 400
    assert bring({}) == 400
    given.clear()
    asyncio.run(JournalStore(to_neighbours(private, tell)).put_head(stream, "x", 9, b"\0" * 32))
    assert bring(orjson.loads(given[0])) == 400, "only runs"
    assert [bring(told_), bring(told_)] == [200, 200]
    logged = Counter(event.record.seqs[0] for event in events(journal.data, "SE-carried"))
    assert logged == {9: 1}
    assert not verified(journal.data).findings


def test_a_copys_folder_is_verified(journal: Vaka, tmp_path: Path) -> None:
    """Broken: nobody can tell on the copy whether its log was changed, or its tail cut off."""
    proof, data = introduced(journal, "verified"), tmp_path / "copy"
    (data / "keys").mkdir(parents=True)
    (data / "keys" / "token").write_text(proof)
    (data / "copy.json").write_bytes(
        orjson.dumps({"name": "verified", "id": "x", "journal": journal.url, "scope": ["region"]})
    )
    folders = [data / "accesslog" / name for name in ("serve-1", "serve-2")]
    key = copies.log_key(copies.key(Folder(data)))

    async def write() -> None:
        for folder in folders:
            log = await AccessLog.open(
                folder,
                JournalStore(post_to(journal.url, proof)),
                "copy",
                segment_bytes=32 * KIB,
                ballast_bytes=KIB,
                key=key,
            )
            for number in range(20):
                await log.write(record(number, actor=Actor("", "SE-verified")))
            await log.close()

    asyncio.run(write())
    done = vaka("log", "verify", "--data", data, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    whole = told(done)
    assert (whole["streams"], whole["records"], whole["findings"]) == (2, 40, [])
    assert all(end["block"] >= 20 for end in whole["ends"].values())
    segment = next(folders[0].glob("*.log"))
    content = bytearray(segment.read_bytes())
    kept = bytes(content)
    content[len(content) // 2] ^= 1
    segment.write_bytes(content)
    assert vaka("log", "verify", "--data", data).returncode == 1
    segment.write_bytes(kept[: len(kept) - 400])
    done = vaka("log", "verify", "--data", data)
    assert (done.returncode, "tail was cut off" in done.stdout) == (1, True), done.stdout
    segment.write_bytes(kept)
    assert vaka("log", "verify", "--data", data).returncode == 0
    about = orjson.loads((data / "copy.json").read_bytes()) | {"journal": "http://127.0.0.1:9"}
    (data / "copy.json").write_bytes(orjson.dumps(about))
    done = vaka("log", "verify", "--data", data)
    assert (done.returncode, "could not be asked" in done.stdout) == (0, True), done.stdout + done.stderr
