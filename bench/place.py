"""A journal of its own to measure: ``vaka up`` in a new folder, the API process on one core, PostgreSQL and the load on
the other."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
import psutil

API_CORE, LOAD_CORE = 0, 1
_START_MAX_S = 180.0


@dataclass(slots=True)
class Place:
    """A running journal. ``dsn``: its database; ``token``: full rights."""

    data: Path
    port: int
    dsn: str
    token: str
    process: subprocess.Popen[bytes]

    def pid(self, name: str) -> int:
        """The process of a part (``journal``: the API; ``postgres``)."""
        status = orjson.loads((self.data / "run" / "status.json").read_bytes())
        return next(int(part["pid"]) for part in status["parts"] if part["name"] == name)

    def pin(self) -> None:
        """Puts the API on its core, PostgreSQL and this process on the other."""
        if (os.cpu_count() or 1) < 2:
            return
        for process in _tree(self.pid("journal")):
            process.cpu_affinity([API_CORE])
        for process in _tree(self.pid("postgres")):
            process.cpu_affinity([LOAD_CORE])
        os.sched_setaffinity(0, {LOAD_CORE})

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()


def _tree(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def vaka(*arguments: str) -> list[str]:
    """The command line of this Vaka."""
    return [sys.executable, "-m", "vaka.cli", *arguments]


def start(data: Path, port: int) -> Place:
    """``vaka up`` in ``data``, ready."""
    with (data.parent / "up.log").open("ab") as output:
        process = subprocess.Popen(vaka("up", "--data", str(data), "--port", str(port)), stdout=output, stderr=output)
    deadline = time.monotonic() + _START_MAX_S
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=5):
                break
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            if time.monotonic() > deadline or process.poll() is not None:
                process.kill()
                raise RuntimeError((data.parent / "up.log").read_text()) from None
            time.sleep(0.05)
    token = subprocess.run(
        vaka("token", "--system", "bench", "--data", str(data)), check=True, capture_output=True, text=True
    ).stdout.strip()
    status = orjson.loads((data / "run" / "status.json").read_bytes())
    return Place(data, port, str(status["dsn"]), token, process)


@contextmanager
def place() -> Iterator[Place]:
    """A journal in a new folder, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="vaka-bench-"))
    folder.chmod(0o755)
    running = start(folder / "data", free_port())
    try:
        yield running
    finally:
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)
