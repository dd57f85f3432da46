"""The page of a login, which all ways in start from and come back to when they fail."""

from __future__ import annotations

from vaka.api.http import Request, Response
from vaka.api.server import Server
from vaka.web import entry
from vaka.web.forms import next_path
from vaka.web.pages.login import LoginPage
from vaka.web.render import page, redirect
from vaka.web.texts import language_of, texts
from vaka.web.ways import demo


async def show(server: Server, request: Request, *, problem: str = "", person: str = "", status: int = 200) -> Response:
    """The page; with ``problem`` after a try that failed. Who is logged in goes on instead."""
    if not problem and await entry.session_of(server, request) is not None:
        return redirect(next_path(request.option("next")))
    found = entry.begin(server, request, request.option("next") if request.path == ("login",) else None)
    language = language_of(request.header("accept-language"))
    shown = LoginPage(
        csrf=server.callers.proof.token(found.id),
        services=tuple(service.name for service in server.identity),
        staff=await demo.staff(server) if demo.allowed(server, request) else (),
        problem=texts(language).gettext(problem) if problem else "",
        person=person,
    )
    return page(request, shown, status=status)
