"""Who may bring and ask what copies do: a program with the scope ``reserve``."""

from __future__ import annotations

from vaka.access.scopes import RESERVE
from vaka.api.http import Request
from vaka.errors import Forbidden


def require_copy(request: Request) -> None:
    """Forbidden unless a copy asks."""
    if RESERVE not in request.access.scopes and not request.access.full:
        raise Forbidden(
            "this needs the scope reserve", help="`vaka copy` is given a token of its own", why="no scope reserve"
        )
