"""What copies bring and ask of each other: who may, a program with the scope ``reserve``, and how it comes."""

from __future__ import annotations

from vaka.access.scopes import RESERVE
from vaka.api.http import Request
from vaka.errors import Forbidden, NotAllowed, TooLarge


def require_copy(request: Request) -> None:
    """Forbidden unless a copy asks."""
    if RESERVE not in request.access.scopes and not request.access.full:
        raise Forbidden(
            "this needs the scope reserve", help="`vaka copy` is given a token of its own", why="no scope reserve"
        )


async def told_lines(request: Request, what: str, activity: str, most: int) -> list[bytes]:
    """What another copy tells by POST, as lines of NDJSON. ``what``: what they are. NotAllowed; TooLarge over ``most``."""
    require_copy(request)
    if request.method != "POST":
        raise NotAllowed(f"{what} are held by POST")
    request.access.trail.activity = activity
    lines = [line for line in (await request.body()).split(b"\n") if line]
    if len(lines) > most:
        raise TooLarge(f"at most {most} {what} at a time")
    return lines
