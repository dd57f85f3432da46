"""A copy of one's own for tests of what it has beside the record: its people, its keys, what it owes the journal, its log.

It follows both feeds of a running Vaka over HTTP into a record.db of its own, and serves the application on a port of its own: the
journal can be frozen or killed, and it goes on.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import httpx
from bench.running import free_port, token
from tests import feeding, waiting

from vaka.access.scopes import FEED, FEED_PRIVATE
from vaka.accesslog.remote import JournalStore
from vaka.accesslog.writer import AccessLog
from vaka.api.app import Application
from vaka.api.copy_server import Copy, copy_chores, copy_server
from vaka.api.front import Front
from vaka.api.listen import Listeners
from vaka.api.request_log import RequestLog
from vaka.api.server import Server
from vaka.api.wire import Wire
from vaka.copy import apply, engine, lines, private
from vaka.copy.deliver import deliver_all
from vaka.copy.own import Own
from vaka.copy.reader import Reader
from vaka.copy.store import CopyStore
from vaka.web import routes

T = TypeVar("T")


class _Source:
    """Where the record is (``copy.readers.Source``)."""

    def __init__(self, path: Path, key: bytes) -> None:
        self._path, self._key = path, key

    def seed(self) -> int:
        return 1

    def open(self) -> Reader:
        connection = engine.reader(self._path, self._key)
        return Reader(connection, apply.codec(connection), 1)

    def damaged(self, seed: int, what: str) -> None:
        raise AssertionError(f"the copy's file was taken to be damaged: {what}")


class SmallCopy:
    """Serves at ``url`` from its making until ``close``."""

    def __init__(self, data: Path, journal_url: str, folder: Path, name: str, *, demo: bool = False) -> None:
        self.name, self.folder, self.demo = name, folder, demo
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.server: Server | None = None
        self.posts: list[str] = []
        self.lose_answers = False
        folder.mkdir(parents=True, exist_ok=True)
        self._data, self._journal = data, journal_url
        self._headers = {"Authorization": f"Bearer {token(data, f'copy-{name}', frozenset({FEED, FEED_PRIVATE}))}"}
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._started.wait(60), "the copy does not serve"

    @property
    def keys(self) -> Path:
        return self.folder / "keys"

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs ``work`` in the copy's own loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def rows(self, sql: str) -> list[Any]:
        """Of record.db."""

        async def ask() -> list[Any]:
            return self.writer.execute(sql).fetchall()

        return self.do(ask())

    def deliver(self) -> int:
        return self.do(deliver_all(self.own, self.post))

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(60)

    async def post(self, address: str, body: bytes) -> tuple[int, bytes]:
        try:
            answer = await self._client.post(self._journal + address, content=body, headers=self._headers)
        except httpx.TransportError as error:
            raise ConnectionError(str(error)) from error
        self.posts.append(address)
        if self.lose_answers:
            raise ConnectionError("the answer was lost")
        return answer.status_code, answer.content

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        self._stopping = asyncio.Event()
        self._client = httpx.AsyncClient(timeout=2)
        path, key = self.folder / "record.db", os.urandom(32)
        self.writer = engine.writer(path, key)
        apply.make(self.writer)
        private.create(self.writer)
        self.own = Own(engine.writer(self.folder / "own.db", key))
        store = CopyStore(_Source(path, key))
        log = await AccessLog.open(
            self.folder / "accesslog", JournalStore(self.post), f"copy {self.name}", segment_bytes=65_536,
            ballast_bytes=65_536,
        )  # fmt: skip
        copy = Copy(self.keys, store, self.own, lambda: store.readers.here().connection, self._shown)
        server = await copy_server(copy, log, demo=self.demo, demo_login=self.demo)
        requests = RequestLog(self.folder / "requests.log")

        def application(front: Front) -> Application:
            return Application(replace(server, wire=front), requests, routes)

        listeners = Listeners(Wire(), "127.0.0.1", self.port, self.folder, application)
        work = (
            listeners.serve(), self._follow_record(path), self._follow_private(), server.callers.revocations.follow(),
            *copy_chores(copy, self.name, self.post),
        )  # fmt: skip
        tasks = [asyncio.ensure_future(one) for one in work]
        self.server, self.log = server, log
        while not await self._answers():
            await asyncio.sleep(0.02)
        self._started.set()
        await self._stopping.wait()
        listeners.stop()
        for task in tasks[1:]:
            task.cancel()
        await asyncio.wait(tasks, timeout=10)
        await log.close()
        await self._client.aclose()
        store.close()

    async def _answers(self) -> bool:
        with suppress(httpx.TransportError):
            return (await self._client.get(self.url.replace("localhost", "127.0.0.1") + "/health")).status_code == 200
        return False

    async def _shown(self) -> None:
        private.show(self.writer, self.own)

    async def _follow_private(self) -> None:
        while True:
            after = private.cursor_of(self.writer)
            async for line in self._lines("/feed/private", {"after": after} if after else {}):
                if line is None:
                    private.begin_anew(self.writer)
                else:
                    private.apply(self.writer, [line])
            await asyncio.sleep(0.1)

    async def _follow_record(self, path: Path) -> None:
        applier = apply.Applier(self.writer, path)
        while True:
            at = applier.at
            told: list[lines.Line] = []
            async for line in self._lines("/feed", feeding.asked(str(at.cursor), at.hash.hex()) if at.hash else {}):
                assert line is not None, "the journal's history is another"
                told.append(lines.read(line))
                if not isinstance(told[-1], lines.Version):
                    applier.apply(told)
                    told = []
            await asyncio.sleep(0.1)

    async def _lines(self, address: str, asked: dict[str, str]) -> AsyncIterator[bytes | None]:
        """None: the journal does not hold the cursor."""
        async with httpx.AsyncClient(timeout=3) as client:
            with suppress(httpx.TransportError):
                async with client.stream(
                    "GET", self._journal + address, params={"wait": "30", **asked}, headers=self._headers
                ) as answer:
                    if answer.status_code == 409:
                        yield None
                    elif answer.status_code == 200:
                        async for line in answer.aiter_lines():
                            yield line.encode()


def until(true: Callable[[], object], what: str, seconds: float = waiting.WAIT_MAX_S) -> float:
    """Seconds until it is so."""
    began = time.monotonic()
    waiting.until(true, what, seconds)
    return time.monotonic() - began
