"""The supervisor on a machine that stands still for a while, and a part that has to be forced: real processes, no record."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import orjson
import pytest
from bench.running import Vaka

from vaka import process
from vaka.assemble import API_SILENT_MAX_S
from vaka.watch.part import Part
from vaka.watch.supervisor import LATE_MAX_S, PROBE_READY_S, Supervisor

pytestmark = pytest.mark.alone

SILENT_MAX_S = LATE_MAX_S
LIVES = [sys.executable, "-c", "import time; time.sleep(600)"]


class Watched:
    """A supervisor of one part that lives until it is ended. ``answers``: whether a probe gets an answer."""

    def __init__(self, folder: Path) -> None:
        self.answers = True
        self.status = folder / "status.json"
        part = Part(
            "sleeper",
            "test",
            LIVES,
            self._probe,
            silent_max_s=SILENT_MAX_S,
            stop_signal=signal.SIGKILL,
            popen={"cwd": folder},
        )
        self.ready = asyncio.Event()
        self.supervisor = Supervisor(
            [part],
            log_folder=folder,
            status_path=self.status,
            dsn=None,
            url="",
            law={},
            on_ready=lambda _: self.ready.set(),
        )

    async def _probe(self) -> bool:
        await asyncio.sleep(0.3)  # so that the supervisor turns before the answer is there
        if not self.answers:
            raise TimeoutError
        return True

    def told(self) -> tuple[int, int]:
        """(pid, number of starts)"""
        part = next(one for one in orjson.loads(self.status.read_bytes())["parts"] if one["name"] == "sleeper")
        return int(part["pid"] or 0), int(part["starts"])


def _run(folder: Path, meanwhile: Callable[[Watched], Awaitable[None]]) -> None:
    async def both() -> None:
        watched = Watched(folder)
        running = asyncio.create_task(watched.supervisor.run(time.monotonic(), process.Interrupt()))
        try:
            await asyncio.wait_for(watched.ready.wait(), 20)
            await asyncio.sleep(2 * PROBE_READY_S)
            await meanwhile(watched)
        finally:
            watched.supervisor.stop()
            await running

    asyncio.run(both())


def test_a_machine_that_stood_still_costs_no_part_its_life(tmp_path: Path) -> None:
    """Broken: a virtual machine that is copied or moved comes back, and watch ends what is well for its silence meanwhile."""

    async def meanwhile(watched: Watched) -> None:
        before = watched.told()
        time.sleep(SILENT_MAX_S + LATE_MAX_S + 1)  # nothing runs: this is the loop of the supervisor and its probes
        await asyncio.sleep(1)
        assert watched.told() == before

    _run(tmp_path, meanwhile)


def test_silence_is_found_all_the_same(tmp_path: Path) -> None:
    """Broken: the rule above swallows the silence of a part that hangs; or the part in its place is ended with it."""

    async def meanwhile(watched: Watched) -> None:
        pid, starts = watched.told()
        watched.answers = False
        deadline = time.monotonic() + 20
        while watched.told()[1] == starts:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        watched.answers = True
        await asyncio.sleep(2)  # the second signal of the force is sent after one
        assert watched.told() == (watched.told()[0], starts + 1)
        assert watched.told()[0] not in (0, pid)

    _run(tmp_path, meanwhile)


@pytest.mark.slow
def test_all_of_vaka_stood_still(tmp_path: Path) -> None:
    """Broken: as above, with every process stopped, and the journal the last to go on."""
    vaka = Vaka(tmp_path / "data")
    vaka.start()
    try:
        time.sleep(2)
        family = vaka.family()
        journal = next(process for process in family if "serve" in process.cmdline())
        for process in family:
            process.suspend()
        time.sleep(API_SILENT_MAX_S + 5)
        for process in sorted(family, key=lambda process: process.pid == journal.pid):
            process.resume()
        time.sleep(3)
        assert journal.is_running()
        assert "stood still" in (vaka.data / "log" / "watch.jsonl").read_text()
    finally:
        vaka.stop()
