"""Machines of one's own on this one: network namespaces on one switch, each with an address at eth0, as docs/operating shows them.

Invariants: nothing of it touches the real network, and no namespace that this did not make; what was started in one is ended by
its process id.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

import psutil
import pytest

T = TypeVar("T")

_CLONE_NEWNET: Final = 0x4000_0000
_STOP_MAX_S: Final = 30.0


def _may() -> bool:
    """Whether this process may make namespaces and join them with a bridge."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    name = f"vaka{os.getpid()}-may"
    try:
        return _ip("netns", "add", name) and _ip("-n", name, "link", "add", "br0", "type", "bridge")
    finally:
        _ip("netns", "del", name)


def _ip(*arguments: str) -> bool:
    return subprocess.run(["ip", *arguments], capture_output=True, check=False).returncode == 0


needs_machines = pytest.mark.skipif(
    not _may(), reason="making network namespaces takes root, ip and a kernel with bridges"
)


@dataclass
class Machines:
    """``addresses``: of each machine, by its name."""

    addresses: Mapping[str, str]
    _started: list[tuple[str, subprocess.Popen[bytes]]] = field(default_factory=list)

    @property
    def _switch(self) -> str:
        return self._of("switch")

    @staticmethod
    def _of(name: str) -> str:
        return f"vaka{os.getpid()}-{name}"

    def make(self) -> None:
        self._require("netns", "add", self._switch)
        self._require("-n", self._switch, "link", "add", "br0", "type", "bridge")
        self._require("-n", self._switch, "link", "set", "br0", "up")
        for number, (name, address) in enumerate(self.addresses.items()):
            self._require("netns", "add", self._of(name))
            port = f"p{number}"
            self._require(
                "-n", self._switch, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", self._of(name)
            )
            self._require("-n", self._switch, "link", "set", port, "master", "br0", "up")
            self._require("-n", self._of(name), "address", "add", f"{address}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                self._require("-n", self._of(name), "link", "set", device, "up")

    def remove(self) -> None:
        for _, process in reversed(self._started):
            _end(process)
        for name in (*self.addresses, "switch"):
            _ip("netns", "del", self._of(name))

    @staticmethod
    def _require(*arguments: str) -> None:
        subprocess.run(["ip", *arguments], check=True, capture_output=True)

    def start(self, name: str, command: Sequence[str | Path], said: Path) -> subprocess.Popen[bytes]:
        """Starts ``command`` on the machine; what it says goes to ``said``. Ended with all else."""
        with said.open("ab") as output:
            process = subprocess.Popen(
                ["ip", "netns", "exec", self._of(name), *map(str, command)], stdout=output, stderr=output
            )
        self._started.append((name, process))
        return process

    def inside(self, name: str, work: Callable[[], T]) -> T:
        """What ``work`` gives when its connections are made from the machine."""
        found: list[T] = []
        wrong: list[BaseException] = []

        def run() -> None:
            try:
                self.enter(name)
                found.append(work())
            except BaseException as error:
                wrong.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        if wrong:
            raise wrong[0]
        return found[0]

    def enter(self, name: str) -> None:
        """From now on this thread's connections are made from the machine."""
        with Path(f"/var/run/netns/{self._of(name)}").open() as file:
            if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), _CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")

    def has(self, name: str, address: str) -> bool:
        """Whether the machine holds the address now."""
        told = subprocess.run(
            ["ip", "-n", self._of(name), "-o", "address", "show"], capture_output=True, text=True, check=True
        )
        return f" {address}/" in told.stdout

    def plug(self, name: str, connected: bool) -> None:
        """Its network cable, in or out."""
        self._require("-n", self._of(name), "link", "set", "eth0", "up" if connected else "down")

    def switch_off(self, name: str) -> None:
        """As when its power goes: nothing more comes from it, and all that was started there is dead."""
        self.plug(name, False)
        for machine, process in self._started:
            if machine == name and process.poll() is None:
                family = psutil.Process(process.pid)
                for one in (family, *family.children(recursive=True)):
                    with suppress(psutil.NoSuchProcess):
                        one.kill()
                process.wait(_STOP_MAX_S)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_STOP_MAX_S)
        except subprocess.TimeoutExpired:
            for one in psutil.Process(process.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    one.kill()
            process.kill()
            process.wait()


@contextmanager
def machines(**addresses: str) -> Iterator[Machines]:
    """Machines with these addresses, on one network; gone at the end."""
    made = Machines(addresses)
    try:
        made.make()
        yield made
    finally:
        made.remove()
