"""The pages of one's own login: living sessions, to be looked at and ended, and a new passphrase.

Invariants: a session is ended only by whose it is (or by an administrator); a new passphrase is taken for the old one and a
code that was not used, as a login is, and ends all sessions of before. Source: OWASP ASVS 4.0.3, 2.1.5, 2.1.6, 3.3.3, 3.3.4.
"""

from __future__ import annotations

from typing import Final

from vaka import config
from vaka.access.session import Session
from vaka.api import living
from vaka.api.cookies import CSRF_FIELD
from vaka.api.http import Request, Response
from vaka.api.server import Server
from vaka.errors import Forbidden
from vaka.journal import people
from vaka.store import accounts
from vaka.web import entry, home
from vaka.web.entry import Login, LoginFailed
from vaka.web.forms import form
from vaka.web.pages.own import PassphrasePage, SessionLine, SessionsPage
from vaka.web.render import page, redirect, spoken
from vaka.web.texts import N_
from vaka.web.ways import code, enrol

NOT_YOURS: Final = N_("There is no such session of yours now.")
SESSIONS: Final = "/login/sessions"


async def show_sessions(server: Server, request: Request) -> Response:
    """All that the person has now."""
    session = await entry.session_of(server, request)
    if session is None:
        return redirect("/login")
    told = spoken(request)
    found = await living.of(server.journal, session.person)
    names = await server.callers.people.names(sorted({one.unit for one in found}))
    lines = tuple(
        SessionLine(
            one.session, names.get(one.unit, one.unit), one.title, told(home.WAYS.get(one.way, one.way)), one.source,
            one.device, home.at_time(one.began_us), home.at_time(one.used_us), one.session == session.id,
        )
        for one in found
    )  # fmt: skip
    shown = SessionsPage(server.callers.proof.token(session.id), lines)
    return page(request, shown, head=await home.head_of(server, session))


async def end_session(server: Server, request: Request) -> Response:
    """Ends one of the person's sessions, or all others. Forbidden for one that is not the person's."""
    session = await entry.session_of(server, request)
    if session is None:
        return redirect("/login")
    fields = await form(request)
    server.callers.proof.check(request, session.id, fields.get(CSRF_FIELD))
    mine = {one.session for one in await living.of(server.journal, session.person)} | {session.id}
    chosen = fields.get("session", "")
    ended = mine - {session.id} if chosen == "others" else {chosen}
    if not ended <= mine:
        raise Forbidden(NOT_YOURS, why=f"session {chosen[:64]!r} is not one of {session.person}")
    for one in sorted(ended):
        await server.callers.revocations.end_one(session.person, one, "ended by its person")
    request.access.trail.activity = "end-sessions"
    request.access.trail.reason = " ".join(sorted(ended))
    return redirect("/login" if session.id in ended else SESSIONS)


async def show_passphrase(
    server: Server, request: Request, session: Session | None = None, *, problem: str = "", status: int = 200
) -> Response:
    """The page to choose a new one; with ``problem`` after a try that failed."""
    session = session or await entry.session_of(server, request)
    if session is None:
        return redirect("/login")
    has = bool(await people.run(server.journal, "passphrase", person=session.person))
    shown = PassphrasePage(
        server.callers.proof.token(session.id), session.person, has, config.PASSPHRASE_MIN_CHARS,
        config.PASSPHRASE_MAX_CHARS, spoken(request)(problem) if problem else "",
    )  # fmt: skip
    return page(request, shown, status=status, head=await home.head_of(server, session))


async def change_passphrase(server: Server, request: Request) -> Response:
    """Keeps the new passphrase, ends all sessions, and begins one anew here."""
    session = await entry.session_of(server, request)
    if session is None:
        return redirect("/login")
    fields = await form(request)
    server.callers.proof.check(request, session.id, fields.get(CSRF_FIELD))
    new = fields.get("passphrase", "")
    fault = await enrol.judged(server, session.person, session.name, new, fields.get("again", ""))
    if fault is None and new == fields.get("old", ""):
        fault = N_("The new passphrase is the old one.")
    if fault is not None:
        return await show_passphrase(server, request, session, problem=fault, status=422)
    try:
        old = await code.proved(server, request, session.person, fields.get("old", ""), fields.get("code", ""))
    except LoginFailed as error:
        entry.failed(request, error, activity="passphrase-refused")
        status = error.status if isinstance(error, code.TooOften) else 422
        return await show_passphrase(server, request, session, problem=error.message, status=status)
    hashed = await server.passphrases.hash(new)
    if not await people.run(server.journal, "change_passphrase", person=session.person, hash=hashed, old=old):
        raise Forbidden(N_("The passphrase was changed elsewhere meanwhile."), why="two changes at once")
    await living.changed(server.journal, session.person, accounts.PASSPHRASE)
    await server.callers.revocations.end_all(session.person, "new passphrase")
    person = await server.callers.people.person(session.person)
    if person is None:
        raise LoginFailed(code.WRONG, why=f"{session.person} is nobody who may work")
    await entry.again(server, request, Login(person, session.way), session, activity="passphrase")
    return redirect("/")
