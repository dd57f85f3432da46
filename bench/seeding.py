"""How long a new copy of a region of a million resources takes to be filled, from the journal's feed alone and from a neighbour's
file, and a copy of that size to start from nothing until it answers a sheet.

Filled: from starting the copy's process until its record is whole and in use, by ``vaka copy`` as it is, journal and copy on the
same cores. Its sheets are made after that, and told apart. Cold: the copy's files are taken out of the page cache first; from
starting ``vaka copy`` to the first 200 of ``/sheet`` with the whole record behind it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench import cold
from bench.copies import Copy, start, stop
from bench.figure import Figure, sized
from bench.place import Place, place, vaka

from vaka.copy.board import Field

RESOURCES_A_PATIENT: Final = 269
FILLED_MAX_S: Final = 3_600.0
_TOLD_EVERY_S: Final = 15.0


def measure() -> list[Figure]:
    count = sized("seeding", 1_000_000)
    with place() as journal:
        _load(journal, count)
        return figures(journal, Path(tempfile.gettempdir()))


def figures(journal: Place, beside: Path) -> list[Figure]:
    """Of a journal that is filled."""
    folder = Path(tempfile.mkdtemp(prefix="vaka-bench-seeding-", dir=beside))
    try:
        with _running(journal, folder / "first") as first:
            by_feed = _filled(first, "feed")
            held = _held(first)
            sheets = _sheets_made(first)
            with _running(journal, folder / "second", "--neighbour", f"http://127.0.0.1:{first.port}") as second:
                by_file = _filled(second, "neighbour")
                if _held(second) != held:
                    raise RuntimeError(f"the neighbour's file was not taken whole: {_held(second)} of {held}")
            patient = cold.a_patient(first)
            size_mb = first.folder.record(first.folder.current() or 0).stat().st_size / 1e6
        started = cold.figure("cold_start", "a copy of that size", journal, first, patient)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return [
        Figure(
            "seeding", f"a copy of {held:,} resources filled from the journal's feed", round(by_feed, 1), "s", 600, 180, True,
            f"{held / by_feed:,.0f} resources/s, {size_mb:,.0f} MB; its sheets were made {sheets:.0f} s after it was in use",
        ),
        Figure(
            "seeding", "the same from a neighbour's file, verified and encrypted anew", round(by_file, 1), "s", 600, 180, True,
            f"{held / by_file:,.0f} resources/s",
        ),
        started,
    ]  # fmt: skip


def _load(journal: Place, count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        region = Path(folder) / "region"
        patients = max(1, round(count / RESOURCES_A_PATIENT))
        subprocess.run(  # nosec B603  our own command
            vaka("region", "--patients", str(patients), "--to", str(region)), check=True, capture_output=True
        )
        subprocess.run(  # nosec B603  our own command
            vaka("load", str(region), "--data", str(journal.data)), check=True, stdout=sys.stderr, stderr=sys.stderr
        )


@contextmanager
def _running(journal: Place, folder: Path, *arguments: str) -> Iterator[Copy]:
    copy = start(journal, folder, *arguments)
    try:
        yield copy
    finally:
        stop(copy)


def _filled(copy: Copy, by: str) -> float:
    """Seconds from now until its record is whole and in use."""
    began = told = time.monotonic()
    while copy.folder.current() is None or not copy.folder.board.exists() or not copy.board()[Field.WHOLE]:
        now = time.monotonic()
        if copy.ended or now - began > FILLED_MAX_S:
            raise RuntimeError(f"the copy was not filled: {copy.said()[-3_000:]}")
        if now - told > _TOLD_EVERY_S and copy.folder.board.exists():
            told = now
            print(f"  {by}: {copy.board()[Field.SEQ]:,} after {now - began:.0f} s", file=sys.stderr)
        time.sleep(0.05)
    return time.monotonic() - began


def _sheets_made(copy: Copy) -> float:
    """Seconds from now until no fragment is left to make."""
    began = time.monotonic()
    while copy.to_make():
        if time.monotonic() - began > FILLED_MAX_S:
            raise RuntimeError("the sheets were not made")
        time.sleep(0.5)
    return time.monotonic() - began


def _held(copy: Copy) -> int:
    return int(copy.record("SELECT count(*) FROM resource WHERE deleted = 0"))
