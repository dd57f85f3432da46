"""HTTP/1.1 on real sockets: one request after the other, whatever comes in and however it is taken."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

import pytest
import uvloop

from vaka import config
from vaka.api.http1 import Connection, Exchange, Listener
from vaka.api.http1.head import Malformed, answer_head, target

HEAD = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"
MB = 1024 * 1024
Answering = Callable[[Exchange], Awaitable[None]]


class Application:
    """Answers by ``answering``; keeps the requests that came."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self.seen: list[Exchange] = []
        self.known: dict[bytes, bytes] = {}
        self.told: list[bytes] = []

    async def __call__(self, exchange: Exchange) -> None:
        self.seen.append(exchange)
        await self._answering(exchange)

    def at_once(self, data: bytes, connection: Connection) -> bool:
        if data not in self.known:
            return False
        asyncio.get_running_loop().call_later(0.01, connection.answer_at_once, self.known[data])
        return True

    def marks(self) -> list[tuple[str, str]]:
        return [("vaka-answered-by", "copy")]

    def answered(self, data: bytes, exchange: Exchange) -> None:
        self.told.append(data)


@asynccontextmanager
async def listening(answering: Answering) -> AsyncIterator[tuple[Application, Listener, int]]:
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as reserved:
        port = reserved.getsockname()[1]
    application = Application(answering)
    listener = Listener(application, "127.0.0.1", port)
    await listener.open()
    serving = asyncio.ensure_future(listener.serve())
    try:
        yield application, listener, port
    finally:
        listener.stop()
        await asyncio.wait_for(serving, 20)


async def echo(exchange: Exchange) -> None:
    body = await exchange()
    exchange.answer(200, [("x-path", exchange.path)], body or b"nothing")


async def said(port: int, *pieces: bytes, eof: bool = False) -> bytes:
    """All that comes back until the server closes, or nothing has come for a moment after an answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02)
        if eof:
            writer.write_eof()
        found = b""
        while True:
            try:
                piece = await asyncio.wait_for(reader.read(MB), 0.5 if found else 10)
            except TimeoutError:
                return found
            if not piece:
                return found
            found += piece
    finally:
        writer.close()


def run(work: Callable[[Application, Listener, int], Awaitable[None]], answering: Answering = echo) -> None:
    async def all_of_it() -> None:
        async with listening(answering) as (application, listener, port):
            await work(application, listener, port)

    uvloop.run(all_of_it())  # what the server runs on


def test_requests_of_one_connection_are_answered_in_order() -> None:
    """Would break: an answer given to another request than its own is another patient's."""

    async def work(application: Application, _: Listener, port: int) -> None:
        answers = await said(port, b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % n for n in range(30)))
        assert [line for line in answers.split(b"\r\n") if line.startswith(b"x-path")] == [
            b"x-path: /%d" % n for n in range(30)
        ]
        assert len(application.seen) == 30

    async def slower_first(exchange: Exchange) -> None:
        await asyncio.sleep(0.03 if exchange.path == "/0" else 0)
        await echo(exchange)

    run(work, slower_first)


def test_a_connection_that_has_ended_waits_for_no_collector() -> None:
    """Would break: eight hundred callers who leave are looked for in all of the memory, and everybody waits for that."""

    async def work(application: Application, _: Listener, port: int) -> None:
        gc.collect()
        gc.disable()
        try:
            for number in range(5):
                assert b"x-path: /%d" % number in await said(port, HEAD.replace(b"/a", b"/%d" % number))
            assert b"400" in await said(port, b"nonsense\r\n\r\n")
            application.seen.clear()
            await asyncio.sleep(0.05)
            left = [one for one in gc.get_objects() if isinstance(one, Connection)]
            assert len(left) <= 1, "the listener's look may have one in its hand"
        finally:
            gc.enable()

    run(work)


def test_the_next_request_waits_unread_until_the_first_is_answered() -> None:
    """Would break: one caller who sends without reading fills the memory."""

    over = asyncio.Event()

    async def work(application: Application, _: Listener, port: int) -> None:
        _reader, writer = await asyncio.open_connection("127.0.0.1", port)
        sending = asyncio.ensure_future(_send(writer, HEAD * 200_000))
        await asyncio.sleep(0.3)
        assert not sending.done()
        assert len(application.seen) == 1
        writer.transport.abort()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        over.set()

    async def waits(exchange: Exchange) -> None:
        await over.wait()
        await echo(exchange)

    run(work, waits)


async def _send(writer: asyncio.StreamWriter, content: bytes) -> None:
    writer.write(content)
    await writer.drain()


@pytest.mark.parametrize(
    "pieces",
    [
        (POST + b"body",), (POST, b"bo", b"dy"), (POST[:20], POST[20:] + b"body"),
        (b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n", b"2;x=y\r\ndy\r\n0\r\nTrailer: z\r\n\r\n"),
    ],
)  # fmt: skip
def test_a_body_comes_whole_however_it_is_cut(pieces: tuple[bytes, ...]) -> None:
    """Would break: a note is stored cut short, or with what was on its way around it."""

    async def work(application: Application, _: Listener, port: int) -> None:
        answer = await said(port, *pieces)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.endswith(b"\r\n\r\nbody")
        assert "trailer" not in application.seen[0].headers

    run(work)


def test_a_body_that_breaks_off_is_no_body() -> None:
    """Would break: half a note is taken for a whole one."""
    failed: list[Exception] = []

    async def wants(exchange: Exchange) -> None:
        try:
            await exchange()
        except OSError as error:
            failed.append(error)

    async def work(_: Application, __: Listener, port: int) -> None:
        assert await said(port, POST + b"bo", eof=True) == b""
        assert (
            await said(port, b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\nzz\r\n")
            == b""
        )
        assert len(failed) == 2

    run(work, wants)


def test_who_asks_first_is_told_to_go_on() -> None:
    """Would break: senders of large files wait for a second each, or are never told."""

    async def work(_: Application, __: Listener, port: int) -> None:
        head = POST.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")
        assert (await said(port, head, b"body")).startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")

    run(work)


def test_who_sends_no_more_still_gets_the_answer() -> None:
    """Would break: a client that closes its side after the question never hears what became of it."""

    async def late(exchange: Exchange) -> None:
        await asyncio.sleep(0.1)
        await echo(exchange)

    async def work(_: Application, __: Listener, port: int) -> None:
        assert (await said(port, HEAD, eof=True)).endswith(b"nothing")

    run(work, late)


def test_a_reader_that_stalls_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Would break: a reader that has left its socket open holds an answer's memory and its place for ever; or one that is only
    slow loses its answer."""
    monkeypatch.setattr(config, "SEND_IDLE_TIMEOUT_S", 0.5)
    failed: list[Exception] = []
    sent = 0

    async def endless(exchange: Exchange) -> None:
        nonlocal sent
        exchange.begin(200, [])
        try:
            while True:
                await exchange.send(bytes(MB))
                sent += 1
        except OSError as error:
            failed.append(error)

    async def work(_: Application, __: Listener, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HEAD)
        for _each in range(8):  # slow, but it takes something
            await asyncio.sleep(0.2)
            await reader.readexactly(MB)
        assert not failed
        while not failed:
            await asyncio.sleep(0.05)
        assert sent < 40
        writer.close()

    run(work, endless)


def test_an_answer_that_breaks_off_is_seen_to() -> None:
    """Would break: half an answer looks like a whole one."""

    async def half(exchange: Exchange) -> None:
        exchange.begin(200, [])
        await exchange.send(b"half")
        raise RuntimeError

    async def whole(exchange: Exchange) -> None:
        exchange.begin(200, [])
        await exchange.send(b"all")
        exchange.end()

    async def work_half(_: Application, __: Listener, port: int) -> None:
        assert (await said(port, HEAD)).endswith(b"\r\n\r\n4\r\nhalf\r\n")

    async def work_whole(_: Application, __: Listener, port: int) -> None:
        assert (await said(port, HEAD)).endswith(b"\r\n\r\n3\r\nall\r\n0\r\n\r\n")

    async def work_old(_: Application, __: Listener, port: int) -> None:
        assert (await said(port, HEAD.replace(b"1.1", b"1.0"))).endswith(b"\r\n\r\nall")  # it knows no chunks

    run(work_half, half)
    run(work_whole, whole)
    run(work_old, whole)


def test_head_has_no_body() -> None:
    """Would break: the body of an answer to HEAD is taken for the next answer."""

    async def both(exchange: Exchange) -> None:
        if exchange.path == "/stream":
            exchange.begin(200, [("content-length", "4")])
            await exchange.send(b"body")
            exchange.end()
        else:
            exchange.answer(200, [("content-length", "4")])

    async def work(_: Application, __: Listener, port: int) -> None:
        for path in (b"/stream", b"/whole"):
            answer = await said(port, HEAD.replace(b"GET /a", b"HEAD " + path))
            assert answer.endswith(b"content-length: 4\r\n\r\n")

    run(work, both)


def test_more_connections_than_there_are_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """Would break: the process runs out of descriptors, and cannot open its files."""
    monkeypatch.setattr(config, "HTTP_CONNECTIONS_MAX", 2)

    async def work(_: Application, __: Listener, port: int) -> None:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        await asyncio.sleep(0.05)
        assert (await said(port, HEAD)).startswith(b"HTTP/1.1 503 ")
        held[0][1].close()
        await asyncio.sleep(0.05)
        assert (await said(port, HEAD)).startswith(b"HTTP/1.1 200 ")
        held[1][1].close()

    run(work)


def test_a_stop_sends_what_is_under_way_and_closes_the_rest() -> None:
    """Would break: a restart for an update loses answers, or waits for a browser that has nothing to ask."""
    going = asyncio.Event()

    async def late(exchange: Exchange) -> None:
        going.set()
        await asyncio.sleep(0.2)
        await echo(exchange)

    async def work(_: Application, listener: Listener, port: int) -> None:
        idle, _writer = await asyncio.open_connection("127.0.0.1", port)
        asking = asyncio.ensure_future(said(port, HEAD))
        await going.wait()
        listener.stop()
        assert await idle.read() == b""
        assert b"\r\nconnection: close\r\n" in await asking
        with pytest.raises(ConnectionError):
            await asyncio.open_connection("127.0.0.1", port)

    run(work, late)


def test_a_request_that_is_known_is_answered_between_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Would break: an answer that was kept overtakes another, or is given for something else that came with it."""
    monkeypatch.setattr(config, "HEADERS_TIMEOUT_S", 0.5)  # two of them do not end

    async def work(application: Application, _: Listener, port: int) -> None:
        assert (await said(port, HEAD)).endswith(b"nothing")
        assert application.told == [HEAD]
        for other in (HEAD + HEAD, HEAD[:-1], POST + b"body", HEAD.replace(b"GET", b"HEAD")):
            await said(port, other[:-3], other[-3:])
            await said(port, other)
        assert application.told == [HEAD]  # what was not exactly one request is not told of
        application.known[HEAD] = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nkept"
        count = len(application.seen)
        answers = await said(port, HEAD, HEAD, HEAD.replace(b"/a", b"/b"), HEAD)
        assert answers.count(b"kept") == 3
        assert answers.index(b"/b") > answers.index(b"kept")
        assert answers.endswith(b"kept")
        assert len(application.seen) == count + 1
        both = await said(port, HEAD + HEAD.replace(b"/a", b"/c"))
        assert both.count(b"HTTP/1.1 200") == 2

    run(work)


def test_what_comes_while_a_known_request_is_answered_waits() -> None:
    """Would break: a request that overtakes one which waits for its log is answered out of turn."""

    async def work(application: Application, _: Listener, port: int) -> None:
        application.known[HEAD] = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nkept"
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        sock = cast("socket.socket", writer.get_extra_info("socket"))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        writer.write(HEAD)
        await asyncio.sleep(0.003)
        writer.write(HEAD.replace(b"/a", b"/b"))
        found = b""
        while found.count(b"HTTP/1.1 200") < 2 or b"nothing" not in found:
            found += await asyncio.wait_for(reader.read(MB), 10)
        assert found.index(b"kept") < found.index(b"/b")
        writer.close()

    run(work)


@pytest.mark.parametrize("value", ["a\r\nx: y", "a\nb", "a\rb", "a\0b"])
def test_a_header_of_an_answer_cannot_end_its_line(value: str) -> None:
    """Would break: who can put a line break into a name writes headers, and bodies, of our answers."""
    with pytest.raises(ValueError, match="end its line"):
        answer_head(200, [("x", value)], 0)


@pytest.mark.parametrize(
    ("url", "found", "host"),
    [
        (b"/a%20b?c=%20", ("/a b", "c=%20"), "x"), (b"//a/b", ("//a/b", ""), "x"), (b"/%2e%2e/a", ("/../a", ""), "x"),
        (b"http://other/a?b", ("/a", "b"), "other"), (b"https://other:8443", ("/", ""), "other:8443"), (b"*", ("*", ""), "x"),
    ],
)  # fmt: skip
def test_targets(url: bytes, found: tuple[str, str], host: str) -> None:
    """Would break: an address means something else here than where it was allowed."""
    headers = {"host": "x"}
    assert target(url, headers) == found
    assert headers["host"] == host


@pytest.mark.parametrize("url", [b"ftp://x/a", b"a/b", b"/a#b", b"/%ff", b"x:1", b"/a?\xff"])
def test_targets_that_are_none(url: bytes) -> None:
    """Would break: a fault of ours, or a guess, for an address that is malformed."""
    with pytest.raises(Malformed):
        target(url, {})


def test_who_was_refused_is_not_read_for_a_while() -> None:
    """Would break: reading and refusing callers that come back at once takes all that could answer others."""

    async def refuses(exchange: Exchange) -> None:
        exchange.rest_s = 1.5 if exchange.path == "/rest" else 0.0
        await echo(exchange)

    async def work(application: Application, _: Listener, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HEAD.replace(b"/a", b"/rest"))
        await reader.readuntil(b"nothing")
        writer.write(HEAD)
        assert (await said(port, HEAD)).endswith(b"nothing")  # another caller is heard meanwhile
        assert len(application.seen) == 2
        await reader.readuntil(b"nothing")
        assert len(application.seen) == 3
        writer.close()

    run(work, refuses)
