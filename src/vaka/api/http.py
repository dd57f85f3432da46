"""HTTP as the interactions see it: a request read within limits, an answer, and what headers ask for.

Invariants: a body is never read beyond its limit or past its time; nothing of a request is trusted before it is parsed here.
Sources: https://hl7.org/fhir/R4/http.html, RFC 9110, RFC 7240 (Prefer).
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, Protocol
from urllib.parse import parse_qsl

import zstandard

from vaka import config
from vaka.access.filter import AccessFilter
from vaka.errors import Busy, Invalid, TooLarge, Unauthenticated, VakaError
from vaka.fhir.outcome import error_bytes

if TYPE_CHECKING:
    from vaka.accesslog.record import Record
    from vaka.api.shown import Shown

FHIR_JSON = "application/fhir+json"
_JSON_TYPES = frozenset({FHIR_JSON, "application/json", "text/json", "application/json+fhir", "json"})
_HOST = re.compile(r"[A-Za-z0-9.\-\[\]:]{1,255}")
_ETAG = re.compile(r'(?:W/)?"([^"\s]{1,64})"|([^"\s,]{1,64})')


_AT_ONCE_BYTES = 1024 * 1024


class NotAcceptable(VakaError):
    code, status, exit_code = "not-supported", 406, 64


class UnsupportedMedia(VakaError):
    code, status, exit_code = "not-supported", 415, 64


class LengthRequired(VakaError):
    code, status, exit_code = "required", 411, 64


class ClientGone(Exception):
    """The other side closed the connection: there is nobody to answer."""


class Body(Protocol):
    """A request's body, piece by piece (``api.http1.Exchange``)."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def __call__(self) -> bytes: ...


class Lender(Protocol):
    """The door (``api.admission``): a request that waits for others needs no place among those that are worked for."""

    def lend(self, request: Request) -> None: ...

    def take_back(self, request: Request) -> None: ...


@dataclass(slots=True)
class Response:
    """An answer. ``stream``: chunks sent as they come, instead of ``body``; ``paced``: no faster than they are read;
    ``passed``: the journal's own answer, whose headers are all in ``headers``."""

    status: int
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)
    content_type: str = FHIR_JSON + "; charset=utf-8"
    stream: AsyncGenerator[bytes, None] | None = None
    paced: bool = False
    passed: bool = False


@dataclass(frozen=True, slots=True)
class Freshness:
    """How fresh an answer of a copy is. ``as_of_us``: the journal's time of what it shows; ``age_s``: how long ago the
    journal was last heard; ``away``: it is not heard; ``behind``: this may lack what the caller has written, or what the
    journal knows by now."""

    as_of_us: int
    age_s: float
    away: bool
    behind: bool


@dataclass(slots=True)
class Request:
    """One request. ``path``: decoded segments; ``query``: decoded pairs in order; header names in lower case. ``source``: the
    address that it came from; ``add_headers``: headers, such as cookies, that go with the answer, whatever it is."""

    method: str
    path: tuple[str, ...]
    query: list[tuple[str, str]]
    headers: Mapping[str, str]
    base_url: str
    raw_body: Body | bytes
    access: AccessFilter
    source: str = ""
    """The address that it came from."""
    add_headers: list[tuple[str, str]] = field(default_factory=list)
    received_bytes: int = 0
    """Of the body, so far."""
    place: int = -1
    """The class as which it was let in (``api.admission``), -1 for one that never waits."""
    lender: Lender | None = None
    """Who takes its place back while it waits for its sender or for another machine; None where it has none."""
    lent_at: float = 0.0
    elsewhere_s: float = 0.0
    """How long it has waited so."""
    freshness: Freshness | None = None
    """Where a copy answers."""
    shown: Shown | None = None
    """The sheet that is the answer."""
    record: Record | None = None
    """Of the access log, of an answer that may be given again."""
    _begun: bool = False
    """Whether somebody has begun to read the body."""
    _kept: bytes | None = None
    """The body as it was sent, where it may have to be read again."""

    def header(self, name: str) -> str | None:
        return self.headers.get(name)

    @property
    def proof(self) -> str:
        """The header that its caller is known by, empty for none."""
        return self.headers.get("authorization") or self.headers.get("cookie") or ""

    def option(self, name: str) -> str | None:
        """The first value of a query parameter such as ``_format``."""
        if not self.query:
            return None
        return next((value for key, value in self.query if key == name), None)

    async def body(self, limit_bytes: int = config.BODY_MAX_BYTES) -> bytes:
        """The whole body, decoded. TooLarge, Invalid (slow, bad encoding), ClientGone."""
        if isinstance(self.raw_body, bytes):
            return self.raw_body
        if self._kept is not None:
            return _decoded(self._kept, self.header("content-encoding"), limit_bytes)
        return _decoded(await self._received(limit_bytes), self.header("content-encoding"), limit_bytes)

    async def keep(self, limit_bytes: int = config.BODY_MAX_BYTES) -> bytes:
        """The whole body as it was sent, kept for who reads it after this. TooLarge, Invalid (slow), ClientGone."""
        if self._kept is None:
            self._kept = self.raw_body if isinstance(self.raw_body, bytes) else await self._received(limit_bytes)
        return self._kept

    async def _received(self, limit_bytes: int) -> bytes:
        declared = self.header("content-length")
        if declared is not None and declared.isdigit() and int(declared) > limit_bytes:
            raise _too_large(limit_bytes)
        if declared is not None and declared.isdigit() and int(declared) <= _AT_ONCE_BYTES:
            body = await self._at_once()
            if int(declared) != len(body):
                raise ClientGone
            return body
        chunks: list[bytes] = []
        size = 0
        async for chunk in self.chunks():
            size += len(chunk)
            if size > limit_bytes:
                raise _too_large(limit_bytes)
            chunks.append(chunk)
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        if declared is not None and declared.isdigit() and int(declared) != len(body):
            raise ClientGone
        return body

    async def _at_once(self) -> bytes:
        """A short body whose length was declared, in one step."""
        assert not isinstance(self.raw_body, bytes)
        self._begun = True
        try:
            async with asyncio.timeout(config.BODY_IDLE_TIMEOUT_S):
                with self.elsewhere():
                    body = await self.raw_body()
                self.received_bytes += len(body)
                return body
        except TimeoutError as error:
            raise _late() from error
        except (OSError, RuntimeError) as error:
            raise ClientGone from error

    async def chunks(self, timeout_s: float = config.BODY_TIMEOUT_S) -> AsyncIterator[bytes]:
        """The body as it comes, undecoded. It also ends, with no error, where its sender leaves: compare its length."""
        if isinstance(self.raw_body, bytes):
            yield self.raw_body
            return
        self._begun = True
        pieces = aiter(self.raw_body)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while True:
            try:
                async with asyncio.timeout(min(config.BODY_IDLE_TIMEOUT_S, deadline - loop.time())):
                    with self.elsewhere():
                        piece = await anext(pieces)
            except StopAsyncIteration:
                return
            except TimeoutError as error:
                raise _late() from error
            except (OSError, RuntimeError) as error:
                raise ClientGone from error
            if piece:
                self.received_bytes += len(piece)
                yield bytes(piece)

    @contextmanager
    def elsewhere(self) -> Iterator[None]:
        """While its sender, or another machine, has to do something: its place is another's, and that time does not count."""
        lender = self.lender
        if lender is None or self.lent_at:
            yield
            return
        lender.lend(self)
        try:
            yield
        finally:
            lender.take_back(self)

    @property
    def has_body(self) -> bool:
        return "content-length" in self.headers or "transfer-encoding" in self.headers

    async def drain(self) -> None:
        """Reads a short body away that nobody has wanted. An answer that leaves before its request has come in whole is
        lost when the rest comes to a closed connection, which is then reset (RFC 9112, 9.6)."""
        length = self.header("content-length")
        if length is None:
            if self.header("transfer-encoding") is None:
                return
        elif not length.isdigit() or not 0 < int(length) <= config.UNREAD_MAX_BYTES:
            return
        if self._begun or isinstance(self.raw_body, bytes):
            return
        size = 0
        with suppress(VakaError, ClientGone):  # too late, or gone: the answer is sent all the same
            async for piece in self.chunks(config.UNREAD_TIMEOUT_S):
                size += len(piece)
                if size > config.UNREAD_MAX_BYTES:
                    return


def _late() -> Invalid:
    return Invalid("the body did not arrive in time", help="send it faster, or in smaller requests")


def _too_large(limit_bytes: int) -> TooLarge:
    return TooLarge(
        f"the body is over {limit_bytes // (1024 * 1024)} MB",
        help="split it; large sets go through `vaka load`, large files through Binary",
    )


def _decoded(body: bytes, encoding: str | None, limit_bytes: int) -> bytes:
    match (encoding or "identity").strip().lower():
        case "identity" | "":
            return body
        case "gzip":
            try:
                decompressor = zlib.decompressobj(wbits=31)
                decoded = decompressor.decompress(body, limit_bytes + 1)
            except zlib.error as error:
                raise Invalid("the body is not gzip, though Content-Encoding says so") from error
            if len(decoded) > limit_bytes:
                raise _too_large(limit_bytes)
            if not decompressor.eof:
                raise Invalid("the gzip body is cut short")
            return decoded
        case "zstd":
            try:
                with zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(body) as reader:
                    decoded = reader.read(limit_bytes + 1)
            except zstandard.ZstdError as error:
                raise Invalid("the body is not zstd, though Content-Encoding says so") from error
            if len(decoded) > limit_bytes:
                raise _too_large(limit_bytes)
            return decoded
        case other:
            raise UnsupportedMedia(f"Content-Encoding {other[:40]} is not known", help="send identity, gzip or zstd")


@lru_cache(maxsize=1_024)
def base_url(scheme: str, host: str | None) -> str:
    """The address that this server's resources have for this caller. Invalid for a Host that is none."""
    if host is None or not _HOST.fullmatch(host):
        raise Invalid("the Host header is missing or malformed")
    return f"{scheme}://{host}/fhir"


def parse_query_string(text: str) -> list[tuple[str, str]]:
    """Decoded pairs. TooLarge, Invalid for more than the named limits, or bytes that are not UTF-8."""
    if len(text) > config.QUERY_MAX_BYTES:
        raise TooLarge(f"the query is over {config.QUERY_MAX_BYTES // 1024} kB")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=config.QUERY_MAX_PARAMETERS)
    except UnicodeDecodeError as error:
        raise Invalid("the query is not UTF-8 once percent-decoded") from error
    except ValueError as error:
        raise Invalid(f"more than {config.QUERY_MAX_PARAMETERS} parameters") from error
    if any("\0" in name or "\0" in value for name, value in pairs):
        raise Invalid("a parameter holds the character U+0000")
    return pairs


def is_json(media: str) -> bool:
    """Whether a Content-Type or one media type of Accept is FHIR JSON."""
    return media.partition(";")[0].strip().replace(" ", "+").lower() in _JSON_TYPES


def require_json_answer(request: Request) -> None:
    """NotAcceptable unless JSON is an answer the caller takes (_format before Accept)."""
    wanted = request.option("_format")
    if wanted is not None:
        if wanted.split(";")[0].strip().replace(" ", "+").lower() in _JSON_TYPES:
            return
        raise NotAcceptable(f"_format={wanted[:60]} is not served", help=f"this server speaks {FHIR_JSON}")
    accept = request.header("accept")
    if accept is None:
        return
    for part in accept.split(","):
        media, *parameters = [piece.strip().lower() for piece in part.split(";")]
        if any(p.replace(" ", "") in ("q=0", "q=0.0") for p in parameters):
            continue
        if media in _JSON_TYPES or media in ("*/*", "application/*", ""):
            version = next((p.split("=", 1)[1] for p in parameters if p.startswith("fhirversion=")), "4.0")
            if version not in ("4.0", "4.0.1"):
                raise NotAcceptable(f"fhirVersion {version[:10]} is not served", help="this server is FHIR 4.0")
            return
    raise NotAcceptable(f"none of Accept: {accept[:100]} is served", help=f"this server speaks {FHIR_JSON}")


def require_json_body(request: Request, *also: str) -> str:
    """The media type of the body. UnsupportedMedia unless it is JSON or one of ``also``."""
    media = (request.header("content-type") or FHIR_JSON).split(";")[0].strip().lower()
    if media in _JSON_TYPES or media in also:
        return media
    raise UnsupportedMedia(f"Content-Type {media[:60]} is not taken here", help=f"send {FHIR_JSON}")


def parse_etag(text: str) -> str:
    """The version id of an If-Match or If-None-Match header. Invalid if it is none."""
    match = _ETAG.fullmatch(text.strip())
    if match is None:
        raise Invalid(f"{text[:60]} is not an entity tag", help='write it as W/"3"')
    return match[1] or match[2]


@dataclass(frozen=True, slots=True)
class Preferences:
    """What Prefer asks for."""

    returns: Literal["minimal", "representation", "OperationOutcome"] = "representation"
    strict: bool = False


def preferences(request: Request) -> Preferences:
    returns: Literal["minimal", "representation", "OperationOutcome"] = "representation"
    strict = False
    for part in (request.header("prefer") or "").replace(";", ",").split(","):
        match part.strip().lower().replace('"', ""):  # RFC 7240: a value may be quoted
            case "return=minimal":
                returns = "minimal"
            case "return=operationoutcome":
                returns = "OperationOutcome"
            case "handling=strict":
                strict = True
    return Preferences(returns, strict)


def bundle_returns(request: Request) -> Literal["minimal", "representation", "OperationOutcome"]:
    """What the entries of a batch or transaction carry: minimal unless Prefer says otherwise."""
    return preferences(request).returns if "return" in (request.header("prefer") or "").lower() else "minimal"


def link_query(pairs: Sequence[tuple[str, Any]]) -> str:
    from urllib.parse import urlencode

    return urlencode([(name, value) for name, value in pairs], safe=":/,|$*.")


def error_response(error: VakaError) -> Response:
    """The answer that tells ``error``."""
    headers: list[tuple[str, str]] = []
    if isinstance(error, Busy):
        headers.append(("Retry-After", str(error.retry_after_s)))
    if isinstance(error, Unauthenticated):
        headers.append(("WWW-Authenticate", error.challenge))
    version = getattr(error, "version", None)
    if version is not None:
        headers.append(("ETag", f'W/"{version}"'))
    return Response(error.status, error_bytes(error), headers)
