"""One request and its answer, as the application has them.

Invariants: of a body that is not read at most ``config.READ_AHEAD_BYTES`` and what one piece brings are held; of an answer that
its reader does not take, one piece and what the transport holds; a sender who asks first (Expect: 100-continue) is told to go on
when somebody wants the body, not before.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from vaka import config
from vaka.api.http1.head import answer_head

if TYPE_CHECKING:
    from vaka.api.http1.connection import Connection

Headers = Sequence[tuple[str, str]]


class Exchange:
    """``path``: percent-decoded once; ``query``: as it came; ``headers``: by name in lower case; ``old``: of HTTP/1.0; ``whole``:
    it is here to its end; ``answered``: its answer has begun; ``lost``: there is nobody to answer; ``kept``: what the application
    wants to have in ``answered``; ``rest_s``: how long nothing is read after it."""

    __slots__ = (
        "_chunked", "_connection", "_held", "_pieces", "_waiting", "answered", "client", "ended", "headers", "keep_alive",
        "kept", "lost", "method", "old", "path", "query", "rest_s", "scheme", "whole",
    )  # fmt: skip

    def __init__(self, connection: Connection, client: str, scheme: str) -> None:
        self._connection = connection
        self.method, self.path, self.query = "", "", ""
        self.headers: dict[str, str] = {}
        self.client, self.scheme = client, scheme
        self.whole = self.answered = self.ended = self.lost = False
        self.keep_alive = True
        self.old = False
        self.kept: Any = None
        self.rest_s = 0.0
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._waiting: asyncio.Future[None] | None = None
        self._chunked = False

    @property
    def source(self) -> str:
        """The address that it came from, without the port."""
        return self._connection.source

    def when_lost(self, told: Callable[[], object] | None) -> None:
        """``told`` once, if the caller goes before this is called again; None: nobody."""
        if self.lost and told is not None:
            told()
        else:
            self._connection.when_lost = told

    # The body, as it comes in.

    def feed(self, piece: bytes) -> bool:
        """A piece has come; whether no more should for now."""
        self._pieces.append(piece)
        self._held += len(piece)
        self.wake()
        return self._held > config.READ_AHEAD_BYTES

    def wake(self) -> None:
        """Something has come, or nothing will."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def __aiter__(self) -> Exchange:
        return self

    async def __anext__(self) -> bytes:
        """The next piece of the body. ConnectionResetError where its sender has left before its end."""
        if not self._pieces and not self.whole:
            await self._more()
        if self._pieces:
            piece = self._pieces.popleft()
            self._held -= len(piece)
            if self._held <= config.READ_AHEAD_BYTES:
                self._connection.read_on()
            return piece
        if self.whole:
            raise StopAsyncIteration
        raise ConnectionResetError("the sender has left")

    async def __call__(self) -> bytes:
        """The whole body. ConnectionResetError."""
        pieces = [piece async for piece in self]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _more(self) -> None:
        if self.headers.get("expect", "").lower() == "100-continue" and not self.answered:
            del self.headers["expect"]
            self._connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while not self._pieces and not self.whole and not self.lost:
            self._waiting = asyncio.get_running_loop().create_future()
            try:
                await self._waiting
            finally:
                self._waiting = None

    # The answer.

    def answer(self, status: int, headers: Headers, body: bytes = b"") -> None:
        """The whole answer; of a HEAD request without its body, whose length ``headers`` may tell. ConnectionResetError."""
        untold = not body and (self.method == "HEAD" or any(name.lower() == "content-length" for name, _ in headers))
        self._begin(answer_head(status, headers, None if untold else len(body), close=self._closes()), body)
        self.ended = True

    def begin(self, status: int, headers: Headers) -> None:
        """The head of an answer whose body ``send`` brings. ConnectionResetError."""
        length_told = any(name.lower() == "content-length" for name, _ in headers)
        self._chunked = not length_told and self.method != "HEAD" and not self.old
        self._begin(answer_head(status, headers, None, chunked=self._chunked, close=self._closes()))

    async def send(self, piece: bytes) -> None:
        """A piece of the body, once the reader has taken what came before. ConnectionResetError."""
        if not piece or self.method == "HEAD":
            return
        if self.lost:
            raise ConnectionResetError("the caller has left")
        self._connection.write(b"%x\r\n%b\r\n" % (len(piece), piece) if self._chunked else piece)
        await self._connection.drained()

    def end(self) -> None:
        """The body is whole."""
        if self._chunked and not self.lost:
            self._connection.write(b"0\r\n\r\n")
        self.ended = True

    def _closes(self) -> bool:
        self.keep_alive = self.keep_alive and self.whole and not self._connection.closing
        return not self.keep_alive

    def _begin(self, head: bytes, body: bytes = b"") -> None:
        if self.lost:
            raise ConnectionResetError("the caller has left")
        self.answered = True
        self._connection.write(head + body)
