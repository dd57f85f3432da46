"""Reading the feed in tests: whole answers, open streams, and write transactions that are held open."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
from tests.client import Api, Resource

from vaka.access.filter import system_filter
from vaka.fhir.parse import parse_resource
from vaka.journal import cluster
from vaka.journal.accept import write_of
from vaka.journal.journal import Journal, Transaction
from vaka.store.version import Version

Line = dict[str, Any]
WAIT_MAX_S = 30.0
SYSTEM_FILTER = system_filter("tests")


def dsn(data: Path, *, superuser: bool = False) -> str:
    """The address of the server's own PostgreSQL."""
    found = cluster.at(data / "pg")
    return found.superuser_dsn if superuser else found.dsn()


def read(api: Api, after: str | None = None, row_hash: str | None = None, wait_s: float = 0.0) -> list[Line]:
    """All lines up to the end of the feed, in as many answers as it takes."""
    lines: list[Line] = []
    while True:
        answer = api.get(api.root + "/feed", params=asked(after, row_hash, wait_s))
        assert answer.status_code == 200, answer.text
        found = [orjson.loads(line) for line in answer.content.splitlines()]
        if not found:  # the first horizon took too long: it is asked again
            continue
        lines += found
        if "hash" not in lines[-1]:
            return lines
        after, row_hash = lines[-1]["cursor"], lines[-1]["hash"]


def asked(after: str | None = None, row_hash: str | None = None, wait_s: float = 0.0) -> dict[str, str]:
    wanted = {"after": after, "hash": row_hash, "wait": str(wait_s)}
    return {name: value for name, value in wanted.items() if value is not None}


def versions(lines: list[Line]) -> list[Line]:
    return [line for line in lines if "hash" in line]


_ends: dict[str, str] = {}


def end(api: Api) -> str:
    """The cursor at the end of the feed: what comes later comes after it."""
    after = _ends.get(api.root)
    while True:
        lines = read(api, after)
        if after == lines[-1]["cursor"]:
            return str(after)
        after = _ends[api.root] = lines[-1]["cursor"]


class Stream:
    """An open reader in a thread of its own. ``lines`` grows as they come; ``until`` waits for what is wanted; ``refused``: there
    was no place for it."""

    def __init__(
        self, api: Api, after: str | None, wait_s: float, row_hash: str | None = None, path: str = "/feed"
    ) -> None:
        self._path = path
        self.lines: list[Line] = []
        self.ended = self.refused = False
        self._changed = threading.Condition()
        self._answer: httpx.Response | None = None
        self._stopping = False
        self._opened = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(api, asked(after, row_hash, wait_s)), daemon=True)
        self._thread.start()
        assert self._opened.wait(WAIT_MAX_S)

    def _run(self, api: Api, parameters: dict[str, str]) -> None:
        headers = {"Authorization": api.headers["Authorization"], "Accept-Encoding": "identity"}
        try:
            with httpx.stream(
                "GET", api.root + self._path, params=parameters, headers=headers, timeout=WAIT_MAX_S
            ) as answer:
                self.refused = answer.status_code == 503
                self._opened.set()
                for text in answer.iter_lines():
                    with self._changed:
                        self.lines.append(orjson.loads(text))
                        self._changed.notify_all()
                    if self._stopping:
                        return
        except httpx.TransportError:
            pass
        finally:
            with self._changed:
                self.ended = True
                self._changed.notify_all()

    def until(self, holds: Callable[[list[Line]], bool], timeout_s: float = WAIT_MAX_S) -> list[Line]:
        """The lines so far, as soon as they are what is wanted."""
        with self._changed:
            assert self._changed.wait_for(lambda: holds(self.lines), timeout_s), self.lines[-5:]
            return list(self.lines)

    def close(self) -> None:
        self._stopping = True
        self._thread.join(WAIT_MAX_S)


@contextmanager
def stream(api: Api, after: str | None, wait_s: float = WAIT_MAX_S) -> Iterator[Stream]:
    """A reader that waits at ``after`` (first horizon mark read) until the block ends."""
    opened = Stream(api, after, wait_s)
    try:
        opened.until(lambda lines: any("horizon" in line for line in lines))
        yield opened
    finally:
        opened.close()


@asynccontextmanager
async def opened(data: Path) -> AsyncIterator[Journal]:
    """The record through its own door, in this process: for transactions that HTTP cannot hold open."""
    journal = await Journal.open(dsn(data))
    try:
        yield journal
    finally:
        await journal.close()


class Held:
    """A write transaction that has taken its number and is open until told otherwise."""

    def __init__(self, journal: Journal) -> None:
        self._steps: asyncio.Queue[Resource | None] = asyncio.Queue()
        self._done: asyncio.Queue[Version | None] = asyncio.Queue()
        self._began = asyncio.Event()
        self.xid = 0
        self._task = asyncio.create_task(journal.run(self._work, access=SYSTEM_FILTER))

    async def _work(self, transaction: Transaction) -> None:
        row = await (await transaction.connection.execute("SELECT pg_current_xact_id()::text::bigint")).fetchone()
        assert row is not None
        self.xid = row[0]
        self._began.set()
        while (resource := await self._steps.get()) is not None:
            await self._done.put(await write(transaction, resource))

    async def begin(self) -> Held:
        await self._began.wait()
        return self

    async def write(self, resource: Resource) -> Version:
        await self._steps.put(resource)
        made = await self._done.get()
        assert made is not None
        return made

    async def commit(self) -> None:
        await self._steps.put(None)
        await self._task


async def write(transaction: Transaction, resource: Resource) -> Version:
    """Creates or updates ``resource``, which has an id."""
    parsed = parse_resource(orjson.dumps(resource), resource["resourceType"])
    made = (await transaction.write([write_of(parsed, resource["id"])]))[0]
    assert made is not None
    return made
