"""What a reader may believe of status.json. Reads /proc of this process; writes to a temporary folder only."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from vaka import process
from vaka.watch import status

OWN = status.PartStatus("journal", "journal", os.getpid(), process.start_ticks(os.getpid()), "", "ready", 1)


def written(folder: Path, supervisor: status.PartStatus, part: status.PartStatus) -> status.Status | None:
    path = folder / "status.json"
    status.write(path, status.Status(supervisor, (part,), None, "http://localhost:1", ""))
    assert path.stat().st_mode & 0o077 == 0
    return status.read(path)


def test_a_living_process_is_believed(tmp_path: Path) -> None:
    """Broken: a running Vaka is shown as gone."""
    found = written(tmp_path, OWN, OWN)
    assert status.alive(found)
    assert found is not None
    assert found.parts == (OWN,)


def test_a_pid_given_to_another_is_gone(tmp_path: Path) -> None:
    """Broken: after kill -9, a stranger with the same pid counts as ours, and may be ended as a survivor."""
    other = replace(OWN, start_ticks=(OWN.start_ticks or 0) - 1)
    found = written(tmp_path, other, other)
    assert not status.alive(found)
    assert not status.survivors(found)


def test_a_part_that_outlived_its_supervisor_is_a_survivor(tmp_path: Path) -> None:
    """Broken: the next start fights with the last one's API for the port."""
    found = written(tmp_path, replace(OWN, start_ticks=1), OWN)
    assert [part.pid for part in status.survivors(found)] == [os.getpid()]


def test_no_supervisor_has_ever_run(tmp_path: Path) -> None:
    """Broken: the first start fails on a missing file."""
    assert status.read(tmp_path / "status.json") is None
