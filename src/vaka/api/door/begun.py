"""A login that was begun at another copy of the site: it is ended there, whichever copy the browser's next request comes to.

The login under way lies sealed in a cookie that only the copy which gave it out can open (``web.entry``): only that copy can say
that a challenge was its own, was of this browser, and was not used before. It is asked over the way that copies speak with each
other on. Invariants: a challenge and a choice are used once, however many copies they are sent to; a request goes one step, never
round; a copy that cannot be reached ends no login, and none goes on without it (decision 0017).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

from vaka import config
from vaka.api.door.carried import BEGUN, homeward, onward, target
from vaka.api.door.upstream import InDoubt, NotSent, Upstream
from vaka.api.http import Request, Response
from vaka.api.http1 import Exchange
from vaka.copy.reserve.peers import Peer

_NOT_ITS: Final = 503
"""What a copy answers that did not begin the login either."""


class Begun:
    """``peers``: gives the site's other copies; ``tls``: how they are spoken to beyond this machine."""

    def __init__(self, peers: Callable[[], Sequence[Peer]], tls: ssl.SSLContext | None) -> None:
        self._peers, self._tls = peers, tls
        self._upstreams: dict[str, Upstream] = {}

    async def ask(self, request: Request, exchange: Exchange) -> Response | None:
        """The answer of the copy that began this login; None where no other copy did, or that one cannot be reached."""
        if request.header(BEGUN) is not None:
            return None
        content = await request.keep() if request.has_body else b""
        headers = onward(
            request, exchange.headers.items(), journal=urlsplit(request.base_url).netloc, key=None, length=False
        )
        headers.append((BEGUN.encode(), b"1"))
        for peer in self._peers():
            upstream = self._upstreams.setdefault(peer.url, Upstream(peer.url, self._tls))
            try:
                with request.elsewhere():
                    async with asyncio.timeout(config.DOOR_TRY_S):
                        answer = await upstream.ask(
                            request.method, target(exchange.path, exchange.query), headers, content
                        )
                        body = b"".join([piece async for piece in answer.body()])
            except (NotSent, InDoubt, TimeoutError):
                continue
            if answer.status != _NOT_ITS:
                told = [*homeward(answer.headers, length=False), ("vaka-answered-by", "copy")]
                told += [
                    ("vaka-as-of", value.decode("latin-1"))
                    for name, value in answer.headers
                    if name.lower() == b"vaka-as-of"
                ]
                return Response(answer.status, body, told, passed=True)
        return None

    async def renew(self) -> None:
        """Leaves the connections that stand: who was removed is asked nothing on an old one. What is under way may end."""
        old, self._upstreams = self._upstreams, {}
        if old:
            await asyncio.sleep(config.DOOR_TRY_S)
            for upstream in old.values():
                await upstream.close()

    async def close(self) -> None:
        for upstream in self._upstreams.values():
            await upstream.close()
