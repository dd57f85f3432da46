"""A read copy beside a journal that is measured: ``vaka copy`` in a folder of its own, all its processes with all threads on
one core; the journal, PostgreSQL and the load on the other."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
from bench.place import API_CORE, LOAD_CORE, Place, pin, vaka
from bench.running import free_port, ready, token

from vaka.copy.board import Board, Field
from vaka.copy.files import Folder

SCOPES: Final = frozenset({"feed", "feed-private", "reserve"})
START_MAX_S: Final = 60.0
STOP_MAX_S: Final = 30.0


@dataclass(slots=True)
class Copy:
    """A copy that runs. ``port``: where it answers; ``log``: what it says."""

    folder: Folder
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def board(self) -> Board:
        return Board(self.folder.board)

    def pin(self) -> None:
        """On its core, with all that it has begun so far; what it begins later stays there."""
        if (os.cpu_count() or 1) < 2:
            return
        supervisor = psutil.Process(self.process.pid)
        for process in [supervisor, *supervisor.children(recursive=True)]:
            pin(process.pid, API_CORE)

    def has(self, board: Board, xid: int, seq: int) -> bool:
        """Whether the version at this place of the feed, and all that belongs to it, is here."""
        at_xid, at_seq, whole = board.read(Field.XID, Field.SEQ, Field.WHOLE)
        return bool(whole) and (at_xid, at_seq) >= (xid, seq)

    def await_(self, xid: int, seq: int, timeout_s: float) -> None:
        """Until it has the version. RuntimeError where it does not come."""
        board, until = self.board(), time.monotonic() + timeout_s
        while not self.has(board, xid, seq):
            if time.monotonic() > until or self.process.poll() is not None:
                raise RuntimeError(f"the copy has not caught up: {board.read(Field.XID, Field.SEQ, Field.WHOLE)}")
            time.sleep(0.02)
        board.close()


def start(place: Place, folder: Path, *arguments: str, said: Path | None = None) -> Copy:
    """``vaka copy`` of ``place`` in ``folder``. It is not awaited."""
    given = folder.with_suffix(".token")
    given.write_text(token(place.data, "copy-bench", SCOPES))
    port = free_port()
    written = said or folder.with_suffix(".log")
    with written.open("ab") as out:
        process = subprocess.Popen(  # nosec B603  our own command
            vaka(
                "copy", "--from", place.vaka.url, "--data", str(folder), "--port", str(port),
                "--token-file", str(given), *arguments,
            ),
            stdout=out, stderr=out,
        )  # fmt: skip
    return Copy(Folder(folder), port, process, written)


def stop(copy: Copy) -> None:
    copy.process.terminate()
    copy.process.wait(STOP_MAX_S)


@contextmanager
def copy_of(place: Place, *arguments: str) -> Iterator[Copy]:
    """A copy that is ready and on its core, gone afterwards; the journal, PostgreSQL and this process are on the other."""
    folder = Path(tempfile.mkdtemp(prefix="vaka-bench-copy-"))
    made = start(place, folder / "copy", *arguments)
    try:
        until = time.monotonic() + START_MAX_S
        while not ready(made.port):
            if time.monotonic() > until or made.process.poll() is not None:
                raise RuntimeError(made.said()[-3_000:])
            time.sleep(0.05)
        made.pin()
        pin_journal(place)
        yield made
    finally:
        stop(made)
        shutil.rmtree(folder, ignore_errors=True)


def pin_journal(place: Place) -> None:
    """The journal with its supervisor and PostgreSQL, and this process, on the core of the load."""
    if (os.cpu_count() or 1) < 2:
        return
    for process in place.vaka.family():
        pin(process.pid, LOAD_CORE)
    os.sched_setaffinity(0, {LOAD_CORE})
