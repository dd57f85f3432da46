"""Figure: reserve entries lost or doubled by ``kill -9`` of either side during writing and handing over. None may be.

Two copies' reserves as processes, one real journal. Writers send entries to either copy: a patient, then changes made on
what is pending. At
random moments a copy, the journal's process or a backend of PostgreSQL gets SIGKILL, and is started again; what was not
answered is sent
again with its key, to the same copy or to the other. In the end all is handed over, and the record is compared with the ledger.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import orjson
import psutil
from bench.figure import Figure, sized
from bench.ledger import SYSTEM, Ledger, asked, detail, judge, kept
from bench.running import START_MAX_S, Vaka, free_port

WRITERS: Final = 6
BETWEEN_KILLS_S: Final = (0.3, 0.9)
DRAINED_MAX_S: Final = 180.0
_CHANGES: Final = 2


@dataclass(frozen=True, slots=True)
class Reserved:
    """``entries``: acknowledged; ``resent``: sent again, since no answer came; ``changed``: patients whose last
    acknowledged change is not
    what the record says; ``left``: entries that ended as a Task or refused, which nothing here should."""

    kills: int
    seed: int
    entries: int
    resent: int
    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    changed: tuple[str, ...]
    left: tuple[str, ...]

    @property
    def wrong(self) -> tuple[str, ...]:
        return (*self.lost, *self.doubled, *self.changed, *self.left)

    def figure(self) -> Figure:
        how = detail(self.entries, self.resent, self.seed, self.wrong)
        what = f"reserve entries lost or doubled in {self.kills} kills of either side"
        return Figure("reserve", what, len(self.wrong), "entries", 0, 0, lower_is_better=True, detail=how)


class Copies:
    """The two copies' processes."""

    def __init__(self, folder: Path, vaka: Vaka) -> None:
        self._folder, self._vaka = folder, vaka
        self.ports = (free_port(), free_port())
        self._processes: list[subprocess.Popen[bytes] | None] = [None, None]

    def url(self, which: int) -> str:
        return f"http://127.0.0.1:{self.ports[which]}"

    def start(self, which: int) -> None:
        name = f"copy-{'ab'[which]}"
        with (self._folder / f"{name}.log").open("ab") as said:
            self._processes[which] = subprocess.Popen(
                [sys.executable, "-P", "-m", "bench.reserve_copy", str(self._folder / name), name, str(self._vaka.data),
                 self._vaka.url, self.url(1 - which), str(self.ports[which])],
                stdout=said, stderr=said, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )  # fmt: skip

    def await_both(self) -> None:
        """Until both answer again: entries are taken only while both are there."""
        deadline = time.monotonic() + START_MAX_S
        for which in (0, 1):
            while time.monotonic() < deadline:
                with suppress(httpx.HTTPError):
                    httpx.get(self.url(which) + "/waiting", timeout=5)
                    break
                time.sleep(0.05)

    def kill(self, which: int) -> None:
        process = self._processes[which]
        if process is not None:
            process.kill()
            process.wait()

    def stop(self) -> None:
        for which in (0, 1):
            self.kill(which)


@dataclass
class Load:
    copies: Copies
    ledger: Ledger
    chance: random.Random
    last: dict[str, str] = field(default_factory=dict)
    """Patient id → the family name of its last acknowledged change."""
    resent: int = 0
    over: bool = False

    async def writer(self, client: httpx.AsyncClient) -> None:
        while not self.over:
            value = f"r-{uuid.uuid4().hex}"
            self.ledger.intend(value)
            told = await self._write(client, "POST", "Patient", _patient(value, "0"))
            if told is None:
                return
            self.ledger.acknowledge([], value)
            id_, base, home = told["id"], told["entry"], told["copy"]
            self.last[id_] = "0"
            for number in range(1, 1 + self.chance.randrange(_CHANGES + 1)):
                body = {**_patient(value, str(number)), "id": id_}
                told = await self._write(client, "PUT", f"Patient/{id_}", body, id=id_, base=base, home=home)
                if told is None:
                    return
                self.ledger.acknowledge([])
                base, self.last[id_] = told["entry"], str(number)

    async def _write(
        self, client: httpx.AsyncClient, method: str, path: str, body: Any, *, home: int | None = None, **others: str
    ) -> dict[str, Any] | None:
        """Until it is acknowledged. A change goes where what it changes was written."""
        told = {"key": uuid.uuid4().hex, "method": method, "path": path, "body": orjson.dumps(body).decode(), **others}
        tries = 0
        while tries < 2_000:
            which = self.chance.randrange(2) if home is None else home
            self.resent += tries > 0
            with suppress(httpx.HTTPError):
                answer = await client.post(self.copies.url(which) + "/write", json=told)
                if answer.status_code == 201:
                    return {**answer.json(), "copy": which}
            tries += 1
            await asyncio.sleep(0.05)
        return None


def _patient(value: str, family: str) -> dict[str, Any]:
    return {"resourceType": "Patient", "identifier": [{"system": SYSTEM, "value": value}], "name": [{"family": family}]}


def vaka_reserve(kills: int, folder: Path | None = None, *, seed: int | None = None) -> Reserved:
    """Runs with ``kills`` in ``folder`` (none: one of its own, kept where something is wrong: it is the evidence)."""
    return kept("reserve", lambda own, chosen: _run(kills, own, chosen), folder, seed)


def _run(kills: int, folder: Path, seed: int) -> Reserved:
    chance = random.Random(seed)
    vaka = Vaka(folder / "data")
    copies = Copies(folder, vaka)
    ledger = Ledger(folder / "ledger.ndjson")
    load = Load(copies, ledger, chance)
    try:
        vaka.start()
        for which in (0, 1):
            copies.start(which)
        copies.await_both()
        left = asyncio.run(_under_load(load, vaka, kills))
        headers = {"Authorization": f"Bearer {vaka.token('ledger')}"}
        with httpx.Client(base_url=vaka.url, headers=headers, timeout=60) as client:
            verdict = judge(ledger, client)
            changed = [
                id_
                for id_, family in load.last.items()
                if asked(client, client.build_request("GET", f"/fhir/Patient/{id_}")).json().get("name")
                != [{"family": family}]
            ]
    finally:
        copies.stop()
        vaka.stop()
        ledger.close()
    return Reserved(
        kills, seed, ledger.answers, load.resent, verdict.lost, verdict.doubled, tuple(changed), tuple(left)
    )


async def _under_load(load: Load, vaka: Vaka, kills: int) -> list[str]:
    async with httpx.AsyncClient(timeout=5) as client:
        writers = [asyncio.create_task(load.writer(client)) for _ in range(WRITERS)]
        await asyncio.sleep(1)
        for _ in range(kills):
            await asyncio.to_thread(_strike, load, vaka)
        await asyncio.sleep(0.5)
        load.over = True
        await asyncio.gather(*writers)
        return await _drained(client, load.copies)


def _strike(load: Load, vaka: Vaka) -> None:
    """Kills one of: copy a, copy b, the journal's process, a backend of PostgreSQL (which restarts it whole)."""
    load.copies.await_both()
    time.sleep(load.chance.uniform(*BETWEEN_KILLS_S))
    match load.chance.randrange(4):
        case 0 | 1 as which:
            load.copies.kill(which)
            load.copies.start(which)
        case 2:
            _kill([one for one in vaka.family() if "serve" in _command(one)[3:6]])
        case _:
            _kill([one for one in vaka.postgres() if "vaka vaka" in " ".join(_command(one))][:1])


def _command(process: psutil.Process) -> list[str]:
    """Its command line; empty where it has ended meanwhile, as a backend does by itself."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _kill(processes: list[Any]) -> None:
    for process in processes:
        with suppress(ProcessLookupError, psutil.Error):
            os.kill(process.pid, signal.SIGKILL)


async def _drained(client: httpx.AsyncClient, copies: Copies) -> list[str]:
    """Until both reserves are empty, or nothing has gone for so long; what ended otherwise than in the record."""
    deadline, fewest = time.monotonic() + DRAINED_MAX_S, sys.maxsize
    left: list[str] = []
    while time.monotonic() < deadline:
        left = []
        for which in (0, 1):
            try:
                told = (await client.get(copies.url(which) + "/waiting")).json()
            except httpx.HTTPError:
                left.append(f"copy {which} does not answer")
                continue
            left += [f"copy {which}: {' '.join(one)}" for one in told["open"]]
            left += [f"copy {which}: WAITING"] * max(0, told["counts"].get("WAITING", 0) - len(told["open"]))
            left += [f"copy {which}: {told['counts']['TASK']} tasks"] if told["counts"].get("TASK") else []
        if not any("WAITING" in one or "UNHELD" in one or "answer" in one for one in left):
            return left
        if len(left) < fewest:
            deadline, fewest = time.monotonic() + DRAINED_MAX_S, len(left)
        await asyncio.sleep(0.5)
    return left


def measure(kills: int | None = None) -> list[Figure]:
    return [vaka_reserve(kills or sized("kills", 500)).figure()]


if __name__ == "__main__":
    found = vaka_reserve(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
    print(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
    sys.exit(1 if found.wrong else 0)
