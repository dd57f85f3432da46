"""Read copies that are measured, however they were started: by themselves (``start``, ``copy_of``) beside a journal, or by
``vaka up`` (``bench.site``). A copy is all its processes with all their threads, on one core; the journal, PostgreSQL and the
load have the other."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import psutil
from bench.place import API_CORE, LOAD_CORE, Place, pin, vaka
from bench.running import free_port, ready, token

from vaka.copy import engine
from vaka.copy.board import Board, Field
from vaka.copy.files import Folder, key

SCOPES: Final = frozenset({"feed", "feed-private", "reserve"})
START_MAX_S: Final = 60.0
STOP_MAX_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy that runs. ``port``: where it answers; ``pid``: its supervisor's process now, 0 where there is none; ``log``: what
    it says; ``process``: that of one that was started by itself."""

    folder: Folder
    port: int
    pid: Callable[[], int]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def board(self) -> Board:
        return Board(self.folder.board)

    def family(self) -> list[psutil.Process]:
        """All its processes."""
        supervisor = psutil.Process(self.pid())
        return [supervisor, *supervisor.children(recursive=True)]

    def pin(self) -> None:
        """On its core, with all that it has begun so far; what it begins later stays there."""
        if (os.cpu_count() or 1) > 1:
            for process in self.family():
                pin(process.pid, API_CORE)

    def ask(self, address: str, token: str, **headers: str) -> httpx.Response:
        """One question."""
        proof = {"Authorization": f"Bearer {token}", **headers}
        return httpx.get(f"http://127.0.0.1:{self.port}{address}", headers=proof, timeout=20)

    def record(self, text: str) -> Any:
        """What a statement gives of the record that is in use: its one value, or row."""
        connection = engine.reader(self.folder.record(self.folder.current() or 0), key(self.folder))
        try:
            return connection.execute(text).get
        finally:
            connection.close()

    def to_make(self) -> int:
        """How many fragments of sheets are still to be made."""
        return int(self.record("SELECT count(*) FROM fragment WHERE number IS NULL") or 0)

    def has(self, board: Board, xid: int, seq: int) -> bool:
        """Whether the version at this place of the feed, and all that belongs to it, is here."""
        at_xid, at_seq, whole = board.read(Field.XID, Field.SEQ, Field.WHOLE)
        return bool(whole) and (at_xid, at_seq) >= (xid, seq)

    def await_(self, xid: int, seq: int, timeout_s: float) -> None:
        """Until it has the version. RuntimeError where it does not come."""
        board, until = self.board(), time.monotonic() + timeout_s
        while not self.has(board, xid, seq):
            if time.monotonic() > until or self.ended:
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
    return Copy(Folder(folder), port, lambda: process.pid, written, process)


def stop(copy: Copy) -> None:
    assert copy.process is not None
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
            if time.monotonic() > until or made.ended:
                raise RuntimeError(made.said()[-3_000:])
            time.sleep(0.05)
        made.pin()
        pin_others(place.vaka.family())
        yield made
    finally:
        stop(made)
        shutil.rmtree(folder, ignore_errors=True)


def pin_others(family: Sequence[psutil.Process]) -> None:
    """The journal with its supervisor and PostgreSQL, and this process, on the core of the load."""
    if (os.cpu_count() or 1) > 1:
        for process in family:
            pin(process.pid, LOAD_CORE)
        os.sched_setaffinity(0, {LOAD_CORE})
