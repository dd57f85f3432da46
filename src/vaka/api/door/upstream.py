"""The connections to the journal: one pool, kept open, over which requests are passed on.

Invariants: what is sent and what comes back is not looked into, and of a long body a piece at a time is held; a request
that was perhaps carried out is told apart from one that was never sent; a caller who goes away ends its own request only.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from vaka import config
from vaka.api.door.carried import Headers

if TYPE_CHECKING:
    import httpcore

_TIMEOUTS: Final = {
    "connect": config.DOOR_CONNECT_TIMEOUT_S,
    "read": config.DOOR_ANSWER_MAX_S,
    "write": config.BODY_IDLE_TIMEOUT_S,
    "pool": config.DOOR_CONNECT_TIMEOUT_S,
}


class NotSent(Exception):
    """The journal could not be reached: it knows nothing of the request."""


class InDoubt(Exception):
    """The connection broke after the request had begun: it may have been carried out."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The head of an answer of the journal; ``body`` must be read to its end, or ``close`` called."""

    status: int
    headers: Headers
    _response: httpcore.Response

    @property
    def length(self) -> int | None:
        """As it is announced."""
        told = next((value for name, value in self.headers if name.lower() == b"content-length"), b"")
        return int(told) if told.isdigit() else None

    async def body(self) -> AsyncIterator[bytes]:
        """Pieces as they come. InDoubt where it breaks off."""
        import httpcore

        try:
            async for piece in self._response.aiter_stream():
                yield piece
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            raise InDoubt from error
        finally:
            await self._response.aclose()

    async def close(self) -> None:
        await self._response.aclose()


class Upstream:
    """The journal at ``url``, the address without a path. ``tls``: how it is spoken to beyond this machine."""

    def __init__(self, url: str, tls: ssl.SSLContext | None = None) -> None:
        self._url, self._tls = url, tls
        self.netloc = urlsplit(url).netloc
        self._made: httpcore.AsyncConnectionPool | None = None

    @property
    def _pool(self) -> httpcore.AsyncConnectionPool:
        """Made when something is passed on: a copy's first answers are its own, and do not wait for it."""
        if self._made is None:
            import httpcore

            self._made = httpcore.AsyncConnectionPool(
                ssl_context=self._tls,
                max_connections=config.DOOR_PASSING_MAX,
                max_keepalive_connections=config.DOOR_KEPT_CONNECTIONS,
                keepalive_expiry=config.DOOR_KEPT_S,
            )
        return self._made

    async def ask(
        self, method: str, target: str, headers: Headers, content: bytes | AsyncIterator[bytes] | None
    ) -> Answer:
        """The answer's head. NotSent, InDoubt."""
        import httpcore

        if isinstance(content, bytes):
            headers = [*headers, (b"content-length", str(len(content)).encode())]
        elif content is not None and not any(name == b"content-length" for name, _ in headers):
            headers = [*headers, (b"transfer-encoding", b"chunked")]
        whole = httpcore.URL(self._url)
        url = httpcore.URL(
            scheme=whole.scheme, host=whole.host, port=whole.port, target=target.encode("ascii", "strict")
        )
        request = httpcore.Request(method, url, headers=headers, content=content, extensions={"timeout": _TIMEOUTS})
        try:
            response = await self._pool.handle_async_request(request)
        except (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.PoolTimeout) as error:
            raise NotSent(type(error).__name__) from error
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            raise InDoubt(type(error).__name__) from error
        return Answer(response.status, response.headers, response)

    async def close(self) -> None:
        if self._made is not None:
            await self._made.aclose()
