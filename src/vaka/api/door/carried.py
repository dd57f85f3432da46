"""What goes with a request that is passed on, and what comes back with its answer. Pure.

Invariants: the caller's own proof goes on as it came, and no other is added (a stolen copy is not the region); what a
caller says of proxies, and what only copies may say, is dropped, and told anew as it was seen here; nothing that is about
one connection passes from one to the other. Source: RFC 9110 7.6.1, RFC 7239."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, urlsplit

from vaka.api.admission.classes import CARRIED, EXEMPT
from vaka.api.http import Request

Headers = list[tuple[bytes, bytes]]

_OF_CONNECTION: Final = frozenset(
    {
        "connection",
        "expect",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_TOLD_ANEW: Final = frozenset(
    {"host", "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via"}
)
BEGUN: Final = "vaka-begun-elsewhere"
"""Said by a copy that asks another one whether it began a login: that one asks nobody further."""
_OF_COPIES: Final = frozenset({"vaka-reserve-entry", CARRIED, BEGUN})
_OF_SERVER: Final = frozenset({"date", "server", "vaka-answered-by", "vaka-as-of", "vaka-behind"})
_PATH_SAFE: Final = "/$*:@!&'(),;=+~|"


def target(path: str, query: str) -> str:
    """The address to ask at: ``path`` decoded, ``query`` as it came."""
    return quote(path, safe=_PATH_SAFE) + (f"?{query}" if query else "")


def onward(
    request: Request, given: Iterable[tuple[str, str]], *, journal: str, key: str | None, length: bool
) -> Headers:
    """Headers for the journal at ``journal`` (host and port). ``key``: an Idempotency-Key that the caller did not give;
    ``length``: whether the body's length, as it was told here, is that of what is sent on."""
    listed = list(given)
    drop = _OF_CONNECTION | _TOLD_ANEW | _OF_COPIES | _named(listed)
    if not length:
        drop |= {"content-length"}
    own = urlsplit(request.base_url)
    headers = [(name.encode(), value.encode("latin-1", "replace")) for name, value in listed if name not in drop]
    headers += [
        (b"host", journal.encode()),
        (b"x-forwarded-for", request.source.encode()),
        (b"x-forwarded-host", own.netloc.encode()),
        (b"x-forwarded-proto", own.scheme.encode()),
    ]
    if request.place != EXEMPT:
        headers.append((CARRIED.encode(), str(int(request.place)).encode()))
    if key is not None:
        headers.append((b"idempotency-key", key.encode()))
    return headers


def homeward(given: Iterable[tuple[bytes, bytes]], *, length: bool) -> list[tuple[str, str]]:
    """Headers of the journal's answer for the caller. ``length``: the announced length goes with it."""
    listed = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in given]
    drop = _OF_CONNECTION | _OF_SERVER | _named(listed)
    if not length:
        drop |= {"content-length"}
    return [(name, value) for name, value in listed if name not in drop]


def _named(headers: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Headers that Connection says are about this connection."""
    return frozenset(
        part.strip().lower() for name, value in headers if name == "connection" for part in value.split(",")
    )
