"""The pages of an opened ward snapshot: where one begins and finds patients, and printing all of it.

Invariants: only with a session; a print begins with the page's own form; a PDF is handed out to whose print it is, and leaves
only when the access log has it with all its patients.
"""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import quote

from vaka import config
from vaka.access.session import Session
from vaka.api.cookies import CSRF_FIELD
from vaka.api.http import Request, Response
from vaka.api.interactions.sheet import sheets_of
from vaka.api.page_headers import HEADERS
from vaka.api.server import Server
from vaka.api.snapshots.prints import Prints
from vaka.copy.sheet.clock import in_words
from vaka.errors import Busy, NotFound
from vaka.store.sheet import Worklists
from vaka.web import finding, home, prints
from vaka.web.entry import NotLoggedIn, session_of
from vaka.web.forms import form
from vaka.web.pages.ward import Hit, PrintPage, WardPage
from vaka.web.render import page, redirect
from vaka.web.texts import N_, language_of

_FOUND: Final = "found"
_UNDER_WAY: Final[set[asyncio.Task[None]]] = set()


def _prints(server: Server) -> Prints:
    if server.prints is None:
        raise NotFound("there is no such page")
    return server.prints


async def _session(server: Server, request: Request) -> Session:
    session = await session_of(server, request)
    if session is None:
        raise NotLoggedIn("/")
    return session


async def _lists(server: Server, request: Request, unit: str, *, logged: bool = True) -> Worklists:
    """The unit's lists. ``logged``: whoever stands there is shown, and so is in the log."""
    access = request.access if logged else request.access.anew()
    found = await sheets_of(server).worklists(unit, access=access, limit=config.SNAPSHOT_PATIENTS_MAX)
    if found is None:
        raise NotFound("there is no such page")
    return found


async def show(server: Server, request: Request) -> Response:
    """The first page, with who was looked for."""
    session = await session_of(server, request)
    if session is None:
        return await home.home(server, request)  # which leads to the login
    sealed = request.option(_FOUND)
    asked = server.sealed.open(_FOUND, sealed) if sealed else None
    if asked is None or asked["session"] != session.id:
        request.access.trail.activity = "worklists"
        return await _first(server, request, session, await _lists(server, request, session.assignment.unit))
    request.access.trail.activity = "search"
    language = language_of(request.header("accept-language"))
    listed = await _lists(server, request, session.assignment.unit, logged=False)
    hits, more = await finding.find(server, request.access, asked["q"], listed, language)
    return await _first(server, request, session, listed, asked=asked["q"], hits=hits, more=more)


async def find(server: Server, request: Request) -> Response:
    """Leads to who is looked for. What was typed stands sealed in the address: a browser's history tells no number, and its way
    back works."""
    session = await _session(server, request)
    fields = await form(request)
    server.callers.proof.check(request, session.id, fields.get(CSRF_FIELD))
    asked = " ".join(fields.get("q", "").split())[: finding.ASKED_MAX_CHARS]
    if not asked:
        return redirect("/")
    sealed = server.sealed.seal(_FOUND, {"q": asked, "session": session.id}, alive_s=config.SESSION_MAX_S)
    return redirect(f"/?{_FOUND}={quote(sealed, safe='')}")


async def _first(
    server: Server, request: Request, session: Session, listed: Worklists, *, asked: str | None = None,
    hits: tuple[Hit, ...] = (), more: bool = False,
) -> Response:  # fmt: skip
    about, language = _prints(server).about(), language_of(request.header("accept-language"))
    shown = WardPage(
        server.callers.proof.token(session.id), about.unit_name, f"/unit/{quote(about.unit)}", in_words(about.as_of_us, language),
        in_words(about.expires_us, language), len(prints.of_list(listed)), asked, hits, more, finding.same_name(hits),
    )  # fmt: skip
    return page(request, shown, head=await home.head_of(server, session))


async def begin(server: Server, request: Request) -> Response:
    """Begins a print of everything."""
    kept, session = _prints(server), await _session(server, request)
    server.callers.proof.check(request, session.id, (await form(request)).get(CSRF_FIELD))
    if len(_UNDER_WAY) >= 2:
        raise Busy(N_("others are printing now"), retry_after_s=10, help=N_("ask again in a moment"))
    language = language_of(request.header("accept-language"))
    found = await _lists(server, request, session.assignment.unit)
    patients = prints.of_list(found)
    made = kept.begin(session.id, len(patients))
    request.access.trail.activity = "print-begun"
    task = asyncio.create_task(
        prints.make(prints.asker_of(server, request, language), found, patients, made, kept.is_kept)
    )
    _UNDER_WAY.add(task)
    task.add_done_callback(_UNDER_WAY.discard)
    return redirect(f"/print/{made.id}")


async def progress(server: Server, request: Request, id_: str) -> Response:
    """How far it is, with what is ready already."""
    session = await _session(server, request)
    made = _prints(server).of(session.id, id_)
    shown = PrintPage(
        made.id, made.done, made.of, tuple(part.patients for part in made.parts), made.ready, bool(made.failed)
    )
    return page(request, shown, head=await home.head_of(server, session))


async def part(server: Server, request: Request, id_: str, number: str) -> Response:
    """One PDF."""
    session = await _session(server, request)
    made = _prints(server).of(session.id, id_)
    if not number.isdecimal() or not 1 <= int(number) <= len(made.parts):
        raise NotFound("there is no such page")
    found = made.parts[int(number) - 1]
    request.access.trail.activity = "print"
    request.access.trail.reason = f"part {number}: {found.patients} patients"
    request.access.trail.touched += found.touched
    headers = [*HEADERS, ("Content-Disposition", f'inline; filename="vaka-{number}.pdf"')]
    return Response(200, found.pdf, headers, "application/pdf")
