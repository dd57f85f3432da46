"""A journal to measure: ``vaka up`` in a new folder, the API process on one core, PostgreSQL and the load on the other."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
import psutil
from bench.running import Vaka, running

API_CORE, LOAD_CORE = 0, 1


@dataclass(frozen=True, slots=True)
class Place:
    """A running journal. ``dsn``: its database; ``token``: full rights."""

    vaka: Vaka
    dsn: str
    token: str

    @property
    def data(self) -> Path:
        return self.vaka.data

    @property
    def port(self) -> int:
        return self.vaka.port

    def pid(self, name: str) -> int:
        """The process of a part (``journal``: the API; ``postgres``)."""
        return next(int(part["pid"]) for part in _status(self.data)["parts"] if part["name"] == name)

    def pin(self, *, postgres: int = LOAD_CORE) -> None:
        """Puts the API on its core, PostgreSQL on ``postgres``, and this process on the load's."""
        if (os.cpu_count() or 1) < 2:
            return
        pin(self.pid("journal"), API_CORE)
        for process in _tree(self.pid("postgres")):
            process.cpu_affinity([postgres])
        os.sched_setaffinity(0, {LOAD_CORE})


def pin(pid: int, core: int) -> None:
    """Puts a process and all its threads on ``core``: a server's threads began before it was pinned."""
    for thread in psutil.Process(pid).threads():
        os.sched_setaffinity(thread.id, {core})


def _status(data: Path) -> dict[str, list[dict[str, str]]]:
    found = orjson.loads((data / "run" / "status.json").read_bytes())
    assert isinstance(found, dict)
    return found


def _tree(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def vaka(*arguments: str) -> list[str]:
    """The command line of this Vaka."""
    return [sys.executable, "-m", "vaka.cli", *arguments]


@contextmanager
def place() -> Iterator[Place]:
    """A journal in a new folder, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="vaka-bench-"))
    folder.chmod(0o755)
    try:
        with running(folder / "data") as found:
            yield Place(found, str(_status(found.data)["dsn"]), found.token("bench"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
