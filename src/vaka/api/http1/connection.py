"""One connection: requests in, answers out, one after the other (RFC 9112).

Invariants
- What comes in is read by llhttp in its strict way; what it refuses is answered 400 and the connection closed: no two readers of
  the same bytes see different requests.
- While a request is under way at most what one read brings of the next ones is taken in, and none of them is begun.
- No phase lasts for ever: a head, an idle connection, and an answer that nobody takes have their times (``look``).
- Bytes that are exactly one request which the application knows from before (``Application.at_once``) are not parsed again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

import httptools

from vaka import config, log
from vaka.api.http1.exchange import Exchange
from vaka.api.http1.head import Malformed, add, target
from vaka.api.http1.refusal import refusal
from vaka.errors import Busy, Invalid, VakaError

if TYPE_CHECKING:
    from vaka.api.http1.listener import Listener

_FRAMING_MAX_BYTES: Final = 1024 * 1024
"""Of a body's chunk sizes, extensions and trailers, beside its content."""
_AT_ONCE: Final = cast("Exchange", object())
"""Stands for a request that is answered without an exchange."""


class Application(Protocol):
    """What answers."""

    async def __call__(self, exchange: Exchange) -> None:
        """Answers; a connection whose exchange has no whole answer after it is closed."""

    def at_once(self, data: bytes, connection: Connection) -> bool:
        """Whether ``data`` is a request that was answered before and is answered again, now or soon, by
        ``connection.answer_at_once``."""

    def marks(self) -> Sequence[tuple[str, str]]:
        """Headers that say who answers, for an answer without an exchange."""

    def answered(self, data: bytes, exchange: Exchange) -> None:
        """``data`` was all of a request without a body, which got its answer: for ``at_once``."""


class Connection(asyncio.Protocol):
    """``when_lost``: told once when the caller goes, for who waits for something else than this connection; ``closing``: no
    further request is taken; ``source``: the other side's address, without its port."""

    __slots__ = (
        "_application", "_began", "_client", "_current", "_fresh", "_in_head", "_incoming", "_listener", "_one", "_parser",
        "_paused", "_queue", "_raw", "_room", "_stuck", "_task", "_transport", "_url", "closing", "source", "when_lost",
    )  # fmt: skip

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._application = listener.application
        self._parser: Any = None
        self._transport: Any = None
        self._current: Exchange | None = None
        self._incoming: Exchange | None = None
        self._queue: deque[Exchange] = deque()
        self._task: asyncio.Task[None] | None = None
        self._url = b""
        self._raw = 0  # bytes of a head, or of a body's framing, so far
        self._in_head = False
        self._paused = False
        self._room: asyncio.Future[None] | None = None
        self._stuck = 0
        self._one: bytes | None = None
        self._client = self.source = ""
        self._began = 0.0
        self._fresh = True
        self.closing = False
        self.when_lost: Callable[[], object] | None = None

    # From the loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        peer = transport.get_extra_info("peername")
        host, port = peer[:2] if isinstance(peer, tuple) else ("", 0)
        self.source = host
        self._client = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._began = self._listener.time()
        if not self._listener.add(self):
            self.closing = True
            self._refuse(Busy("there are too many connections", retry_after_s=2, help="ask again in a moment"), 503)

    def data_received(self, data: bytes) -> None:
        alone = self._current is None and self._incoming is None
        if alone:
            self._current = _AT_ONCE
            if self._application.at_once(data, self):
                self._fresh = False
                return
            self._current = None
        if self.closing and self._current is None:
            return
        self._parse(data, alone=alone)

    def _parse(self, data: bytes, *, alone: bool) -> None:
        self._one = data if alone else None
        if alone:
            self._began = self._listener.time()
        self._raw += len(data)
        if self._parser is None:
            self._parser = httptools.HttpRequestParser(self)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:  # answered as if it had not been asked for, and then closed
            self.closing = True
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__ if isinstance(error.__context__, Malformed) else Malformed("malformed")
            self._malformed(str(cause), cause.status)
            return
        except httptools.HttpParserError:
            self._malformed("the request is not HTTP/1.1 as RFC 9112 has it")
            return
        most = config.HEAD_MAX_BYTES if self._in_head else _FRAMING_MAX_BYTES
        if self._incoming is not None and self._raw > most:
            self._malformed("the head of the request is too long", 431)

    def eof_received(self) -> bool | None:
        """The other side sends no more; it may still wait for its answer."""
        self.closing = True
        return bool(self._current is not None and self._incoming is None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._listener.discard(self)
        self.closing = True
        self._parser = None  # it holds this connection: both would wait for the collector, who holds up everybody
        for exchange in (self._current, self._incoming, *self._queue):
            if exchange is not None and exchange is not _AT_ONCE:
                exchange.lost = True
                exchange.wake()
        self._queue.clear()
        self.resume_writing()
        when_lost, self.when_lost = self.when_lost, None
        if when_lost is not None:
            when_lost()

    def pause_writing(self) -> None:
        self._room = asyncio.get_running_loop().create_future()
        self._stuck = 0

    def resume_writing(self) -> None:
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

    # From the parser.

    def on_message_begin(self) -> None:
        self._in_head = True
        self._incoming = Exchange(self, self._client, self._listener.scheme)
        self._url = b""

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head and self._incoming is not None:  # trailers are nobody's
            add(self._incoming.headers, name, value)

    def on_headers_complete(self) -> None:
        exchange = self._incoming
        assert exchange is not None
        self._in_head, self._fresh, self._raw = False, False, 0
        exchange.method = self._parser.get_method().decode("ascii")
        exchange.path, exchange.query = target(self._url, exchange.headers)
        exchange.old = self._parser.get_http_version() != "1.1"
        exchange.keep_alive = self._parser.should_keep_alive() and not exchange.old
        if self._current is None:
            self._begin(exchange)
        else:
            self._queue.append(exchange)
            self._pause()

    def on_body(self, piece: bytes) -> None:
        exchange = self._incoming
        assert exchange is not None
        self._raw -= len(piece)
        if exchange.feed(piece):
            self._pause()

    def on_message_complete(self) -> None:
        exchange, self._incoming = self._incoming, None
        assert exchange is not None
        self._raw = 0
        exchange.whole = True
        exchange.wake()

    # From an exchange.

    def write(self, content: bytes) -> None:
        self._transport.write(content)

    async def drained(self) -> None:
        """Until the other side has taken most of what was written. ConnectionResetError."""
        if self._room is not None:
            await asyncio.shield(self._room)
        if self.is_gone:
            raise ConnectionResetError("the caller has left")

    def read_on(self) -> None:
        if self._paused and not self._queue:
            self._paused = False
            if not self.is_gone:
                self._transport.resume_reading()

    @property
    def is_gone(self) -> bool:
        """Whether nothing can be sent any more."""
        return bool(self._transport.is_closing())

    def answer_at_once(self, content: bytes) -> None:
        """The whole answer to what ``Application.at_once`` took."""
        transport = self._transport
        if not transport.is_closing():
            transport.write(content)
        self._current = None
        self._began = self._listener.time()
        if self._queue or self.closing:
            self._next()

    def pass_on(self, data: bytes) -> None:
        """What ``Application.at_once`` took is answered like any other request after all."""
        self._current = None
        if self._incoming is None and not self.is_gone:
            self._parse(data, alone=True)
        else:
            self._transport.close()

    def rest(self, seconds: float) -> None:
        """Nothing is read from this caller for a while: what is sent meanwhile waits in the sockets, and costs nothing here."""
        self._pause()
        self._listener.loop.call_later(seconds, self.read_on)

    # From the listener.

    def shown(self) -> int | None:
        """The serial number of the certificate that the caller has shown; None where none was asked for."""
        told = self._transport.get_extra_info("peercert") or {}
        return int(told["serialNumber"], 16) if "serialNumber" in told else None

    def cut(self) -> None:
        """Ends it now, with whatever is under way."""
        self._transport.abort()

    def look(self, now: float) -> None:
        """Ends what has lasted too long. ``now``: seconds of the loop."""
        if self._room is not None:
            left = self._transport.get_write_buffer_size()
            if left != self._stuck:
                self._stuck, self._began = left, now
            elif now - self._began > config.SEND_IDLE_TIMEOUT_S:
                self._transport.abort()
        elif self._current is None:
            most_s = config.HEADERS_TIMEOUT_S if self._in_head or self._fresh else config.KEEP_ALIVE_S
            if now - self._began > most_s:
                self._transport.close()

    def finish(self) -> None:
        """Takes no further request."""
        self.closing = True
        if self._current is None:
            self._transport.close()

    def _begin(self, exchange: Exchange) -> None:
        self._current = exchange
        self._task = self._listener.loop.create_task(self._serve(exchange, self._one))

    async def _serve(self, exchange: Exchange, data: bytes | None) -> None:
        try:
            await self._application(exchange)
            alone = data is not None and data is self._one and self._incoming is None and not self._queue
            if alone and data is not None and exchange.ended and exchange.keep_alive and exchange.method == "GET":
                self._application.answered(data, exchange)
        except Exception as error:
            log.error("connection", exception=error)
        finally:
            self._current = self._task = None
            self._began = self._listener.time()
            if not exchange.ended or not exchange.keep_alive:
                self._transport.close()
            else:
                if exchange.rest_s:
                    self.rest(exchange.rest_s)
                if self._queue or self.closing:
                    self._next()

    def _next(self) -> None:
        if self._queue:
            exchange = self._queue.popleft()
            self._one = None
            self.read_on()
            self._begin(exchange)
        elif self.closing:
            self._transport.close()

    def _pause(self) -> None:
        if not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def _malformed(self, told: str, status: int = 400) -> None:
        """Answers where no answer is under way, and closes."""
        exchange, self._incoming = self._incoming, None
        self.closing = True
        if exchange is not None and exchange is self._current:  # its body broke off
            exchange.lost = True
            exchange.wake()
        elif self._current is None:
            self._refuse(Invalid(told, help="send HTTP/1.1"), status)
        self._queue.clear()

    def _refuse(self, error: VakaError, status: int) -> None:
        self._transport.write(refusal(error, self._application.marks(), status=status, close=True))
        self._transport.close()
