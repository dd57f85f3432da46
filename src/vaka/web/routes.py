"""Which page answers which address. Errors of pages are pages too."""

from __future__ import annotations

from vaka.api.http import Request, Response
from vaka.api.server import Server
from vaka.errors import Busy, NotAllowed, NotFound, Unauthenticated, VakaError
from vaka.web import entry, home, login
from vaka.web.entry import LoginFailed
from vaka.web.pages.message import MessagePage
from vaka.web.render import page, redirect
from vaka.web.static_files import static
from vaka.web.texts import N_, language_of, texts
from vaka.web.ways import demo

_PLACES = frozenset({"", "login", "assignment", "logout", "static"})


def has(path: tuple[str, ...]) -> bool:
    """Whether the address is that of a page."""
    return path[0] in _PLACES


async def dispatch(server: Server, request: Request) -> Response:
    """Answers a request for a page. NotFound for an address that is none, NotAllowed for a method that it does not have."""
    try:
        return await _dispatch(server, request)
    except LoginFailed as error:
        entry.failed(request, error)
        return await login.show(server, request, problem=error.message, person=error.person, status=error.status)


async def _dispatch(server: Server, request: Request) -> Response:
    method = "GET" if request.method == "HEAD" else request.method
    match (method, *request.path):
        case ("GET", ""):
            return await home.home(server, request)
        case ("GET", "static", name):
            return static(request, name)
        case ("GET", "login"):
            return await login.show(server, request)
        case ("POST", "login", "demo"):
            return redirect(await demo.log_in(server, request))
        case ("GET", "assignment"):
            return await home.choices(server, request)
        case ("POST", "assignment"):
            return await home.choose(server, request)
        case ("POST", "logout"):
            return await home.log_out(server, request)
        case (_, "" | "login" | "assignment" | "logout" | "static", *rest) if len(rest) <= 1:
            raise NotAllowed("this page cannot be used in this way")
    raise NotFound("there is no such page")


_HEADINGS = {
    400: N_("This could not be understood"), 403: N_("This was refused"), 404: N_("There is no such page"),
    405: N_("This page cannot be used in this way"), 413: N_("This is too much"), 503: N_("This is not possible now"),
}  # fmt: skip


def refused(request: Request, error: VakaError) -> Response:
    """The page that tells an error; nothing of a fault's inside."""
    heading = _HEADINGS.get(error.status, N_("This did not succeed"))
    to = "/login" if isinstance(error, Unauthenticated) or request.path[0] == "login" else "/"
    told = texts(language_of(request.header("accept-language"))).gettext
    shown = MessagePage(told(heading), told(error.message), told(error.help) if error.help else "", to)
    answer = page(request, shown, status=error.status)
    if isinstance(error, Busy):
        answer.headers.append(("Retry-After", str(error.retry_after_s)))
    return answer
