"""Connections that stood when a certificate was removed: at who listens, and at who asks."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import uvloop
from bench.running import free_port
from tests.unit.api.test_http1 import HEAD, Application

from vaka import config
from vaka.api.certificates import Authority
from vaka.api.http1 import Exchange, Listener, Tls
from vaka.api.http1 import listener as listening
from vaka.copy.engine import writer
from vaka.copy.reserve.peers import Peer, Peers
from vaka.copy.reserve.store import ReserveStore
from vaka.copy.tls import Ways

HOST = "localhost"


class Place:
    """An authority, and the certificates that it has made."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.authority = folder, Authority(folder / "journal")

    def pem(self, name: str) -> Path:
        path = self.folder / f"{name}.pem"
        path.write_bytes(self.authority.peer(name, [HOST]))
        return path

    def ways(self, name: str) -> Ways:
        return Ways(self.authority.certificate_path, self.pem(name), self.authority.revoked_path)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@asynccontextmanager
async def server(place: Place, answering: Callable[[Exchange], Awaitable[None]]) -> AsyncIterator[tuple[Listener, int]]:
    own, authority, port = place.pem("server"), place.authority, free_port()
    listener = Listener(
        Application(answering), HOST, port, Tls(own, own, authority.certificate_path, authority.revoked_path)
    )
    await listener.open()
    serving = asyncio.ensure_future(listener.serve())
    try:
        yield listener, port
    finally:
        listener.stop()
        await asyncio.wait_for(serving, 20)


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connected(port: int, ways: Ways) -> Stream:
    assert isinstance(ways.journal, ssl.SSLContext)
    return await asyncio.open_connection(HOST, port, ssl=ways.journal)


async def asked(stream: Stream) -> bytes:
    """The first piece of an answer; nothing where the connection was cut."""
    reader, writer_ = stream
    try:
        writer_.write(HEAD)
        await writer_.drain()
        return await asyncio.wait_for(reader.read(1024), 10)
    except ConnectionError:
        return b""


async def ended(stream: Stream) -> None:
    """Returns once the other side has cut it."""
    with suppress(ConnectionError):
        while await stream[0].read(1024):
            pass


def test_a_standing_connection_of_who_was_removed_is_cut(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Would break: a stolen copy goes on reading the record on the connection, or in the endless answer, that it had."""
    monkeypatch.setattr(listening, "_LOOK_EVERY_S", 0.05)

    async def endless(exchange: Exchange) -> None:
        if exchange.path == "/a":
            exchange.answer(200, [], b"{}")
            return
        exchange.begin(200, [])
        while not exchange.lost:
            await exchange.send(b"line\n")
            await asyncio.sleep(0.02)

    async def work() -> None:
        north, south = place.ways("north"), place.ways("south")
        async with server(place, endless) as (listener, port):
            stays, idle, reading = [await connected(port, one) for one in (north, south, south)]
            reading[1].write(HEAD.replace(b"/a", b"/feed"))
            assert await asked(stays)
            assert await asked(idle)
            assert b"line" in await reading[0].readuntil(b"line\n")
            place.authority.remove("south")
            await listener.renew()
            async with asyncio.timeout(10):
                await ended(reading)
            assert await asked(idle) == b""
            assert await asked(stays), "nobody else is cut off"
            for one in (stays, idle, reading):
                one[1].close()

    uvloop.run(work())


def test_who_was_removed_is_told_nothing_on_a_standing_connection(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Would break: a stolen copy is told what people write for as long as it keeps its neighbour's connection open."""
    monkeypatch.setattr(config, "RESERVE_HOLD_S", 0.2)
    told: list[str] = []

    async def keeps(exchange: Exchange) -> None:
        while await exchange():
            pass
        told.append(exchange.path)
        exchange.answer(200, [], b'{"held": []}')

    async def work() -> None:
        north = place.ways("north")
        async with server(place, keeps) as (_, port):
            store = ReserveStore(writer(place.folder / "reserve.db", b"k" * 32), "north")
            peers = Peers(
                store, lambda: [Peer("south", f"https://{HOST}:{port}")], lambda: "token", verify=north.copies
            )
            north.renew.append(peers.renew)
            assert await peers.carry(b"{}")
            place.authority.remove("server")
            assert north.look()
            await asyncio.gather(*(renew() for renew in north.renew))
            assert not await peers.carry(b"{}")
            assert told == ["/peer/carry"]
            await peers.close()
            store.close()

    uvloop.run(work())
