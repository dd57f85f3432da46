"""What workers tell each other, between real processes: sums, floors, and a killed one."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vaka import config
from vaka.api.admission.admission import Admission
from vaka.api.admission.classes import BACKGROUND, INTEGRATION, URGENT, Class
from vaka.api.admission.door import Door, Others
from vaka.api.admission.shared import Shared, told
from vaka.errors import Setup

_NEIGHBOUR = """
import sys, time
from pathlib import Path
from vaka.api.admission.door import Door
from vaka.api.admission.shared import Shared
shared, door = Shared.open(Path(sys.argv[1])), Door(0.0)
for _ in range(int(sys.argv[2])):
    assert door.enter(4, 0.0)
if sys.argv[3] == "late":
    door.wait(0, 0.0, None)
shared.tell(door)
print("in", flush=True)
while True:
    shared.tell(door)
    time.sleep(0.02)
"""


@contextmanager
def neighbour(path: Path, under_way: int, how: str = "well") -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", _NEIGHBOUR, str(path), str(under_way), how]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "in\n"
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "admission"


def test_a_worker_leaves_room_that_its_neighbour_has_filled(path: Path) -> None:
    """Broken: limits of one process each: two of them let in twice as many reports, and urgent care finds no place."""
    shared, door = Shared.open(path), Door[None](0.0)
    with neighbour(path, 50):
        others = shared.others()
        assert (others.limit, others.total, others.within[BACKGROUND]) == (config.ADMISSION_LIMIT, 50, 50)
        door.tick(0.01, 0.0, others, 0.01)
        let_in = 0
        while door.enter(BACKGROUND, 0.01):
            let_in += 1
        share = config.ADMISSION_SHARES[BACKGROUND]
        assert let_in == min(share * config.ADMISSION_LIMIT, share * 2 * config.ADMISSION_LIMIT - 50)
        for _ in range(int(0.25 * config.ADMISSION_LIMIT)):
            assert door.enter(URGENT, 0.01)
    shared.close()


def test_where_urgent_care_waits_at_one_the_others_take_no_background(path: Path) -> None:
    """Broken: one worker's urgent care waits for the core that a neighbour's reports use."""
    shared, door = Shared.open(path), Door[None](0.0)
    with neighbour(path, 1, "late"):
        assert shared.others().urgent_waits
        door.tick(0.01, 0.0, shared.others(), 0.01)
        assert not door.enter(BACKGROUND, 0.01)
        assert not door.enter(INTEGRATION, 0.01)
        assert door.enter(Class.READ, 0.01)
    shared.close()


def test_the_door_of_a_worker_looks_at_its_neighbours_and_tells_them(path: Path) -> None:
    """Broken: the workers' numbers are right, and no worker looks at them: each lets in as if it were alone."""

    async def run() -> None:
        admission = Admission(Shared.open(path))
        admission.start()
        try:
            assert admission.enter(INTEGRATION, time.perf_counter())
            with neighbour(path, 0, "late"):
                await _until(lambda: not admission.enter(BACKGROUND, time.perf_counter()))
                assert admission.enter(URGENT, time.perf_counter())
                await _until(lambda: told(Shared.look(path))["classes"]["urgent"]["within"] == 1)
                assert told(Shared.look(path))["workers"] == 2
            await _until(lambda: admission.enter(BACKGROUND, time.perf_counter()))
        finally:
            admission.close()

    asyncio.run(run())


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.02)


def test_a_killed_worker_takes_no_place(path: Path) -> None:
    """Broken: what a killed worker had under way counts for ever, or its slot is lost."""
    shared = Shared.open(path)
    with neighbour(path, 50):
        assert shared.others().total == 50
    time.sleep(config.ADMISSION_FRESH_S + 0.1)
    assert shared.others() == Others()
    with neighbour(path, 7):
        assert shared.others().total == 7
    shared.close()


def test_more_workers_than_slots_are_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken: two workers write one slot."""
    monkeypatch.setattr("vaka.config.ADMISSION_WORKERS_MAX", 1)
    with neighbour(path, 0), pytest.raises(Setup, match="workers run here already"):
        Shared.open(path)


def test_who_looks_sees_all_workers_together(path: Path) -> None:
    """Broken: `vaka status` tells of one worker, or needs an answer from a server that is full."""
    assert told(Shared.look(path))["workers"] == 0
    shared, door = Shared.open(path), Door[None](0.0)
    door.enter(BACKGROUND, 0.0)
    with neighbour(path, 50):
        shared.tell(door)
        numbers = told(Shared.look(path))
        assert numbers["workers"] == 2
        assert numbers["classes"]["background"]["within"] == 51
        assert numbers["limit"] == 2 * config.ADMISSION_LIMIT
    shared.close()
    path.write_bytes(b"of another release")
    assert Shared.look(path) == []


def test_a_file_of_another_release_is_left_to_its_workers(path: Path) -> None:
    """Broken: a worker of the next release shortens the file under those of this one, and they die of it."""
    path.write_bytes(b"1" * 20_000)
    before = path.open("rb")
    shared = Shared.open(path)
    shared.tell(Door[None](0.0))
    assert len(Shared.look(path)) == 1
    assert len(before.read()) == 20_000
    before.close()
    shared.close()
