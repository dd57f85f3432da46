"""The change feed over HTTP: ``GET /feed?after=CURSOR&hash=HEX&wait=SECONDS``, newline-delimited JSON.

``after``: the cursor of the last line read (none: from the beginning). ``hash``: that line's hash, to be checked. ``wait``:
how long to go on after having caught up. Needs the scope ``feed``. Lines: versions; ``horizon`` marks, below which nothing
can come any more; ``heartbeat``s. Compressed with zstd or gzip where Accept-Encoding names one.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

import zstandard

from vaka import config
from vaka.api.http import Request, Response
from vaka.api.server import Server
from vaka.errors import Invalid, NotAllowed
from vaka.journal.feed import Cursor

_KNOWN = frozenset({"after", "hash", "wait"})


async def feed(server: Server, request: Request) -> Response:
    """200 with a stream; Conflict (409) when this journal's history is not the cursor's; Forbidden without the scope."""
    if request.method not in ("GET", "HEAD"):
        raise NotAllowed("the feed is only read")
    options = dict(request.query)
    if unknown := sorted(set(options) - _KNOWN):
        raise Invalid(f"the feed does not know the parameter {unknown[0][:40]}", path=unknown[0][:40])
    after = Cursor.parse(options["after"]) if options.get("after") else None
    try:
        row_hash = bytes.fromhex(options["hash"]) if "hash" in options else None
        wait_s = min(max(float(options.get("wait", "0")), 0.0), float(config.FEED_WAIT_MAX_S))
        if wait_s != wait_s:
            raise ValueError
    except ValueError as error:
        raise Invalid("hash is hexadecimal, wait a number of seconds", help="for example /feed?wait=30") from error
    start = await server.journal.feed.start(after, row_hash, access=request.access)
    lines = server.journal.feed.lines(start, wait_s)
    accepts = (request.header("accept-encoding") or "").lower()
    headers = [("Vaka-Epoch", str(start.epoch))]
    if "zstd" in accepts:
        return Response(
            200,
            headers=[*headers, ("Content-Encoding", "zstd")],
            content_type="application/x-ndjson",
            stream=_zstd(lines),
        )
    if "gzip" in accepts:
        return Response(
            200,
            headers=[*headers, ("Content-Encoding", "gzip")],
            content_type="application/x-ndjson",
            stream=_gzip(lines),
        )
    return Response(200, headers=headers, content_type="application/x-ndjson", stream=lines)


async def _zstd(lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    compressor = zstandard.ZstdCompressor(level=3).compressobj()
    async for chunk in lines:
        yield compressor.compress(chunk) + compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    yield compressor.flush()


async def _gzip(lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    compressor = zlib.compressobj(5, wbits=31)
    async for chunk in lines:
        yield compressor.compress(chunk) + compressor.flush(zlib.Z_SYNC_FLUSH)
    yield compressor.flush()
