"""A journal that says what a test wants it to say, over real HTTP; and a follower of it within the test's own process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import orjson
from tests.copy.feedlines import mark

from vaka.copy import brake, files
from vaka.copy.board import Board, Field
from vaka.copy.client import Client
from vaka.copy.files import Folder
from vaka.copy.follow import Follower
from vaka.copy.hold import Hold
from vaka.copy.lease import Lease
from vaka.copy.lost import LostFile
from vaka.copy.seeds import Seeds
from vaka.fhir.keys import resource_key


@dataclass(slots=True)
class FakeJournal:
    """``lines``: versions in the order of the feed. ``began``: the header of that name; ``spoil``: what is done to an answer's bytes; ``status``: instead of 200."""

    lines: list[bytes] = field(default_factory=list)
    epoch: int = 1
    began: str | None = None
    spoil: Callable[[bytes], bytes] | None = None
    status: int = 200
    wait: bool = True
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    seed: bytes | None = None
    seed_headers: dict[str, str] = field(default_factory=dict)
    port: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def add(self, *lines: bytes) -> None:
        self.lines += lines
        self._changed.set()

    def _places(self) -> list[tuple[str, str]]:
        return [(told["cursor"], told["hash"]) for told in map(orjson.loads, self.lines)]

    def _after(self, query: dict[str, list[str]]) -> list[bytes] | None:
        """The lines after what is asked; None: 409."""
        after = query.get("after", [None])[0]
        if after is None:
            return list(self.lines)
        given = query.get("hash", [None])[0]
        for n, (cursor, digest) in enumerate(self._places()):
            if cursor == after and (given is None or given == digest):
                return self.lines[n + 1 :]
        return None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, address, _ = request.split(" ", 2)
            parts = urlsplit(address)
            query = parse_qs(parts.query)
            self.asked.append((method, query.get("after", [None])[0]))
            lines = self._after(query)
            status = 409 if lines is None and self.status == 200 else self.status
            began = f"Vaka-Began: {self.began}\r\n" if self.began is not None else ""
            head = f"HTTP/1.1 {status} X\r\nVaka-Epoch: {self.epoch}\r\n{began}Connection: close\r\n\r\n".encode()
            writer.write(head)
            if method == "GET" and status == 200 and lines is not None:
                await self._answer(writer, lines)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            with suppress(ConnectionError):
                writer.close()

    def _mark(self) -> bytes:
        cursor = self._places()[-1][0] if self.lines else f"{self.epoch}.0.0"
        return mark(int(cursor.split(".")[1]) + 1, cursor, epoch=self.epoch)

    async def _answer(self, writer: asyncio.StreamWriter, lines: list[bytes]) -> None:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            self._changed.clear()
            content = b"".join(lines) + self._mark()
            sent = len(self.lines)
            writer.write(self.spoil(content) if self.spoil else content)
            await writer.drain()
            if self.spoil or not self.wait:
                return
            await self._changed.wait()
            lines = self.lines[sent:]


@asynccontextmanager
async def journal() -> AsyncIterator[FakeJournal]:
    made = FakeJournal()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()


@dataclass(slots=True)
class Copy:
    follower: Follower
    folder: Folder
    key: bytes

    @property
    def board(self) -> Board:
        return self.follower.board

    async def until(self, holds: Callable[[], Any], timeout_s: float = 20.0) -> None:
        async with asyncio.timeout(timeout_s):
            while not holds():
                await asyncio.sleep(0.01)

    async def row(self, type_: str, id_: str) -> dict[str, Any] | None:
        def read() -> dict[str, Any] | None:
            found = self.follower.applier.connection.execute(
                "SELECT version, epoch, deleted, hash, body FROM resource WHERE rkey = ?", (resource_key(type_, id_),)
            ).fetchone()
            return dict(zip(("version", "epoch", "deleted", "hash", "body"), found, strict=True)) if found else None

        return await self.follower.in_thread(read)

    async def asides(self) -> dict[str, str]:
        return await self.follower.in_thread(
            lambda: dict(self.follower.applier.connection.execute("SELECT id, reason FROM aside"))
        )

    async def whole(self, seq: int) -> None:
        """All up to ``seq`` is here."""
        await self.until(lambda: self.board[Field.SEQ] >= seq and self.board[Field.WHOLE])


@asynccontextmanager
async def copy(
    path: Path,
    url: str,
    *,
    limits: brake.Limits | None = None,
    hold_back_s: float = 0.0,
    neighbours: tuple[str, ...] = (),
    lease: Lease | None = None,
) -> AsyncIterator[Copy]:
    folder = Folder(path)
    folder.establish(url)
    key = files.key(folder)
    client, http = Client(url, "token"), httpx.AsyncClient(trust_env=False)
    lost = LostFile(folder.lost, key)
    seeds = Seeds(folder, key, lost, neighbours=neighbours, http=http)
    board = Board(folder.board, make=True)
    follower = Follower(client, seeds, board, Hold(path), lost, limits=limits, hold_back_s=hold_back_s, lease=lease)
    task = asyncio.create_task(follower.run())
    try:
        yield Copy(follower, folder, key)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await client.close()
        await http.aclose()
        follower.close()
        seeds.close()
        lost.close()
        board.close()
