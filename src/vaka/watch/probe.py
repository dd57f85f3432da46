"""What tells whether a server does its work: one HTTP request, with nothing kept between two; or a beat, where several
share a port.

Invariants: no connection is reused, so that a listener that no longer accepts is found; bounded bytes are read; a beat is
of a clock that goes on while the machine sleeps, and never back."""

from __future__ import annotations

import asyncio
import ssl
import time
from pathlib import Path
from typing import Final

READY_WAIT_S: Final = 2.0
"""So long somebody who is ready may take to say so; shorter than a look at a part may take (``supervisor.PROBE_TIMEOUT_S``)."""
_BEAT_BYTES: Final = 64
HEAD_MAX_BYTES: Final = 4096


def unverified() -> ssl.SSLContext:
    """TLS to our own server, whoever its certificate names and however old it is: nothing secret is sent, and a certificate
    that has expired must not look like a server that has died (outages: va-certificate)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def http_status(host: str, port: int, path: str, *, tls: bool = False) -> int:
    """The status code of ``GET path``. OSError where nothing answers like an HTTP server."""
    reader, writer = await asyncio.open_connection(host, port, ssl=unverified() if tls else None)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        line = (await reader.readline())[:HEAD_MAX_BYTES].split()
    finally:
        writer.close()
    if len(line) < 2 or not line[0].startswith(b"HTTP/1.") or not line[1].isdigit():
        raise ConnectionError("not an HTTP answer")
    return int(line[1])


async def answers_ready(host: str, port: int, *, tls: bool = False) -> bool:
    """Whether a server whose life is judged by something else (its beat) says in time that it is ready. OSError where nobody
    listens."""
    try:
        async with asyncio.timeout(READY_WAIT_S):
            return await http_status(host, port, "/ready", tls=tls) == 200
    except TimeoutError:
        return False


def beat(path: Path) -> None:
    """Says that this process's loop runs, now."""
    text = f"{time.clock_gettime_ns(time.CLOCK_BOOTTIME)}".ljust(_BEAT_BYTES)
    with path.open("r+" if path.exists() else "w") as file:
        file.write(text)


def beat_age_s(path: Path) -> float:
    """Seconds since the last beat; infinite before the first."""
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        return float("inf")
    return (time.clock_gettime_ns(time.CLOCK_BOOTTIME) - int(text)) / 1e9 if text.isdigit() else float("inf")
