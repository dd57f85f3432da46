"""Passing a request on to the journal, and its answer back.

Invariants: at most ``DOOR_PASSING_MAX`` are on their way, so that a journal that hangs holds up nothing that is answered
here; a request is sent again only where the journal cannot have carried it out, or knows it by its key; a journal that is
not heard is waited for ``DOOR_TRY_S``, one that is heard and only slow for as long as its own limits allow; whether it can be
reached is known beforehand, even where the follower stands still: nobody who reads tries it to find out (S1)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from enum import Enum
from typing import Final

from vaka import config
from vaka.api.cookies import SAFE
from vaka.api.door import table
from vaka.api.door.carried import homeward, onward, target
from vaka.api.door.standing import Standing
from vaka.api.door.upstream import Answer, InDoubt, NotSent, Upstream
from vaka.api.http import Request, Response
from vaka.api.http1 import Exchange
from vaka.errors import Busy, Fault, NotPassed
from vaka.store.version import instant

_AGAIN_S: Final = 0.03
_AGAIN_MAX_S: Final = 0.5
_LOOK_S: Final = 0.25
_LOOK_OWN_S: Final = 0.03
_ASK_READY_S: Final = 1.0


class Otherwise(Enum):
    """Who answers where the journal has not answered in time."""

    NOBODY = "nobody"
    RESERVE = "reserve"
    COPY = "copy"
    """At once, as soon as the journal is not heard any more."""


class Passing:
    """Passes on to one journal."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._under_way = self._waiting = 0
        self._answered = self._ready = float("-inf")

    def hears(self, standing: Standing) -> bool:
        """Whether the journal was heard just now: by the follower, or by an answer to what was passed on."""
        return self.reaches(standing) or self.answers

    def reaches(self, standing: Standing) -> bool:
        """Whether the journal can be asked: the follower hears it, or it has just told this process that it is ready."""
        return standing.heard or time.monotonic() - self._ready <= config.DOOR_AWAY_S

    @property
    def answers(self) -> bool:
        """Whether the journal has just answered something that was passed on."""
        return time.monotonic() - self._answered <= config.DOOR_AWAY_S

    async def look(self, standing: Standing) -> None:
        """Asks the journal itself while what is here grows old and the follower does not hear it: that may be the follower's
        own fault (stopped, frozen, without a disk). For ever."""
        while True:
            await asyncio.sleep(_ASK_READY_S)
            if standing.age_s > config.DOOR_LAG_MAX_S and not standing.heard and await self._is_ready():
                self._ready = time.monotonic()

    async def _is_ready(self) -> bool:
        """Whether it commits."""
        try:
            async with asyncio.timeout(config.DOOR_READ_TRY_S):
                answer = await self._upstream.ask("GET", "/ready", [(b"host", self._upstream.netloc.encode())], None)
                async for _ in answer.body():
                    pass
        except (NotSent, InDoubt, TimeoutError):
            return False
        return answer.status == 200

    async def on(
        self,
        request: Request,
        exchange: Exchange,
        standing: Standing,
        *,
        key: str | None,
        otherwise: Otherwise,
        try_s: float = config.DOOR_TRY_S,
    ) -> Response:
        """The journal's answer. ``key``: the request's Idempotency-Key, the caller's or ours; ``try_s``: after that, who answers
        ``otherwise`` does. NotPassed, Busy."""
        if self._under_way >= config.DOOR_PASSING_MAX:
            try_s -= await self._turn(request, standing, otherwise, try_s)
        self._under_way += 1
        try:
            with request.elsewhere():
                answer = await self._answer(request, exchange, standing, key, otherwise, try_s)
                return await _response(request, answer, standing.offset_ms or 0)
        except InDoubt as broken:
            raise _away(request, sent=True) from broken
        except (NotSent, TimeoutError) as away:
            raise _away(request, sent=isinstance(away, TimeoutError)) from away
        finally:
            self._under_way -= 1

    async def _answer(
        self,
        request: Request,
        exchange: Exchange,
        standing: Standing,
        key: str | None,
        otherwise: Otherwise,
        try_s: float,
    ) -> Answer:
        """The head of the journal's answer. NotSent, InDoubt, TimeoutError."""
        content = await _content(request)
        streamed = content is not None and not isinstance(content, bytes)
        repeatable = not streamed and (key is not None or not table.is_write(request.method, request.path))
        headers = onward(
            request, exchange.headers.items(), journal=self._upstream.netloc,
            key=None if key == exchange.headers.get("idempotency-key") else key, length=streamed,
        )  # fmt: skip
        address = target(exchange.path, exchange.query)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (try_s if self.hears(standing) else config.DOOR_TRY_AWAY_S)
        pause = _AGAIN_S
        while True:
            try:
                async with asyncio.timeout(config.DOOR_ANSWER_MAX_S) as limit:
                    watching = asyncio.ensure_future(self._give_up(limit, deadline, standing, otherwise))
                    try:
                        answer = await self._upstream.ask(request.method, address, headers, content)
                        self._answered = time.monotonic()
                        return answer
                    finally:
                        watching.cancel()
            except (NotSent, InDoubt) as failed:
                if streamed or (isinstance(failed, InDoubt) and not repeatable) or loop.time() + pause >= deadline:
                    raise
                if otherwise is Otherwise.COPY and not self.hears(standing):
                    raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, _AGAIN_MAX_S)

    async def _give_up(self, limit: asyncio.Timeout, deadline: float, standing: Standing, otherwise: Otherwise) -> None:
        """Ends the wait at ``deadline``, for the copy's own answer as soon as the journal is not heard; of one that is heard, and
        where nobody else answers, once it is not any more."""
        loop = asyncio.get_running_loop()
        if otherwise is Otherwise.COPY:
            while loop.time() < deadline and self.hears(standing):  # noqa: ASYNC110  the board is shared memory, and wakes nobody
                await asyncio.sleep(_LOOK_OWN_S)
        else:
            await asyncio.sleep(deadline - loop.time())
        while otherwise is Otherwise.NOBODY and self.hears(standing):  # noqa: ASYNC110  as above
            await asyncio.sleep(_LOOK_S)
        limit.reschedule(loop.time())

    async def _turn(self, request: Request, standing: Standing, otherwise: Otherwise, try_s: float) -> float:
        """Waits until fewer are on their way, at most ``try_s``; how long it took. Only what the reserve takes waits. NotPassed,
        Busy."""
        if otherwise is not Otherwise.RESERVE or self._waiting >= config.DOOR_PASSING_MAX:
            raise Busy("too many requests wait for the journal already", retry_after_s=2)
        began = time.monotonic()
        self._waiting += 1
        try:
            with request.elsewhere():
                while self._under_way >= config.DOOR_PASSING_MAX:
                    if standing.reserving or time.monotonic() - began >= try_s:
                        raise _away(request, sent=False)
                    await asyncio.sleep(_LOOK_OWN_S)
        finally:
            self._waiting -= 1
        return time.monotonic() - began

    async def close(self) -> None:
        await self._upstream.close()


async def _content(request: Request) -> bytes | AsyncIterator[bytes] | None:
    """The body to send on, in pieces where it may be longer than what is kept in memory."""
    if request.method in SAFE:
        return None
    if not request.has_body:
        return b""
    length = request.header("content-length") or ""
    short = length.isdigit() and int(length) <= config.PACED_BYTES
    if request.path[:2] == ("fhir", "Binary") and not short:
        return request.chunks(config.DOOR_UPLOAD_MAX_S)
    return await request.keep()


async def _response(request: Request, answer: Answer, offset_ms: int) -> Response:
    """``offset_ms``: how far this machine's clock is ahead of the journal's, by which it is told as of when (S6)."""
    length = answer.length
    head = request.method == "HEAD"
    streamed = not head and (length is None or length > config.PACED_BYTES) and answer.status not in (204, 304)
    headers = homeward(answer.headers, length=head or streamed)
    headers += [("vaka-answered-by", "journal"), ("vaka-as-of", instant(time.time_ns() // 1_000 - 1_000 * offset_ms))]
    response = Response(answer.status, b"", headers, passed=True)
    if streamed:
        response.stream, response.paced = _pieces(answer), length is not None
    else:
        response.body = b"".join([piece async for piece in answer.body()])
    return response


async def _pieces(answer: Answer) -> AsyncGenerator[bytes, None]:
    """A long answer as it comes. Fault where it breaks off: what has been sent can only be cut short."""
    try:
        async for piece in answer.body():
            yield piece
    except InDoubt as broken:
        raise Fault("the journal's answer broke off") from broken
    finally:
        await answer.close()


def _away(request: Request, *, sent: bool) -> NotPassed:
    """What is told. ``sent``: the journal may have got the request."""
    if sent and table.is_write(request.method, request.path):
        return NotPassed(
            "the journal has not answered: it may have done this, or not",
            help="send it again with the same Idempotency-Key, or look at what stands there first", retry_after_s=2,
        )  # fmt: skip
    return NotPassed(
        "only the journal can do this, and it cannot be reached",
        help="what this copy holds can be read as ever; try again when the journal is back", retry_after_s=5,
    )  # fmt: skip
