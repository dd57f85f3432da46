"""How long a copy takes from its start to its first sheet, its record whole and its files out of the page cache.

From starting ``vaka copy`` to the first 200 of ``/sheet`` with the whole record behind it. By itself on a copy of a demo's size,
quick enough to be measured after each change; ``bench.seeding`` measures the same on a copy of a million resources.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Final

import httpx
from bench.copies import Copy, start, stop
from bench.figure import Figure, sized
from bench.place import Place, place, vaka

from vaka.copy.board import Field

STARTS: Final = 5
FILLED_MAX_S: Final = 300.0
STARTED_MAX_S: Final = 60.0
_ASKED_EVERY_S: Final = 0.005


def measure() -> list[Figure]:
    with place() as journal, tempfile.TemporaryDirectory(prefix="vaka-bench-cold-") as folder:
        region = Path(folder) / "region"
        subprocess.run(  # nosec B603  our own command
            vaka("region", "--patients", str(sized("cold_patients", 40)), "--to", str(region)), check=True,
            capture_output=True,
        )  # fmt: skip
        subprocess.run(  # nosec B603  our own command
            vaka("load", str(region), "--data", str(journal.data)), check=True, capture_output=True
        )
        shutil.rmtree(region)
        first = start(journal, Path(folder) / "copy")
        try:
            _until_made(first)
            patient = a_patient(first)
        finally:
            stop(first)
        return [figure("cold", "a copy of a demo's size", journal, first, patient)]


def figure(name: str, what: str, journal: Place, before: Copy, patient: str) -> Figure:
    """Of the copy that has been ``before``, and has stopped: its ``STARTS`` starts."""
    starts = [cold(journal, before, patient) for _ in range(STARTS)]
    return Figure(
        name, f"{what} from its start to the first sheet", round(median(starts) * 1_000), "ms", 1_000, 200, True,
        f"median of {STARTS}, longest {max(starts) * 1_000:.0f} ms; its files out of the page cache before each",
    )  # fmt: skip


def _until_made(copy: Copy) -> None:
    until = time.monotonic() + FILLED_MAX_S
    while (
        copy.folder.current() is None
        or not copy.folder.board.exists()
        or not copy.board()[Field.WHOLE]
        or copy.to_make()
    ):
        if copy.ended or time.monotonic() > until:
            raise RuntimeError(f"the copy was not filled: {copy.said()[-3_000:]}")
        time.sleep(0.1)


def a_patient(copy: Copy) -> str:
    """Whose sheet is asked for: the one with the most entries of those looked at."""
    text = """SELECT p.id FROM (SELECT patient, count(*) AS many FROM resource WHERE patient IS NOT NULL AND deleted = 0
              GROUP BY patient ORDER BY patient LIMIT 200) s JOIN resource p ON p.rkey = s.patient ORDER BY s.many DESC LIMIT 1"""
    return str(copy.record(text))


def cold(journal: Place, before: Copy, patient: str) -> float:
    """Seconds from starting the copy in the folder of one that has stopped to its first sheet."""
    _forget(before.folder.path)
    headers = {"Authorization": f"Bearer {journal.token}"}
    with httpx.Client(timeout=5) as client:
        client.build_request("GET", "http://127.0.0.1/")
        began = time.monotonic()
        copy = start(journal, before.folder.path)
        try:
            while time.monotonic() - began < STARTED_MAX_S:
                try:
                    answer = client.get(f"http://127.0.0.1:{copy.port}/sheet/{patient}", headers=headers)
                    if answer.status_code == 200 and answer.headers["vaka-answered-by"] == "copy":
                        return time.monotonic() - began
                except httpx.TransportError:
                    pass
                time.sleep(_ASKED_EVERY_S)
            raise RuntimeError(f"no sheet: {copy.said()[-3_000:]}")
        finally:
            stop(copy)


def _forget(folder: Path) -> None:
    """Takes the files of ``folder`` out of the page cache."""
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)
