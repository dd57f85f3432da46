"""The change feed over HTTP: ``GET /feed?after=CURSOR&hash=HEX&wait=SECONDS``, newline-delimited JSON.

``after``: the cursor of the last line read (none: from the beginning). ``hash``: that version's hash, to be checked.
``wait``: how long to go on after having caught up. Needs the scope ``feed``. Lines: versions; ``horizon`` marks, below
which nothing can come any more; ``heartbeat``s. Compressed with zstd or gzip where Accept-Encoding takes it. All of it
is in docs/operating/feed.md.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator
from contextlib import aclosing

import zstandard

from vaka import config
from vaka.api.http import Request, Response
from vaka.api.server import Server
from vaka.errors import Invalid, NotAllowed
from vaka.journal.feed import Cursor

_KNOWN = frozenset({"after", "hash", "wait"})
_HASH_BYTES = 32
NDJSON = "application/x-ndjson"


async def feed(server: Server, request: Request) -> Response:
    """200 with a stream; Conflict when this journal's history is not the cursor's; Forbidden without the scope."""
    if request.method not in ("GET", "HEAD"):
        raise NotAllowed("the feed is only read")
    options = dict(request.query)
    if unknown := sorted(set(options) - _KNOWN):
        raise Invalid(f"the feed does not know the parameter {unknown[0][:40]}", path=unknown[0][:40])
    after = Cursor.parse(options["after"]) if options.get("after") else None
    row_hash, wait_s = _hash(options.get("hash")), _wait_s(options.get("wait", "0"))
    start, epoch = await server.journal.feed.start(after, row_hash, access=request.access)
    headers = [("Vaka-Epoch", str(epoch)), ("Vary", "Accept-Encoding")]
    if request.method == "HEAD":
        return Response(200, headers=headers, content_type=NDJSON)
    lines = server.journal.feed.lines(start, wait_s)
    accepted = accepted_encodings(request.header("accept-encoding") or "")
    if "zstd" in accepted:
        headers.append(("Content-Encoding", "zstd"))
        return Response(200, headers=headers, content_type=NDJSON, stream=_zstd(lines))
    if "gzip" in accepted:
        headers.append(("Content-Encoding", "gzip"))
        return Response(200, headers=headers, content_type=NDJSON, stream=_gzip(lines))
    return Response(200, headers=headers, content_type=NDJSON, stream=lines)


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


async def _zstd(lines: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    compressor = zstandard.ZstdCompressor(level=3).compressobj()
    async with aclosing(lines):
        async for chunk in lines:
            yield compressor.compress(chunk) + compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    yield compressor.flush()


async def _gzip(lines: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    compressor = zlib.compressobj(5, wbits=31)
    async with aclosing(lines):
        async for chunk in lines:
            yield compressor.compress(chunk) + compressor.flush(zlib.Z_SYNC_FLUSH)
    yield compressor.flush()
