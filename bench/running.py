"""A Vaka of one's own for a figure or a recovery test: started with ``vaka up``, killed without warning, started again.

Invariants: only processes that this started are ended, by their ids; ``kill`` leaves none of them alive.
"""

from __future__ import annotations

import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
import psutil

START_MAX_S: Final = 120.0
STOP_MAX_S: Final = 60.0
FULL: Final = frozenset({"system/*.*", "feed"})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def token(data: Path, name: str, scopes: frozenset[str] = FULL, *, days: float = 1.0) -> str:
    """A token for the Vaka in ``data``."""
    from vaka.api.keyring import Keyring
    from vaka.api.tokens import Tokens

    return Tokens(Keyring(data, "token")).make(name, scopes=scopes, days=days)


def command(*arguments: str | Path, python: str = sys.executable) -> list[str]:
    """``vaka`` with these arguments, by this interpreter."""
    return [python, "-P", "-m", "vaka.cli", *map(str, arguments)]


def ready(port: int) -> bool:
    """Whether the Vaka at this port of this machine says that it is ready."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/ready", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def _name(process: psutil.Process) -> str:
    with suppress(psutil.NoSuchProcess):  # a backend that has just ended
        return process.name()
    return ""


@dataclass(slots=True)
class Vaka:
    """One Vaka in ``data``, at ``port`` of this machine."""

    data: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    arguments: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> float:
        """``vaka up``; seconds until /ready answers 200. RuntimeError, with its last words, if it does not."""
        began = time.monotonic()
        said = self.data.with_suffix(".up.log")
        with said.open("ab") as output:
            self.process = subprocess.Popen(
                command("up", "--copies=0", "--data", self.data, "--port", str(self.port), *self.arguments),
                stdout=output,
                stderr=output,
            )
        while time.monotonic() - began < START_MAX_S and self.process.poll() is None:
            if self.ready():
                return time.monotonic() - began
            time.sleep(0.01)
        raise RuntimeError(f"vaka up did not become ready:\n{said.read_text(errors='replace')[-3000:]}")

    def ready(self) -> bool:
        return ready(self.port)

    def family(self) -> list[psutil.Process]:
        """The supervisor and everything below it."""
        if self.process is None or self.process.poll() is not None:
            return []
        supervisor = psutil.Process(self.process.pid)
        return [supervisor, *supervisor.children(recursive=True)]

    def postgres(self) -> list[psutil.Process]:
        return [process for process in self.family() if _name(process) == "postgres"]

    def kill(self, chance: random.Random) -> None:
        """``kill -9`` of every process, in an order of its own, as the power going would have it."""
        assert self.process is not None
        family = self.family()
        chance.shuffle(family)
        for process in family:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        self.process.wait()
        deadline = time.monotonic() + STOP_MAX_S
        while any(map(_alive, family)) and time.monotonic() < deadline:
            time.sleep(0.005)
        self.process = None

    def stop(self) -> None:
        """A clean stop."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_MAX_S)
        except subprocess.TimeoutExpired:
            self.kill(random.Random(0))
        self.process = None

    def token(self, name: str) -> str:
        return token(self.data, name)


def _alive(process: psutil.Process) -> bool:
    """Not so for a zombie: it has ended, and waits only to be counted by whoever adopted it."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@contextmanager
def running(data: Path, *arguments: str) -> Iterator[Vaka]:
    """A ready Vaka in ``data``, stopped at the end; ``arguments``: further ones of ``vaka up``."""
    vaka = Vaka(data, arguments=arguments)
    try:
        vaka.start()
        yield vaka
    finally:
        vaka.stop()
