"""A copy of one's own for tests of what it has beside the record: its people, its keys, what it owes the journal, its log.

It follows the private feed of a running Vaka over HTTP and serves the application on a port of its own. What its readers of the
record would read, it reads from that Vaka's database: the journal can be frozen or killed, and it goes on.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import apsw
import httpx
from bench.running import free_port, token
from tests.feeding import dsn

from vaka.access.scopes import FEED_PRIVATE
from vaka.accesslog.remote import JournalStore
from vaka.accesslog.writer import AccessLog
from vaka.api.app import Application
from vaka.api.copy_server import Copy, copy_chores, copy_server
from vaka.api.front import Front
from vaka.api.listen import Listeners
from vaka.api.request_log import RequestLog
from vaka.api.server import Server
from vaka.api.wire import Wire
from vaka.copy import private
from vaka.copy.deliver import deliver_all
from vaka.copy.own import Own
from vaka.journal.journal import Journal
from vaka.web import routes

T = TypeVar("T")


def database(path: Path) -> apsw.Connection:
    made = apsw.Connection(str(path))
    made.set_busy_timeout(5_000)
    made.execute("PRAGMA journal_mode = wal; PRAGMA synchronous = full")
    return made


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
        self._headers = {"Authorization": f"Bearer {token(data, f'copy-{name}', frozenset({FEED_PRIVATE}))}"}
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
            return self.record.execute(sql).fetchall()

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
        self.record = database(self.folder / "record.db")
        private.create(self.record)
        self.own = Own(database(self.folder / "own.db"))
        store = await Journal.open(dsn(self._data))
        log = await AccessLog.open(
            self.folder / "accesslog", JournalStore(self.post), f"copy {self.name}", segment_bytes=65_536,
            ballast_bytes=65_536,
        )  # fmt: skip
        copy = Copy(self.keys, store, self.own, lambda: self.record, self._shown)
        server = await copy_server(copy, log, demo=self.demo, demo_login=self.demo)
        requests = RequestLog(self.folder / "requests.log")

        def application(front: Front) -> Application:
            return Application(replace(server, wire=front), requests, routes)

        listeners = Listeners(Wire(), "127.0.0.1", self.port, self.folder, application)
        work = (
            listeners.serve(), self._follow(), server.callers.revocations.follow(),
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
        await store.close()

    async def _answers(self) -> bool:
        with suppress(httpx.TransportError):
            return (await self._client.get(self.url.replace("localhost", "127.0.0.1") + "/health")).status_code == 200
        return False

    async def _shown(self) -> None:
        private.show(self.record, self.own)

    async def _follow(self) -> None:
        async with httpx.AsyncClient(timeout=3) as client:
            while True:
                after = private.cursor_of(self.record)
                asked = {"wait": "30", **({"after": after} if after else {})}
                with suppress(httpx.TransportError):
                    address = self._journal + "/feed/private"
                    async with client.stream("GET", address, params=asked, headers=self._headers) as answer:
                        if answer.status_code == 409:
                            private.begin_anew(self.record)
                        elif answer.status_code == 200:
                            async for line in answer.aiter_lines():
                                private.apply(self.record, [line.encode()])
                await asyncio.sleep(0.1)


def until(true: Callable[[], object], what: str, seconds: float = 20.0) -> float:
    """Seconds until it is so."""
    import time

    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds, f"{what}: not within {seconds} s"
        time.sleep(0.01)
    return time.monotonic() - began
