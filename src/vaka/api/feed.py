"""The change feed over HTTP: ``GET /feed?after=CURSOR&hash=HEX&wait=SECONDS``, newline-delimited JSON.

``after``: the cursor of the last line read (none: from the beginning). ``hash``: that version's hash, to be checked.
``wait``: how long to go on after having caught up. Needs the scope ``feed``. Lines: versions; ``horizon`` marks, below
which nothing can come any more; ``heartbeat``s. Compressed with zstd or gzip where Accept-Encoding takes it. All of it
is in docs/operating/feed.md.

``GET /feed/patient?patient=ID&until=CURSOR&hash=HEX&after=CURSOR`` gives one patient's part of it,
``GET /feed/units?unit=HSA-ID,…`` says which Organizations those units are: for copies of some units' patients (decision 0015).

``GET /feed/private`` is the same of what copies need beside the record (``journal.private``), with the scope
``feed-private``; the keys that copies verify with come first in each answer, and again when they change.

Invariant: an answer is bounded in bytes, as sent: the HTTP server below takes all that it is given, however slowly the
reader reads. An answer that ends with a version is not at the end of the feed: the reader asks on at once.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Protocol

import orjson
import zstandard

from vaka import config
from vaka.access.filter import system_filter
from vaka.access.scopes import FEED
from vaka.api.http import Request, Response
from vaka.api.published import Published
from vaka.api.server import Server
from vaka.errors import Forbidden, Invalid, NotAllowed, OnlyJournal
from vaka.fhir.hsa import HSA, hsa_id
from vaka.fhir.keys import resource_key
from vaka.fhir.query import parse_query
from vaka.fhir.tokens import ID
from vaka.journal.feed import Start
from vaka.store.cursor import Cursor

_KNOWN = frozenset({"after", "hash", "wait"})
_HASH_BYTES = 32
_BEGINNING = (0, 0, 0)
NDJSON = "application/x-ndjson"


async def feed(server: Server, request: Request) -> Response:
    """200 with a stream; Conflict when this journal's history is not the cursor's; Forbidden without the scope."""
    options = _options(request, _KNOWN)
    after = Cursor.parse(options["after"]) if options.get("after") else None
    row_hash, wait_s = _hash(options.get("hash")), _wait_s(options.get("wait", "0"))
    start = await server.journal.feed.start(after, row_hash, access=request.access)
    return _answer(request, start, server.journal.feed.lines(start, wait_s))


async def patient(server: Server, request: Request) -> Response:
    """One patient's part of the feed up to ``until``, for a copy that has not kept it: 200 with a stream; Conflict, Forbidden as
    ``feed``. ``after``: the last line that came; an answer that ends without a mark is asked on from there."""
    options = _options(request, frozenset({"patient", "until", "hash", "after"}))
    id_, until = options.get("patient", ""), options.get("until", "")
    if not ID.fullmatch(id_) or not until:
        raise Invalid("one patient's part of the feed takes patient and until", path="patient")
    request.access.trail.patient = resource_key("Patient", id_)
    after = Cursor.parse(options["after"]).place if options.get("after") else _BEGINNING
    start = await server.journal.feed.start(Cursor.parse(until), _hash(options.get("hash")), access=request.access)
    return _answer(request, start, server.journal.feed.of_patient(start, id_, after))


async def units(server: Server, request: Request) -> Response:
    """The Organization ids of ``unit``, HSA-ids with commas between, as ``{"units": {HSA-id: id}}``: what is no unit is not in
    it. Forbidden without the scope."""
    if FEED not in request.access.scopes:
        raise Forbidden(f"{request.access.principal} has no right to read this feed", help="it takes the scope feed")
    asked = _options(request, frozenset({"unit"})).get("unit", "").split(",")
    if len(asked) > config.COPY_SCOPE_UNITS_MAX:
        raise Invalid(f"more than {config.COPY_SCOPE_UNITS_MAX} units", path="unit")
    searching = server.store.searching(system_filter("copy scope"))
    found: dict[str, str] = {}
    for unit in asked:
        query = parse_query(["Organization"], [("identifier", f"{HSA}|{hsa_id(unit)}")], base_url="", strict=True)
        page = await searching.search(query, count=1)
        found |= {unit: page.matches[0].id} if page.matches else {}
    return Response(200, orjson.dumps({"units": found}), content_type="application/json")


async def private(server: Server, request: Request) -> Response:
    """200 with a stream; Conflict when the cursor is of another history: read from nothing; Forbidden without the scope."""
    options = _options(request, frozenset({"after", "wait"}))
    published = server.published
    if published is None:
        raise OnlyJournal("only the journal has the private feed", help="ask the journal")
    after = Cursor.parse(options["after"]) if options.get("after") else None
    wait_s = _wait_s(options.get("wait", "0"))
    start = await server.journal.private.start(after, None, access=request.access)
    copies, who = server.journal_copies, request.access.principal
    copies.name_of(who)
    lines = server.journal.private.lines(start, wait_s)
    return _answer(request, start, _with_keys(lines, published, lambda: copies.name_of(who)))


async def _with_keys(
    lines: AsyncGenerator[bytes, None], published: Published, allowed: Callable[[], object]
) -> AsyncGenerator[bytes, None]:
    told = b""
    async with aclosing(lines):
        async for chunk in lines:
            allowed()  # who was shut out meanwhile gets no more
            if (keys := published.line()) != told:
                told = keys
                yield keys
            yield chunk


def _options(request: Request, known: frozenset[str]) -> dict[str, str]:
    if request.method not in ("GET", "HEAD"):
        raise NotAllowed("the feed is only read")
    options = dict(request.query)
    if unknown := sorted(set(options) - known):
        raise Invalid(f"the feed does not know the parameter {unknown[0][:40]}", path=unknown[0][:40])
    return options


def _answer(request: Request, start: Start, lines: AsyncGenerator[bytes, None]) -> Response:
    headers = [
        ("Vaka-Epoch", str(start.horizon.epoch)),
        ("Vaka-Began", start.horizon.at.isoformat()),
        ("Vaka-Horizon", str(start.horizon.xid)),
        ("Vary", "Accept-Encoding"),
    ]
    if request.method == "HEAD":
        return Response(200, headers=headers, content_type=NDJSON)
    stream = _bounded(lines, _coder(request, headers))
    return Response(200, headers=headers, content_type=NDJSON, stream=stream)


def _hash(text: str | None) -> bytes | None:
    try:
        found = bytes.fromhex(text) if text is not None else None
    except ValueError:
        found = b""
    if found is not None and len(found) != _HASH_BYTES:
        raise Invalid("hash is the SHA-256 of the cursor's version, in hexadecimal", path="hash")
    return found


def _wait_s(text: str) -> float:
    try:
        wait_s = float(text)
        if not 0 <= wait_s <= config.FEED_WAIT_MAX_S:
            raise ValueError
    except ValueError as error:
        raise Invalid(
            f"wait is a number of seconds from 0 to {config.FEED_WAIT_MAX_S}",
            path="wait",
            help="for example /feed?wait=30",
        ) from error
    return wait_s


def accepted_encodings(header: str) -> frozenset[str]:
    """The codings that Accept-Encoding names and does not refuse with q=0 (RFC 9110, 12.5.3)."""
    found = set()
    for part in header.lower().split(","):
        name, *parameters = [piece.strip() for piece in part.split(";")]
        weights = [piece.replace(" ", "").removeprefix("q=").strip("0") for piece in parameters]
        if name and not any(weight in ("", ".") for weight in weights):
            found.add(name)
    return frozenset(found)


class _Coder(Protocol):
    """Compresses; ``flush(mode)`` gives what a reader needs to read all so far, ``flush()`` ends."""

    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self, mode: int = ..., /) -> bytes: ...


def _coder(request: Request, headers: list[tuple[str, str]]) -> tuple[_Coder, int] | None:
    """The coding that the reader takes, told in ``headers``: the coder, and how it flushes between chunks."""
    accepted = accepted_encodings(request.header("accept-encoding") or "")
    if "zstd" in accepted:
        headers.append(("Content-Encoding", "zstd"))
        return zstandard.ZstdCompressor(level=3).compressobj(), zstandard.COMPRESSOBJ_FLUSH_BLOCK
    if "gzip" in accepted:
        headers.append(("Content-Encoding", "gzip"))
        return zlib.compressobj(5, wbits=31), zlib.Z_SYNC_FLUSH
    return None


async def _bounded(lines: AsyncGenerator[bytes, None], coder: tuple[_Coder, int] | None) -> AsyncGenerator[bytes, None]:
    sent = 0
    async with aclosing(lines):
        async for chunk in lines:
            coded = coder[0].compress(chunk) + coder[0].flush(coder[1]) if coder else chunk
            yield coded
            sent += len(coded)
            if sent >= config.FEED_ANSWER_BYTES:
                break
    if coder:
        yield coder[0].flush()
