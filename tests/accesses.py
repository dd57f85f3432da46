"""The access log as tests read it: a running server's files and tables, in the test's own process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import psycopg

from vaka.accesslog import read, verify
from vaka.accesslog.read import Asked, Event
from vaka.accesslog.record import person_key
from vaka.accesslog.ship import Shipper
from vaka.accesslog.store import TableStore
from vaka.accesslog.tables import Connect, Connection
from vaka.journal import cluster

T = TypeVar("T")


def folder(data: Path) -> Path:
    return data / "accesslog"


def dsn(data: Path) -> str:
    return cluster.at(data / "pg").dsn()


def connect_to(data: Path) -> Connect:
    """As ``journal.pool`` gives connections, one at a time."""
    address = dsn(data)

    @asynccontextmanager
    async def connect() -> AsyncIterator[Connection]:
        async with await psycopg.AsyncConnection.connect(address, autocommit=True) as connection:
            yield connection

    return connect


def on(data: Path, work: Callable[[Connection], Awaitable[T]], *, ship: bool = True) -> T:
    """Runs ``work`` on the log's database, with everything shipped."""

    async def inner() -> T:
        connect = connect_to(data)
        if ship:
            await Shipper(folder(data), TableStore(connect)).ship(everything=True)
        async with connect() as connection:
            return await work(connection)

    return asyncio.run(inner())


def events(data: Path, who: str | None = None, *, patient: int | None = None) -> list[Event]:
    """Everything that is logged (of ``who``, of ``patient``), oldest first."""
    asked = Asked(patient=patient, person=person_key(who) if who is not None else None)

    async def work(connection: Connection) -> list[Event]:
        return [event async for event in read.events(connection, asked)]

    return sorted(on(data, work), key=lambda event: (event.record.time_us, event.block, event.place))


def verified(data: Path, *, ship: bool = False) -> verify.Verified:
    return on(data, lambda connection: verify.verify(connection, folder(data)), ship=ship)


def told(found: Sequence[Event]) -> list[tuple[str, str, int]]:
    """(activity, type, status) of each."""
    return [(event.record.activity, event.record.type, event.record.status) for event in found]
