"""The page of a login, which all ways in start from and come back to when they fail."""

from __future__ import annotations

from dataclasses import replace

from vaka.api.cookies import cookie, dropped
from vaka.api.http import Request, Response
from vaka.api.server import Server
from vaka.web import entry
from vaka.web.forms import next_path
from vaka.web.pages.login import LoginPage
from vaka.web.render import page, page_for_all, redirect, spoken
from vaka.web.ways import demo, passkey


async def show(
    server: Server,
    request: Request,
    *,
    problem: str = "",
    person: str = "",
    status: int = 200,
    next_: str | None = None,
) -> Response:
    """The page; with ``problem`` after a try that failed. Who is logged in goes on instead. ``next_``: where to go after."""
    if not problem and await entry.session_of(server, request) is not None:
        return redirect(next_path(request.option("next")))
    if cookie(request, entry.CHOICE) is not None:  # whoever had not chosen yet is gone
        request.add_headers.append(dropped(entry.CHOICE))
    if next_ is None and request.path == ("login",):
        next_ = request.option("next")
    challenge, content = passkey.offer(server)
    found = entry.begin(server, request, next_, content)
    shown = LoginPage(
        csrf=server.callers.proof.token(found.id),
        challenge=challenge,
        site=passkey.site_above(server, request),
        services=tuple(service.name for service in server.identity),
        staff=await demo.staff(server) if demo.allowed(server, request) else (),
        problem=spoken(request)(problem) if problem else "",
        person=person,
        code=None if server.prints is not None else server.home is not None,
    )
    if status == 200 and not problem and not person:
        return page_for_all(request, replace(shown, csrf="", challenge=""), csrf=shown.csrf, challenge=challenge)
    return page(request, shown, status=status)
