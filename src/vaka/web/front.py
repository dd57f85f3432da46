"""The pages as the application asks for them (``api.app.Web``): what they are made with is imported when the first is asked for.

A copy that starts answers programs and sheets before it has read templates and what ways in need. Invariant: what is a page, and
what answers it, is said in ``routes`` alone, but for the places, which stand here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from vaka.api.http import Request, Response
    from vaka.api.server import Server
    from vaka.errors import VakaError

PLACES: Final = frozenset({"", "login", "assignment", "logout", "static", "log", "print", "numbers", "open"})


def has(path: tuple[str, ...]) -> bool:
    """Whether the address is that of a page."""
    return path[0] in PLACES


async def dispatch(server: Server, request: Request) -> Response:
    """Answers a request for a page. NotFound for an address that is none, NotAllowed for a method that it does not have."""
    from vaka.web import routes

    return await routes.dispatch(server, request)


def refused(request: Request, error: VakaError, path: tuple[str, ...]) -> Response:
    """The page that tells an error; nothing of a fault's inside. ``path``: of the address as it came."""
    from vaka.web import routes

    return routes.refused(request, error, path)
