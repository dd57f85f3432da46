"""A real ``vaka up`` that a recovery test may kill, and the questions that tell whether it is well."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
from bench import running
from bench.running import command, free_port
from tests.commands import run as vaka
from tests.waiting import until

from vaka.journal import cluster
from vaka.watch import status

__all__ = ["Up", "refused", "told", "up", "vaka", "wait_until"]

READY_MAX_S = 60.0
SETUP = 78


def wait_until(true: Callable[[], object], what: str, seconds: float = READY_MAX_S) -> None:
    until(true, what, seconds)


@dataclass
class Up:
    """A started ``vaka up``."""

    data: Path
    port: int
    process: subprocess.Popen[str]

    @property
    def pgdata(self) -> Path:
        return self.data / "pg"

    def status(self) -> status.Status:
        found = status.read(self.data / "run" / "status.json")
        assert found is not None
        return found

    def pid(self, name: str) -> int:
        """Its process; waits while there is none."""
        wait_until(lambda: self._pid(name), f"{name} has a process")
        return self._pid(name) or 0

    def _pid(self, name: str) -> int | None:
        return next((p.pid for p in status.rows(self.status()) if p.name == name and p.state != "gone"), None)

    def await_other(self, name: str, before: int) -> None:
        """Until another process than ``before`` has taken its place."""
        wait_until(lambda: self._pid(name) not in (None, before), f"{name} restarted")

    def pids(self) -> list[int]:
        """Every process of it: the supervisor, its parts, PostgreSQL's backends."""
        told = [part.pid for part in status.rows(self.status()) if part.pid is not None and part.state != "gone"]
        return [*told, *cluster.at(self.pgdata).leftovers()]

    def ready(self) -> bool:
        return running.ready(self.port)

    def await_ready(self) -> float:
        """Seconds until it is ready."""
        began = time.monotonic()
        wait_until(lambda: (self.process.poll() is None and self.ready()) or self._ended(), "ready")
        return time.monotonic() - began

    def _ended(self) -> bool:
        assert self.process.poll() is None, f"vaka up ended: {self.process.stderr and self.process.stderr.read()}"
        return False

    def token(self) -> str:
        return running.token(self.data, "test")

    def feed_token(self) -> str:
        from vaka.api.keyring import Keyring
        from vaka.api.tokens import Tokens

        return Tokens(Keyring(self.data, "token")).make("copy", scopes=frozenset({"feed"}), days=1)

    def create(self, family: str) -> str:
        """Create a patient; the id is returned once the write is acknowledged."""
        answer = httpx.post(
            f"http://127.0.0.1:{self.port}/fhir/Patient",
            json={"resourceType": "Patient", "name": [{"family": family}]},
            headers={"Authorization": f"Bearer {self.token()}"},
            timeout=10,
        )
        assert answer.status_code == 201, answer.text
        return str(answer.headers["Location"].split("/Patient/")[1].split("/")[0])

    def read(self, id_: str) -> int:
        """The status code of a read; 503 is answered as a client does, by asking again."""
        headers = {"Authorization": f"Bearer {self.token()}"}
        for _ in range(20):
            code = httpx.get(
                f"http://127.0.0.1:{self.port}/fhir/Patient/{id_}", headers=headers, timeout=10
            ).status_code
            if code != 503:
                break
            time.sleep(0.25)
        return code

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)

    def kill_all(self) -> None:
        """``kill -9`` of everything at once, the supervisor first so that nothing is restarted."""
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(10)
        wait_until(lambda: not cluster.at(self.pgdata).leftovers(), "all dead", 15)


@contextlib.contextmanager
def up(data: Path, *options: str | Path, port: int | None = None, wait: bool = True, **popen: Any) -> Iterator[Up]:
    """``vaka up`` on ``data`` for as long as the block lasts; whatever happens in it, nothing is left running."""
    at = port or free_port()
    python = popen.pop("python", sys.executable)
    process = subprocess.Popen(
        command("up", "--copies=0", "--data", data, "--port", str(at), *options, python=python),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **popen,
    )  # fmt: skip
    started = Up(data, at, process)
    try:
        if wait:
            started.await_ready()
        yield started
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                started.kill_all()
        process.communicate()


def told(done: subprocess.CompletedProcess[str]) -> Any:
    """The JSON that a command answered."""
    assert done.stdout, done.stderr
    return orjson.loads(done.stdout)


def refused(data: Path, *options: str | Path, port: int | None = None, env: Mapping[str, str] | None = None) -> str:
    """What ``vaka up`` says when it refuses to start; it must end by itself, with code 78 and advice."""
    done = subprocess.run(
        command("up", "--copies=0", "--data", data, "--port", str(port or free_port()), *options),
        capture_output=True, text=True, timeout=90, check=False, env=env,
    )  # fmt: skip
    assert done.returncode == SETUP, (done.returncode, done.stderr)
    assert done.stderr.startswith("vaka: "), done.stderr
    assert "\n  help: " in done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr
