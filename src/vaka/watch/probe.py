"""The question that tells whether a server does its work: one HTTP request, with nothing kept between two.

Invariants: no connection is reused, so that a listener that no longer accepts is found; bounded bytes are read.
"""

from __future__ import annotations

import asyncio
from typing import Final

HEAD_MAX_BYTES: Final = 4096


async def http_status(host: str, port: int, path: str) -> int:
    """The status code of ``GET path``. OSError where nothing answers like an HTTP server."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        line = (await reader.readline())[:HEAD_MAX_BYTES].split()
    finally:
        writer.close()
    if len(line) < 2 or not line[0].startswith(b"HTTP/1.") or not line[1].isdigit():
        raise ConnectionError("not an HTTP answer")
    return int(line[1])
