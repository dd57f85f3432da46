"""The place in the feed of somebody's last write, which goes with its answer and comes back with the next request, to any copy.

Invariant: a cursor only ever makes an answer newer: one that is malformed or forged costs its sender a wait, and shows nothing.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from vaka.api.cookies import cookie
from vaka.api.http import Request

HEADER: Final = "vaka-cursor"
COOKIE: Final = "__Host-vaka-cursor"
_CURSOR: Final = re.compile(r"([0-9]{1,9})\.([0-9]{1,19})\.([0-9]{1,18})")


class Cursor(NamedTuple):
    """A version's place in the feed."""

    epoch: int
    xid: int
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}.{self.xid}.{self.seq}"


def parse(text: str | None) -> Cursor | None:
    """``EPOCH.XID.SEQ``; None for what is none."""
    match = _CURSOR.fullmatch(text) if text else None
    return Cursor(int(match[1]), int(match[2]), int(match[3])) if match else None


def brought(request: Request) -> Cursor | None:
    """The last write that the caller tells of, by header (programs) or cookie (browsers)."""
    if HEADER not in request.headers and COOKIE not in request.headers.get("cookie", ""):
        return None  # most requests
    found = [at for at in (parse(request.header(HEADER)), parse(cookie(request, COOKIE))) if at is not None]
    return max(found, default=None)
