"""A follower in a process of its own, and what it has made of the journal."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw
from bench.running import command

from vaka.copy import control, engine, files
from vaka.copy.board import Board, Field
from vaka.copy.files import Folder
from vaka.fhir.keys import resource_key

WAIT_MAX_S = 60.0


@dataclass(slots=True)
class Following:
    """A copy in ``folder``."""

    folder: Folder
    arguments: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    environment: dict[str, str] = field(default_factory=dict)

    def start(self) -> None:
        import os

        with (self.folder.path / "said").open("ab") as said:
            self.process = subprocess.Popen(
                command("copy-follow", "--data", self.folder.path, "--from", self.folder.about().journal, *self.arguments),
                stdout=said, stderr=said, env={**os.environ, **self.environment},
            )  # fmt: skip

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(WAIT_MAX_S)

    def ask(self, **told: Any) -> Mapping[str, Any]:
        return asyncio.run(control.ask(self.folder.control, told, 10))

    def board(self) -> Board:
        return Board(self.folder.board)

    def until(self, holds: Callable[[Mapping[str, Any]], bool], timeout_s: float = WAIT_MAX_S) -> Mapping[str, Any]:
        """The follower's status, once it is as wanted."""
        until = time.monotonic() + timeout_s
        status: Mapping[str, Any] = {}
        while time.monotonic() < until:
            assert self.process is None or self.process.poll() is None, (self.folder.path / "said").read_text()
            try:
                status = self.ask(status=True)
            except (OSError, TimeoutError):
                time.sleep(0.02)
                continue
            if holds(status):
                return status
            time.sleep(0.02)
        raise AssertionError(f"not so: {status} {self.log()[-3000:]}")

    def reader(self) -> apsw.Connection:
        number = self.folder.current()
        assert number is not None
        return engine.reader(self.folder.record(number), files.key(self.folder))

    def row(self, type_: str, id_: str) -> dict[str, Any] | None:
        connection = self.reader()
        try:
            found = connection.execute("SELECT * FROM resource WHERE rkey = ?", (resource_key(type_, id_),))
            rows = found.fetchall()
            names = (
                [c[0] for c in connection.execute("SELECT * FROM resource LIMIT 1").get_description()] if rows else []
            )
            return dict(zip(names, rows[0], strict=True)) if rows else None
        finally:
            connection.close()

    def log(self) -> str:
        path = self.folder.path / "log" / "follow.jsonl"
        return path.read_text() if path.exists() else (self.folder.path / "said").read_text()

    def field(self, name: Field) -> int:
        board = self.board()
        try:
            return board[name]
        finally:
            board.close()


@contextmanager
def following(path: Path, url: str, token: str, *arguments: str, start: bool = True) -> Iterator[Following]:
    """A copy of the journal at ``url``; its follower is stopped at the end."""
    folder = Folder(path)
    folder.establish(url, name=path.name)
    files.replace(folder.token, token.encode())
    made = Following(folder, arguments)
    try:
        if start:
            made.start()
        yield made
    finally:
        made.kill()


def caught_up(status: Mapping[str, Any]) -> bool:
    return bool(status["whole"]) and status["journal"] == 1
