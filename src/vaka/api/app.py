"""The HTTP application: addresses, tokens, errors, one log line a request.

Invariants: everything but /health, /ready, /fhir/metadata, /auth/token, the SMART configuration and the pages of a login
needs a token or session; every error leaves as an OperationOutcome (of /auth/token as OAuth asks), or as a page; nothing of a
fault's inside is told to the caller; no answer leaves before its access is durably logged. What is shed at the door
(api/admission) leaves no record in the access log: nobody's information was looked at.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import Protocol

from vaka import config, log
from vaka.access.filter import AccessFilter
from vaka.api.accesses import Address, is_of_one, is_urgent, record_of, segments
from vaka.api.admission import EXEMPT, Shed, carried
from vaka.api.again import Again
from vaka.api.callers import caller, refuse_tokens_in_address
from vaka.api.cookies import SAFE
from vaka.api.door import ready as of_copy
from vaka.api.health import health, ready
from vaka.api.http import ClientGone, Request, Response, error_response, parse_query_string
from vaka.api.http1 import Exchange
from vaka.api.interactions.sheet import sheet
from vaka.api.request_log import RequestLog
from vaka.api.server import Server
from vaka.errors import Busy, Fault, Forbidden, Invalid, NotFound, NotPassed, VakaError
from vaka.store.cursor import Cursor

_NOBODY = "anonymous"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
_PRIVATE = ("Cache-Control", "private, no-cache")
_NOSNIFF = ("X-Content-Type-Options", "nosniff")
# Of answers to programs. A browser that is led to one keeps it as a file of this name, never of one that the address chose.
_NO_PAGE = (_NOSNIFF, ("Content-Disposition", 'attachment; filename="vaka.json"'))
_SECURE = ("Strict-Transport-Security", "max-age=31536000")


class Web(Protocol):
    """The pages for people (``vaka.web.routes``)."""

    def has(self, path: tuple[str, ...]) -> bool:
        """Whether the address is that of a page."""

    async def dispatch(self, server: Server, request: Request) -> Response:
        """Answers a request for a page."""

    def refused(self, request: Request, error: VakaError, path: tuple[str, ...]) -> Response:
        """The page that tells an error. ``path``: of the address as it came."""


class Application:
    """The server as its listeners call it (``api.http1``). ``web``: None where it has no pages; ``server`` may be replaced while
    it serves."""

    def __init__(self, server: Server, requests: RequestLog, web: Web | None = None) -> None:
        self._requests = requests
        self.server = server
        self._web = web
        self._long = 0  # long answers under way

    @property
    def server(self) -> Server:
        return self._server

    @server.setter
    def server(self, server: Server) -> None:
        self._server, self._again = server, Again(server, self._requests)
        self.at_once = self._again.give

    async def __call__(self, exchange: Exchange) -> None:
        began = time.perf_counter()
        address = Address(exchange.path)
        access_log = self.server.log
        access_log.under_way += 1
        try:
            request, response = await self._respond(exchange, address, began)
        finally:
            access_log.under_way -= 1
        if response is not None and not response.passed:
            response.headers += self.marks(request)
        if request is not None and response is not None and request.has_body:
            await request.drain()  # here, where the log waits for nobody
        sent = response is not None and await self._send(exchange, response)
        if sent and request is not None and request.record is not None:
            exchange.kept = request, request.record, response
        self._note(exchange, address, request, response.status if response is not None and sent else 499, began)

    def marks(self, request: Request | None = None) -> list[tuple[str, str]]:
        """What each answer of a copy says of who gave it and as of when; nothing at the journal."""
        door = self.server.door
        return [] if door is None else door.marks(request.freshness if request is not None else None)

    def answered(self, data: bytes, exchange: Exchange) -> None:
        if exchange.kept is not None:
            self._again.keep(data, exchange, *exchange.kept)

    async def _respond(
        self, exchange: Exchange, address: Address, began: float
    ) -> tuple[Request | None, Response | None]:
        """The answer to whom is let in, its access logged; None for a caller who has gone."""
        request: Request | None = None
        response: Response | None = None
        refusal: VakaError | None = None
        admission, place = self.server.admission, EXEMPT
        try:
            try:
                request = self._request(exchange)
                wanted = admission.class_of(request, began)
                if self.server.wire.carries:
                    wanted = carried(request, wanted)
                if admission.door.step:
                    wanted = admission.beside(request, wanted)
                if wanted != EXEMPT and not admission.enter(wanted, began):
                    began = await self._wait(exchange, wanted, writes=request.method not in SAFE)
                if wanted != EXEMPT:
                    request.place, request.lender = wanted, admission
                place = wanted
                refuse_tokens_in_address(request)
                door = self.server.door
                if door is None:
                    response = await self._answer(request)
                else:
                    response = await door.answer(self.server, request, exchange, self._answer)
            except (ClientGone, asyncio.CancelledError) as error:
                self._log_unanswered(exchange, address, request)
                if isinstance(error, asyncio.CancelledError):
                    raise
                return request, None
            except Shed as error:
                if self.server.wire.is_direct:
                    exchange.rest_s = error.rest_s
                return request, self._refused(exchange, request, error)
            except VakaError as error:
                refusal = error
                response = self._refused(exchange, request, error)
            except Exception as error:
                log.error("fault", exception=error, method=exchange.method, path=self._requests.told(address.text))
                refusal = Fault("the server failed on this request", help="its log says why")
                response = self._refused(exchange, request, refusal)
            if response.paced and self._long >= config.PACED_MAX:
                refusal = Busy("too many long answers are being sent already", retry_after_s=5)
                response = self._refused(exchange, request, refusal)
            if request is not None:
                response.headers += request.add_headers
            return request, await self._logged(exchange, address, request, response, refusal)
        finally:
            refusal = None  # its traceback holds this frame: with it all of the request would wait for the collector
            if place != EXEMPT and request is not None:
                request.lender = None  # what is read of a body from now on is read without a place
                admission.leave(place, began, request, address.path, response.status if response is not None else 499)

    async def _wait(self, exchange: Exchange, wanted: int, *, writes: bool) -> float:
        """Until there is a place, and when that was. Shed; ClientGone."""
        access_log = self.server.log
        access_log.under_way -= 1  # no record comes from here for now: the log's next block waits for nobody here
        try:
            return await self.server.admission.wait(wanted, writes=writes, caller=exchange)
        finally:
            access_log.under_way += 1

    async def _logged(
        self,
        exchange: Exchange,
        address: Address,
        request: Request | None,
        response: Response,
        refusal: VakaError | None,
    ) -> Response:
        """``response`` once its access is durable; what is answered instead where it cannot be."""
        access = request.access if request is not None else AccessFilter(_NOBODY)
        if response.passed or isinstance(refusal, NotPassed):
            return response
        if access.trail.wrote is not None and refusal is None:
            response.headers.append(("Vaka-Cursor", str(Cursor(*access.trail.wrote))))
        if not address.is_logged and not access.trail.activity:
            return response
        record = record_of(exchange.method, address, response.status, access, self.server.store.epoch, error=refusal)
        if request is not None:
            self.server.usage.note(request, record)
            if request.shown is not None and refusal is None:
                request.record = record
        try:
            if not await self.server.log.submit(record):
                self.server.log.missed(record, urgent=request is not None and is_of_one(request, record))
        except VakaError as error:
            if response.stream is not None:
                await response.stream.aclose()
            return self._refused(exchange, request, error)
        return response

    def _log_unanswered(self, exchange: Exchange, address: Address, request: Request | None) -> None:
        """What was done for a caller who has gone is logged, though nobody waits for it."""
        if request is not None and request.access.trail.touched and address.is_logged:
            record = record_of(exchange.method, address, 499, request.access, self.server.store.epoch)
            self.server.log.submit(record)

    def _request(self, exchange: Exchange) -> Request:
        headers = exchange.headers
        if exchange.method not in _METHODS:
            raise Invalid(f"{exchange.method[:20]} is no method that is known here")
        path = segments(exchange.path)
        if "\0" in exchange.path:
            raise Invalid("the address holds a character that no address here has")
        probe = path in (("health",), ("ready",))
        base, source = self.server.wire.origin(
            exchange.scheme, headers.get("host"), exchange.client, headers, probe=probe
        )
        query = parse_query_string(exchange.query) if exchange.query else []
        return Request(exchange.method, path, query, headers, base, exchange, AccessFilter(_NOBODY), source)

    def _refused(self, exchange: Exchange, request: Request | None, error: VakaError) -> Response:
        # By the address as it came: what answered below /fhir has taken that away from the request's path.
        # A browser that was led to an address for programs shows no such answer: it gets a page too.
        if request is not None and self._web is not None:
            path = segments(exchange.path)
            if self._web.has(path) or request.header("sec-fetch-dest") == "document":
                return self._web.refused(request, error, path)
        return error_response(error)

    async def _answer(self, request: Request) -> Response:
        if self._web is not None and self._web.has(request.path):
            return await self._web.dispatch(self.server, request)
        match request.path:
            case ("health",):
                return health(self.server) if self.server.door is None else of_copy.health(self.server)
            case ("ready",):
                return await ready(self.server) if self.server.door is None else of_copy.ready(self.server.door)
            case ("fhir", "metadata"):
                pass
            case (".well-known", "smart-configuration") | ("fhir", ".well-known", "smart-configuration"):
                from vaka.api.authorization import configuration

                return configuration(request)
            case ("auth", "token"):
                from vaka.api.authorization import token

                return await token(self.server, request)
            case _:
                request.access = await caller(self.server, request)
                self.server.usage.require(request)
                self.server.log.require(urgent=is_urgent(request.method, request.access))
        match request.path:
            case ("feed",) | ("feed", "private" | "patient" | "units") | ("reserve", *_) | ("peer", *_):
                if not self.server.wire.feed_allowed(request.source, request.headers):
                    raise Forbidden(
                        "what copies ask leaves this machine to peers with a certificate only",
                        help="ask at the address that --peer-port has opened, with a certificate of vaka peer certificate",
                    )
                return await self._for_copies(request)
            case ("fhir", *rest):
                from vaka.api.routes import dispatch

                request.path = tuple(rest)
                return await dispatch(self.server, request)
            case ("sheet", id_):
                return await sheet(self.server, request, id_)
            case ("sheet", id_, "notes"):
                from vaka.api.interactions.notes import notes

                return await notes(self.server, request, id_)
            case ("unit", named):
                from vaka.api.interactions.unit import unit

                return await unit(self.server, request, named)
            case ("drafts", *_) if self.server.door is not None and self.server.door.reserve is not None:
                return await self.server.door.reserve.drafts(self.server, request)
            case ("snapshot", "log"):
                from vaka.api.snapshots.giving import bring_log

                return await bring_log(self.server, request)
            case ("snapshot", *_) if self.server.giving is not None:
                return await self.server.giving.answer(self.server, request)
        raise NotFound("there is nothing at this address", help="the record is at /fhir, the change feed at /feed")

    async def _for_copies(self, request: Request) -> Response:
        door = self.server.door
        match request.path:
            case ("peer", "reserve") if door is not None and door.reserve is not None:
                return await door.reserve.hold(request)
            case ("peer", "drafts") if door is not None and door.reserve is not None:
                return await door.reserve.hold_drafts(request)
            case ("peer", "seed") if door is not None and door.seed is not None:
                return await door.seed(request)
            case ("peer", "carry") if door is not None and door.carry is not None:
                return await door.carry(request)
            case ("peer", *_):
                from vaka.api.peer import routes as peer

                return await peer.dispatch(self.server, request)
            case ("reserve", *_) if door is None:
                from vaka.api.reserve.received import receive

                return await receive(self.server, request)
            case ("feed", *which):
                from vaka.api import feed

                match which:
                    case []:
                        return await feed.feed(self.server, request)
                    case ["patient"]:
                        return await feed.patient(self.server, request)
                    case ["units"]:
                        return await feed.units(self.server, request)
                    case [_]:
                        return await feed.private(self.server, request)
        raise NotFound("there is nothing at this address")

    async def _send(self, exchange: Exchange, response: Response) -> bool:
        """False if the caller has gone."""
        headers = response.headers
        if not response.passed:
            if _NOSNIFF not in headers:  # pages and contents say it themselves
                headers += _NO_PAGE
            headers.append(_PRIVATE)
        if self.server.wire.secure:
            headers.append(_SECURE)
        if not response.passed and (response.body or response.stream):
            headers = [("content-type", response.content_type), *headers]
        try:
            if response.stream is None:
                if exchange.method == "HEAD":
                    if response.body and not response.passed:
                        headers.append(("content-length", str(len(response.body))))
                    response.body = b""
                exchange.answer(response.status, headers, response.body)
                return True
            self._long += response.paced
            try:
                async with aclosing(response.stream):  # at once when the caller has gone, not when it is collected
                    exchange.begin(response.status, headers)
                    async for chunk in response.stream:
                        await exchange.send(chunk)
                    exchange.end()
            finally:
                self._long -= response.paced
        except OSError:
            return False
        except VakaError as error:  # the answer has begun: it can only be cut off
            log.warning("answer cut short", path=self._requests.told(exchange.path), problem=error.message)
            return False
        return True

    def _note(self, exchange: Exchange, address: Address, request: Request | None, status: int, began: float) -> None:
        # The address without its query, which holds what was searched for: ids may stand in a log, clinical text never.
        who = request.access.principal if request is not None else _NOBODY
        self._requests.note(self._requests.line(exchange.method, address.text, status, who), began)
