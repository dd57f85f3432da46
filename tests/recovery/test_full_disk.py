"""A copy on a disk of its own that is filled to the last byte under it: no fault is put in, the file system itself refuses.

The disk is a file system that the test mounts, which takes root; the copy's log has small files, so that the ladder of the log
(docs/operating/access-log.md) is gone down within a minute's reads.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson
import psutil
import pytest
from bench.running import FULL, Vaka, command, free_port, token
from tests.accesses import events, verified
from tests.api.records import Ward
from tests.client import Api, fresh
from tests.conftest import Instance
from tests.recovery.running import told, vaka, wait_until
from tests.recovery.test_copy_log import post_to

from vaka.access.scopes import FEED, FEED_PRIVATE, RESERVE
from vaka.accesslog.files import is_elsewhere, logs
from vaka.accesslog.remote import JournalStore
from vaka.accesslog.ship import Shipper
from vaka.copy import engine, files
from vaka.copy.files import Folder
from vaka.watch import status

pytestmark = [pytest.mark.alone, pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a disk to fill")]

_DISK_BYTES = 1280 * 1024 * 1024  # a copy starts where 1 GB is free
_SMALL_LOG = "from vaka import config\nconfig.LOG_SEGMENT_BYTES, config.LOG_BALLAST_BYTES = 16384, 32768\n"


@contextmanager
def disk(folder: Path, kind: str) -> Iterator[Path]:
    """A file system of its own, mounted for as long as the block lasts; skips where this machine mounts none."""
    image, at = folder / "disk.img", folder / "disk"
    at.mkdir()
    made: tuple[list[str | Path], ...]
    if kind == "tmpfs":
        made = (["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES},mode=700", "vaka-test", at],)
    else:
        if shutil.which("mkfs.ext4") is None:
            pytest.skip("mkfs.ext4 is not installed")
        with image.open("wb") as file:
            file.truncate(_DISK_BYTES)
        made = (["mkfs.ext4", "-q", "-m", "0", image], ["mount", "-o", "loop", image, at])
    for one in made:
        done = subprocess.run(one, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"no {kind} can be mounted here: {done.stderr.strip()}")
    try:
        yield at
    finally:
        if subprocess.run(["umount", at], check=False).returncode != 0:
            subprocess.run(["umount", "--lazy", at], check=True)  # something of the copy is left: the test says what
        image.unlink(missing_ok=True)


class Filler:
    """Takes what room there is on the disk at ``at``, to the last byte and again where some is given back, until it is removed."""

    def __init__(self, at: Path) -> None:
        self._path = at / "filler"
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._fill)
        self._thread.start()

    def _fill(self) -> None:
        while not self._stop.is_set():
            piece = 64 * 1024 * 1024
            while piece:
                try:
                    if piece > 4096:
                        os.posix_fallocate(self._descriptor, os.fstat(self._descriptor).st_size, piece)
                    else:
                        os.write(self._descriptor, b"x" * piece)
                except OSError:
                    piece //= 2
            time.sleep(0.005)

    def remove(self) -> None:
        self._stop.set()
        self._thread.join()
        with suppress(OSError):
            os.close(self._descriptor)
        self._path.unlink(missing_ok=True)


@dataclass
class Filled:
    """A journal, and a copy of it in ``folder`` on the disk that is to be filled. ``person``: somebody at the ward."""

    journal: Vaka
    ward: Ward
    folder: Folder
    url: str
    person: str
    program: str
    process: subprocess.Popen[bytes]
    notes: list[str] = field(default_factory=list)

    def get(self, id_: str, by: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {by}"}
        return httpx.get(f"{self.url}/fhir/Composition/{id_}", headers=headers, timeout=30)

    def here(self, id_: str) -> bool:
        """Whether the copy itself answers with it."""
        try:
            answer = self.get(id_, self.person)
        except httpx.TransportError:
            return False
        return answer.status_code == 200 and answer.headers["vaka-answered-by"] == "copy"

    def ready(self) -> dict[str, Any]:
        answer = httpx.get(self.url + "/ready", timeout=30)
        assert answer.status_code == 200, "it goes on being sent readers"
        found: dict[str, Any] = answer.json()
        return found

    def status(self) -> str:
        return vaka("status", "--data", self.folder.path).stdout

    def pids(self) -> dict[str, int | None]:
        found = status.read(self.folder.path / "run" / "status.json")
        assert found is not None
        return {one.name: one.pid for one in status.rows(found) if one.state != "gone"}

    def lines(self, name: str) -> list[dict[str, Any]]:
        text = (self.folder.path / "log" / f"{name}.jsonl").read_bytes()
        return [orjson.loads(line) for line in text.splitlines()]


@contextmanager
def copy_on(at: Path, folder: Path) -> Iterator[Filled]:
    """A journal on the machine's disk with a ward, and a copy at ``at`` that has followed."""
    journal, port = Vaka(folder / "data", free_port()), free_port()
    small, given, copy = folder / "small", folder / "token", Folder(at / "copy")
    small.mkdir()
    (small / "sitecustomize.py").write_text(_SMALL_LOG)
    process: subprocess.Popen[bytes] | None = None
    try:
        journal.start()
        given.write_text(token(journal.data, "full", frozenset({FEED, FEED_PRIVATE, RESERVE})))
        with (folder / "said").open("wb") as said:
            process = subprocess.Popen(
                command("copy", "--from", journal.url, "--data", copy.path, "--port", str(port), "--token-file", given),
                stdout=said, stderr=said, env={**os.environ, "PYTHONPATH": str(small)},
            )  # fmt: skip
        ward = Ward(Api(journal.url, token(journal.data, "tests", FULL)))
        person = Instance(journal.url, journal.data).session(
            person=f"SE-{fresh()}", practitioner=f"n-{fresh()}", unit=ward.unit, provider=ward.provider, name="full-person"
        )  # fmt: skip
        found = Filled(
            journal, ward, copy, f"http://127.0.0.1:{port}", person, token(journal.data, "full-program", FULL), process
        )
        found.notes.append(ward.note()["id"])
        wait_until(lambda: found.here(found.notes[0]), "the copy has the ward")
        wait_until((copy.path / "accesslog" / "serve-1" / "ballast").exists, "its log has ballast")
        yield found
        ward.api.close()
    finally:
        if process is not None and process.poll() is None:
            process.terminate()
            process.wait(60)
        for name in ("watch", "follow", "serve-1"):  # gone with the disk: pytest shows them where the test has failed
            with suppress(OSError):
                print((copy.path / "log" / f"{name}.jsonl").read_text()[-6000:])
        journal.stop()


@contextmanager
def written_meanwhile(site: Filled) -> Iterator[None]:
    """Notes of new patients are written at the journal all the time."""
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            site.notes.append(site.ward.note(site.ward.admit())["id"])

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def standing_still(journal: Vaka) -> Iterator[None]:
    """The journal and all below it answer nobody."""
    still = [one for one in journal.family() if one.is_running()]
    for one in still:
        one.suspend()
    try:
        yield
    finally:
        for one in reversed(still):
            with suppress(psutil.NoSuchProcess):
                one.resume()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["ext4", pytest.param("tmpfs", marks=pytest.mark.slow)])
def test_a_copy_whose_disk_fills_serves_on_says_so_and_resumes(tmp_path: Path, kind: str) -> None:
    """Broken (traps: Log, Full disk): a full disk ends reading or a process of the copy, nobody is told, an access is given out and
    logged nowhere, or the copy has to be mended by hand when there is room again."""
    answered = {"full-person": 0, "full-program": 0}
    with disk(tmp_path, kind) as at, copy_on(at, tmp_path) as site:
        log_folder, first, before = site.folder.path / "accesslog" / "serve-1", site.notes[0], site.pids()
        assert {"watch", "follow", "serve-1"} <= before.keys()
        assert not site.ready()["diskFull"]

        def read(by: str) -> httpx.Response:
            answer = site.get(first, site.person if by == "full-person" else site.program)
            answered[by] += answer.status_code == 200
            return answer

        def both_read() -> bool:
            for by in answered:
                answer = read(by)
                assert answer.status_code == 200, (by, answer.text)
                assert answer.headers["vaka-answered-by"] == "copy"
            return True

        filler = Filler(at)
        try:
            with written_meanwhile(site):
                wait_until(lambda: both_read() and site.ready()["diskFull"], "/ready says it")
                assert "its disk is full" in site.status()
                wait_until(lambda: both_read() and is_elsewhere(log_folder), "no file takes its log any more", 120.0)
                assert not (log_folder / "ballast").exists()
                so_far = len(site.notes)
                wait_until(lambda: both_read() and len(site.notes) > so_far + 20, "it is written at the journal")
            with standing_still(site.journal):
                wait_until(
                    lambda: read("full-program").status_code == 503, "it cannot be logged: no program is answered"
                )
                for _ in range(50):
                    assert read("full-person").status_code == 200, "a person reads of one patient"
                refused = read("full-program")
                assert refused.status_code == 503
                assert "retry-after" in refused.headers
                assert "access log" in refused.text
            wait_until(lambda: read("full-program").status_code == 200, "the journal keeps its log again")
            assert site.pids() == before, "no process has died"
            assert before["follow"] is not None
            os.kill(before["follow"], signal.SIGKILL)
            deadline = time.monotonic() + 3.0
            while time.monotonic() < deadline or "follow" in site.pids():
                assert read("full-person").status_code == 200, "one that is killed takes no other with it"
            # While nobody hears the journal, a program is asked to come again.
            wait_until(lambda: read("full-program").status_code == 200, "the journal keeps its log again")
        finally:
            filler.remove()
        wait_until(lambda: not site.ready()["diskFull"], "there is room")
        for id_ in site.notes:
            wait_until(lambda id_=id_: site.here(id_), "what was written meanwhile is here")  # type: ignore[misc]
        assert "its disk is full" not in site.status()
        wait_until(lambda: site.pids().keys() == before.keys(), "another follows, and is told of")
        assert {**site.pids(), "follow": 0} == {**before, "follow": 0}, "none of the others has died"
        wait_until(
            lambda: sum(one["event"] == "access not yet logged" for one in site.lines("serve-1")) >= 50,
            "each has its line, though the lines' own disk was full",
        )
        key, number = files.key(site.folder), site.folder.current()
        assert number is not None
        for path in (site.folder.record(number), site.folder.own, site.folder.reserve):
            opening = files.reserve_key(key) if path == site.folder.reserve else key
            connection = engine.reader(path, opening)
            assert connection.execute("PRAGMA integrity_check").get == "ok", path.name
            connection.close()
        wait_until((log_folder / "ballast").exists, "there is ballast for the next time")
        done = vaka("log", "verify", "--data", site.folder.path, "--json")
        assert (done.returncode, told(done)["findings"]) == (0, []), done.stdout
        site.process.terminate()
        assert site.process.wait(60) == 0, "it stops cleanly"
        proof, key = (site.folder.keys / "token").read_text().strip(), files.log_key(key)
        for place in logs(site.folder.path / "accesslog"):
            asyncio.run(Shipper(place, JournalStore(post_to(site.journal.url, proof)), key).ship(everything=True))
        assert not verified(site.journal.data).findings
        logged = [one.record for one in events(site.journal.data) if one.record.status == 200]
        for by, count in answered.items():
            found = sum(by in (one.actor.name, one.actor.principal) for one in logged)
            print(by, count, found)
            assert found >= count, "each answer that was given is logged"
