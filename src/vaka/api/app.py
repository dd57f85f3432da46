"""The HTTP application: addresses, tokens, errors, one log line a request. Runs on Granian's RSGI.

Invariants: everything but /health, /ready, /fhir/metadata, /auth/token and the SMART configuration needs a token; every error
leaves as an OperationOutcome (of /auth/token as OAuth asks);
nothing of a fault's inside is told to the caller.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing

from granian._granian import RSGIHTTPProtocol as HTTPProtocol
from granian.rsgi import Scope

from vaka import log
from vaka.access.filter import AccessFilter
from vaka.api.authorization import configuration, token
from vaka.api.feed import feed
from vaka.api.health import health, ready
from vaka.api.http import ClientGone, Request, Response, parse_query_string
from vaka.api.request_log import RequestLog
from vaka.api.routes import dispatch
from vaka.api.server import Server
from vaka.errors import Busy, Fault, Forbidden, Invalid, NotFound, Unauthenticated, VakaError
from vaka.fhir.outcome import error_bytes

_NOBODY = AccessFilter("anonymous")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
_PRIVATE = ("Cache-Control", "private, no-cache")
_SECURE = ("Strict-Transport-Security", "max-age=31536000")
_SECRET = frozenset({"access_token", "client_assertion"})


class Application:
    """The server as an RSGI application."""

    def __init__(self, server: Server, requests: RequestLog) -> None:
        self._server = server
        self._requests = requests

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        began = time.perf_counter()
        request: Request | None = None
        try:
            request = self._request(scope, protocol)
            response = await self._answer(request)
        except ClientGone:
            self._note(scope, request, 499, began)
            return
        except VakaError as error:
            response = _error_response(error)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.error("fault", exception=error, method=scope.method, path=scope.path)
            response = _error_response(Fault("the server failed on this request", help="its log says why"))
        sent = await self._send(protocol, scope, response)
        self._note(scope, request, response.status if sent else 499, began)

    def _request(self, scope: Scope, protocol: HTTPProtocol) -> Request:
        headers = dict(scope.headers.items())
        host = headers.get("host") or getattr(scope, "authority", None)
        if scope.method not in _METHODS:
            raise Invalid(f"{scope.method[:20]} is no method that is known here")
        path = tuple(scope.path.strip("/").split("/"))  # Granian has decoded it: once is enough
        if "\0" in scope.path:
            raise Invalid("the address holds a character that no address here has")
        probe = path in (("health",), ("ready",))
        base, source = self._server.wire.origin(scope.scheme, host, scope.client, headers, probe=probe)
        query = parse_query_string(scope.query_string) if scope.query_string else []
        if any(name in _SECRET for name, _ in query):
            raise Invalid("what is secret never stands in an address", help="send a token as Authorization: Bearer …")
        return Request(scope.method, path, query, headers, base, protocol, _NOBODY, source)

    async def _answer(self, request: Request) -> Response:
        match request.path:
            case ("health",):
                return health()
            case ("ready",):
                return await ready(self._server)
            case ("fhir", "metadata"):
                pass
            case (".well-known", "smart-configuration") | ("fhir", ".well-known", "smart-configuration"):
                return configuration(request)
            case ("auth", "token"):
                return await token(self._server, request)
            case _:
                request.access = self._server.tokens.verify(request.header("authorization"))
        match request.path:
            case ("feed",):
                if not self._server.wire.feed_allowed(request.source, request.headers):
                    raise Forbidden(
                        "the feed leaves this machine to peers with a certificate only",
                        help="ask at the address that --peer-port has opened, with a certificate of vaka peer certificate",
                    )
                return await feed(self._server, request)
            case ("fhir", *rest):
                request.path = tuple(rest)
                return await dispatch(self._server, request)
        raise NotFound("there is nothing at this address", help="the record is at /fhir, the change feed at /feed")

    async def _send(self, protocol: HTTPProtocol, scope: Scope, response: Response) -> bool:
        """False if the caller has gone."""
        headers = (
            [("content-type", response.content_type), _PRIVATE] if response.body or response.stream else [_PRIVATE]
        )
        headers += response.headers
        if self._server.wire.secure:
            headers.append(_SECURE)
        try:
            if response.stream is not None:
                async with aclosing(response.stream):  # at once when the caller has gone, not when it is collected
                    transport = protocol.response_stream(response.status, headers)
                    async for chunk in response.stream:
                        await transport.send_bytes(chunk)
            elif scope.method == "HEAD" or not response.body:
                if scope.method == "HEAD" and response.body:
                    headers.append(("content-length", str(len(response.body))))
                protocol.response_empty(response.status, headers)
            else:
                protocol.response_bytes(response.status, headers, response.body)
        except (OSError, RuntimeError):
            return False
        return True

    def _note(self, scope: Scope, request: Request | None, status: int, began: float) -> None:
        # The address without its query, which holds what was searched for: ids may stand in a log, clinical text never.
        who = request.access.principal if request is not None else _NOBODY.principal
        self._requests.note(scope.method, scope.path, status, who, began)


def _error_response(error: VakaError) -> Response:
    headers: list[tuple[str, str]] = []
    if isinstance(error, Busy):
        headers.append(("Retry-After", str(error.retry_after_s)))
    if isinstance(error, Unauthenticated):
        headers.append(("WWW-Authenticate", 'Bearer realm="vaka"'))
    version = getattr(error, "version", None)
    if version is not None:
        headers.append(("ETag", f'W/"{version}"'))
    return Response(error.status, error_bytes(error), headers)
