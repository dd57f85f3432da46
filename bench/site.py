"""A journal with read copies in front, as ``vaka up`` starts them, that hold the demo region: to measure copies on.

Invariants: nothing is measured before each copy has all and its sheets are made; a copy is all its processes with all their
threads (they share one core), and the journal, PostgreSQL and the load have the other.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import httpx
import orjson
from bench.copies import Copy, pin_others
from bench.place import Place, vaka
from bench.running import Vaka, free_port

from vaka.copy.files import Folder
from vaka.watch import status

WAIT_S: Final = 240.0
PATIENTS: Final = 400


@dataclass(frozen=True, slots=True)
class Site:
    """``place``: the journal behind the copies; ``copies``: in order."""

    place: Place
    copies: tuple[Copy, ...]

    @property
    def ports(self) -> tuple[int, ...]:
        return tuple(copy.port for copy in self.copies)

    @property
    def token(self) -> str:
        return self.place.token

    def folder(self, number: int) -> Path:
        """The folder of a copy, by its number from 1."""
        return _folder(self.place.data, number)

    def pid(self, name: str, number: int = 0) -> int:
        """The process of a part of copy ``number`` (``follow``, ``serve-1``), 0: of the whole (``journal``, ``copy-1``).
        RuntimeError where there is none now: to a signal 0 is this process and all its group."""
        found = _pid(self.folder(number) if number else self.place.data, name)
        if not found:
            raise RuntimeError(f"{name} does not run now")
        return found

    def pin(self, number: int = 1) -> None:
        """Puts copy ``number`` on its core; all else, this process too, on the other."""
        pin_others(self.place.vaka.family())
        self.copies[number - 1].pin()

    def ask(self, address: str, token: str | None = None, *, copy: int = 1, **headers: str) -> httpx.Response:
        """One question to a copy."""
        return self.copies[copy - 1].ask(address, token or self.token, **headers)

    def settle(self) -> None:
        """Returns when each copy holds all that was written until now, and has made its sheets. RuntimeError if it does not."""
        headers = {"Authorization": f"Bearer {self.token}"}
        made = httpx.post(
            f"http://127.0.0.1:{self.ports[0]}/fhir/Patient", json={"resourceType": "Patient"}, headers=headers,
            timeout=20,
        )  # fmt: skip
        assert made.status_code == 201, made.text
        address = f"/fhir/Patient/{made.json()['id']}"
        for number, copy in enumerate(self.copies, 1):
            until(lambda one=copy: self._answers(address, one), f"copy {number} has all")  # type: ignore[misc]
            until(lambda one=copy: one.to_make() == 0, f"copy {number} has made its sheets")  # type: ignore[misc]

    def _answers(self, address: str, copy: Copy) -> bool:
        answer = copy.ask(address, self.token)
        return answer.status_code == 200 and answer.headers["vaka-answered-by"] == "copy"


def _folder(data: Path, number: int) -> Path:
    return data / "copies" / str(number)


def _pid(folder: Path, name: str) -> int:
    found = status.read(folder / "run" / "status.json")
    parts = found.parts if found is not None else ()
    return next((part.pid or 0 for part in parts if part.name == name and part.state != "gone"), 0)


def until(true: Callable[[], object], what: str) -> None:
    """Waits for it. RuntimeError after ``WAIT_S``."""
    deadline = time.monotonic() + WAIT_S
    while not true():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: not within {WAIT_S:.0f} s")
        time.sleep(0.05)


@contextmanager
def site(copies: int = 1, patients: int = PATIENTS) -> Iterator[Site]:
    """A journal with ``copies`` in a new folder, the demo region in all of them; gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="vaka-bench-"))
    folder.chmod(0o755)
    running = Vaka(folder / "data", free_port(), arguments=(f"--copies={copies}",))
    try:
        running.start()
        region = folder / "region"
        subprocess.run(  # nosec B603  our own command
            vaka("region", "--patients", str(patients), "--to", str(region)), check=True, capture_output=True
        )
        subprocess.run(  # nosec B603  our own command
            vaka("load", str(region), "--data", str(running.data)), check=True, capture_output=True
        )
        ports = orjson.loads((running.data / "run" / "ports.json").read_bytes())
        found = status.read(running.data / "run" / "status.json")
        assert found is not None
        assert found.dsn is not None
        journal = Vaka(running.data, ports["journal"], running.process)
        copies_ = tuple(
            Copy(
                Folder(_folder(running.data, number)), port, partial(_pid, running.data, f"copy-{number}"),
                running.data / "log" / f"copy-{number}.stderr",
            )
            for number, port in enumerate(ports["copies"], 1)
        )  # fmt: skip
        made = Site(Place(journal, found.dsn, running.token("bench")), copies_)
        made.settle()
        yield made
    finally:
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)
