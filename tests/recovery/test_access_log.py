"""The access log when things break: kill -9, a full disk, a database that is away, a kill at each step of shipping."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import threading
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import pytest
from bench.running import Vaka, running
from tests import commands
from tests.accesses import connect_to, dsn, events, folder, verified
from tests.waiting import until

from vaka import config
from vaka.accesslog import files
from vaka.accesslog.record import Actor, Record
from vaka.accesslog.store import TableStore
from vaka.accesslog.tables import Connection
from vaka.accesslog.verify import verify
from vaka.accesslog.writer import AccessLog, State
from vaka.errors import Unavailable

KIB = 1024


class Readers:
    """Asks for addresses that nobody else asks for, and keeps a ledger of what was answered."""

    def __init__(self, vaka: Vaka, name: str) -> None:
        self.answered: list[str] = []
        self._vaka, self._name = vaka, name
        self._token = vaka.token(name)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._read, daemon=True) for _ in range(6)]

    def __enter__(self) -> Readers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def more(self, count: int) -> None:
        """Returns when so many more have been answered."""
        enough = len(self.answered) + count
        until(lambda: len(self.answered) >= enough, "they read")

    def _read(self) -> None:
        with httpx.Client(headers={"Authorization": f"Bearer {self._token}"}, timeout=5) as client:
            while not self._stop.is_set():
                address = f"/fhir/Patient/{uuid.uuid4()}"
                try:
                    if client.get(self._vaka.url + address).status_code == 404:
                        self.answered.append(address)
                except httpx.TransportError:
                    time.sleep(0.02)


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_each_answered_access_is_logged_once_through_kills(tmp_path: Path, kills: int) -> None:
    """Would break: an access whose answer was sent is not in the log after a crash, or twice; or a crash looks like tampering."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    vaka = Vaka(tmp_path / "data")
    vaka.start()
    try:
        with Readers(vaka, "ledger") as readers:
            for n in range(kills):
                readers.more(chance.randrange(80, 250))
                if n % 2:
                    vaka.kill(chance)
                    vaka.start()
                else:  # the API alone, which watch starts again
                    api = next(p for p in vaka.family() if "serve" in p.cmdline())
                    os.kill(api.pid, signal.SIGKILL)
                    time.sleep(chance.uniform(1.5, 3.0))
        logged = Counter(event.record.address for event in events(vaka.data, "ledger"))
        assert len(readers.answered) > 50 * kills, f"too little load to show anything: {len(readers.answered)}"
        assert not [address for address in readers.answered if logged[address] != 1], f"seed {seed}"
        found = verified(vaka.data)
        assert not found.findings, f"seed {seed}: {found.findings}"
        assert found.blocks > 10 * kills
    finally:
        vaka.stop()


@pytest.fixture(scope="module")
def vaka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vaka]:
    with running(tmp_path_factory.mktemp("access-log") / "data") as one:
        yield one


@contextmanager
def disk(place: Path, size: str) -> Iterator[Path]:
    """A file system of its own at ``place``, whose end no failure and no Ctrl-C keeps from being its end."""
    place.mkdir(parents=True)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("only root can mount a file system")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with disk(tmp_path / "disk", "4m") as place:
        yield place


def fill(place: Path) -> Path:
    """Takes all the room there is."""
    filler = place / "filler"
    with filler.open("ab", buffering=0) as file:
        for size in (64 * KIB, 4 * KIB, 512):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return filler


class Database:
    """The database's connections, which can be cut."""

    def __init__(self, data: Path) -> None:
        self.away = False
        self._connect = connect_to(data)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        if self.away:
            raise Unavailable("the database is away")
        async with self._connect() as connection:
            yield connection


def record(number: int, **changed: object) -> Record:
    values: dict[str, object] = {
        "time_us": time.time_ns() // 1_000, "actor": Actor("", "SE-ladder", "Ett Namn"), "activity": "read",
        "seqs": (number,), "why": os.urandom(100).hex(), **changed,
    }  # fmt: skip
    return Record(**values)  # type: ignore[arg-type]


def test_the_ladder_on_a_full_disk(vaka: Vaka, small_disk: Path) -> None:
    """Would break: a full disk stops care, loses a record, doubles one, or makes the log look tampered with."""
    database = Database(vaka.data)
    written: list[int] = []
    told: list[State] = []

    async def go() -> None:
        log = await AccessLog.open(
            small_disk / "log", TableStore(database.connection), "test", segment_bytes=64 * KIB, ballast_bytes=256 * KIB
        )

        async def write(count: int) -> None:
            for _ in range(count):
                written.append(len(written))
                await log.write(record(written[-1]))

        await write(20)
        assert (small_disk / "log" / "ballast").exists()
        filler = fill(small_disk)
        await write(400)  # over a segment: a new one is needed, and the ballast gives it room
        assert log.state == State.FILE
        assert not (small_disk / "log" / "ballast").exists()
        while log.state == State.FILE:
            fill(small_disk)
            await write(50)
        assert log.state == State.DATABASE
        await write(20)
        database.away = True
        written.append(len(written))
        with pytest.raises(Unavailable) as refused:
            await log.write(record(written[-1]))
        assert refused.value.retry_after_s
        assert log.state == State.NOWHERE
        written.append(len(written))
        await log.write(record(written[-1]), urgent=True)
        with pytest.raises(Unavailable):
            log.require(urgent=False)
        log.require(urgent=True)
        told.append(log.state)
        filler.unlink()
        deadline = time.monotonic() + 10
        while log.state != State.FILE and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        assert log.state == State.FILE, "it comes back by itself, the database still away"
        await write(20)
        database.away = False
        await asyncio.sleep(1.5)
        assert (small_disk / "log" / "ballast").exists(), "the ballast is made again"
        await log.shipper.ship(everything=True)
        await log.close()
        async with database.connection() as connection:
            found = await verify(connection, small_disk / "log")
        assert not found.findings

    asyncio.run(go())
    assert told == [State.NOWHERE]
    logged = Counter(seq for event in events(vaka.data, "SE-ladder") for seq in event.record.seqs)
    assert logged == Counter(range(len(written)))


def test_a_file_that_fails_is_never_written_again(vaka: Vaka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Would break: after an I/O error what the kernel says of that file is believed; the block is lost or there twice."""
    database = Database(vaka.data)
    real = os.pwrite
    failing: list[bool] = []

    def pwrite(descriptor: int, content: bytes, at: int) -> int:
        if failing and at > 0 and failing.pop():
            real(descriptor, content[: len(content) // 2], at)
            raise OSError(5, "EIO")
        return real(descriptor, content, at)

    async def go() -> None:
        log = await AccessLog.open(
            tmp_path / "log", TableStore(database.connection), "test", segment_bytes=64 * KIB, ballast_bytes=KIB
        )
        monkeypatch.setattr(os, "pwrite", pwrite)
        for number in range(30):
            if number in (7, 20):
                failing.append(True)
            await log.write(record(number, actor=Actor("eio")))
        assert len(list((tmp_path / "log").glob("*.log"))) == 3
        await log.close()
        again = await AccessLog.open(
            tmp_path / "log", TableStore(database.connection), "test", segment_bytes=64 * KIB, ballast_bytes=KIB
        )
        await again.write(record(30, actor=Actor("eio")))
        await again.shipper.ship(everything=True)
        await again.close()
        async with database.connection() as connection:
            assert not (await verify(connection, tmp_path / "log")).findings

    asyncio.run(go())
    logged = Counter(seq for event in events(vaka.data, "eio") for seq in event.record.seqs)
    assert logged == Counter(range(31))


@pytest.mark.parametrize(("under_way", "together"), [(8, True), (1, False)])
def test_who_is_under_way_goes_into_one_block(
    vaka: Vaka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, under_way: int, together: bool
) -> None:
    """Would break: a flush of the disk for each of many reads at once; or who is alone waits for nobody."""
    monkeypatch.setattr(config, "LOG_GATHER_S", 30.0)

    async def go() -> int:
        log = await AccessLog.open(
            tmp_path / "log", TableStore(connect_to(vaka.data)), "test", segment_bytes=64 * KIB, ballast_bytes=KIB
        )
        log.under_way = under_way
        async with asyncio.timeout(25):
            writes: list[asyncio.Task[None]] = []
            for number in range(8):
                writes.append(asyncio.create_task(log.write(record(number))))
                if together:
                    await asyncio.sleep(0.02)
                else:
                    await writes[-1]
            await asyncio.gather(*writes)
        await log.shipper.ship(everything=True)
        await log.close()
        found = files.scan(files.segments(tmp_path / "log")[0][1])
        assert found is not None
        return len(found.blocks)

    assert asyncio.run(go()) == (1 if together else 8)


def test_a_record_waits_a_moment_at_most_for_the_others(vaka: Vaka, tmp_path: Path) -> None:
    """Would break: a read waits for a search that is under way, as long as that takes."""

    async def go() -> None:
        log = await AccessLog.open(
            tmp_path / "log", TableStore(connect_to(vaka.data)), "test", segment_bytes=64 * KIB, ballast_bytes=KIB
        )
        log.under_way = 2
        async with asyncio.timeout(15):
            await log.write(record(1))
        await log.shipper.ship(everything=True)
        await log.close()

    asyncio.run(go())


SHIPPING = """
import asyncio, os, signal, sys
from pathlib import Path
import psycopg
from vaka import config
from vaka.accesslog import files
from vaka.accesslog.ship import Shipper
from vaka.accesslog.store import TableStore
from contextlib import asynccontextmanager

address, folder, step = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
config.LOG_RUN_BYTES = 4_000
config.LOG_KEEP_FILES_S = 0.0
taken = 0

def count():
    global taken
    taken += 1
    if taken == step:
        os.kill(os.getpid(), signal.SIGKILL)

class Counting(psycopg.AsyncConnection):
    async def execute(self, *args, **more):
        count()
        found = await super().execute(*args, **more)
        count()
        return found

@asynccontextmanager
async def connect():
    async with await Counting.connect(address, autocommit=True) as connection:
        yield connection
    count()

unlink = Path.unlink
def unlinking(self, *args, **more):
    count()
    unlink(self, *args, **more)
    count()
Path.unlink = unlinking
asyncio.run(Shipper(folder, TableStore(connect)).ship(everything=True))
"""


def test_a_kill_at_any_step_of_shipping_loses_and_doubles_nothing(vaka: Vaka, tmp_path: Path) -> None:
    """Would break: a run is there twice, or a file is gone before its blocks are in the tables."""
    database = Database(vaka.data)

    async def write(first: int, count: int) -> None:
        log = await AccessLog.open(
            tmp_path / "log", TableStore(database.connection), "test", segment_bytes=8 * KIB, ballast_bytes=KIB
        )
        for task in log._beats:
            task.cancel()
        for number in range(first, first + count):
            await log.write(record(number, actor=Actor("shipped")))
        await log.close()

    count, step, killed = 0, 1, 0
    while True:
        if step % 40 == 1:
            asyncio.run(write(count, 60))
            count += 60
        done = commands.program(SHIPPING, dsn(vaka.data), tmp_path / "log", str(step))
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
        killed += 1
        step += 7 if killed > 12 else 1
    assert killed > 12, "the kills hit nothing"
    logged = Counter(seq for event in events(vaka.data, "shipped") for seq in event.record.seqs)
    assert logged == Counter(range(count))
    assert len(list((tmp_path / "log").glob("*.log"))) < 3, "what is in the tables goes from the files"

    async def check() -> None:
        async with database.connection() as connection:
            assert not (await verify(connection, tmp_path / "log")).findings

    asyncio.run(check())
    assert folder(vaka.data).exists()


def test_the_journal_serves_while_its_log_has_no_room(tmp_path: Path) -> None:
    """Would break: a full disk for the log keeps the journal from starting or serving; or nothing is logged meanwhile."""
    vaka = Vaka(tmp_path / "data")
    with disk(vaka.data / "accesslog", "1m") as place:
        try:
            vaka.start()
            with httpx.Client(
                headers={"Authorization": f"Bearer {vaka.token('roomless')}"}, base_url=vaka.url
            ) as client:
                assert [client.get(f"/fhir/Patient/{number}").status_code for number in range(20)] == [404] * 20
                assert not list(place.glob("*.log"))
                subprocess.run(["mount", "-o", "remount,size=64m", place], check=True)
                until(lambda: list(place.glob("*.log")), "there is a file")
                assert client.get("/fhir/Patient/20").status_code == 404
            assert len(list(place.glob("*.log"))) == 1
            logged = [event.record.address for event in events(vaka.data, "roomless")]
            assert logged == [f"/fhir/Patient/{number}" for number in range(21)]
            assert not verified(vaka.data).findings
            told = (vaka.data / "log" / "journal.jsonl").read_text()
            assert '"written_to":"database"' in told, "an incident is told"
            assert '"written_to":"file"' in told
        finally:
            vaka.stop()
