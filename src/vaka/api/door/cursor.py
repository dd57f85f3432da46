"""The place in the feed of somebody's last write, which goes with its answer and comes back with the next request, to any copy.

Invariant: a cursor only ever makes an answer newer: one that is malformed or forged costs its sender a wait, and shows nothing.
"""

from __future__ import annotations

from typing import Final

from vaka.api.cookies import cookie
from vaka.api.http import Request
from vaka.errors import Invalid
from vaka.store.cursor import Cursor

HEADER: Final = "vaka-cursor"
OPENING_KEY: Final = "vaka-opening-key"
"""A copy's own key for an opening that is tried at the journal first: what the journal does of it after all is the same one."""
COOKIE: Final = "__Host-vaka-cursor"


def parse(text: str | None) -> Cursor | None:
    """``EPOCH.XID.SEQ``; None for what is none."""
    try:
        return Cursor.parse(text) if text else None
    except Invalid:
        return None


def brought(request: Request) -> Cursor | None:
    """The last write that the caller tells of, by header (programs) or cookie (browsers)."""
    if HEADER not in request.headers and COOKIE not in request.headers.get("cookie", ""):
        return None  # most requests
    found = [at for at in (parse(request.header(HEADER)), parse(cookie(request, COOKIE))) if at is not None]
    return max(found, default=None)
