"""The pages of who is logged in: who one is, choosing an assignment, logging out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from vaka import config
from vaka.access.session import Right, Session
from vaka.api.cookies import CSRF_FIELD, SESSION, cookie
from vaka.api.http import Request, Response
from vaka.api.server import Server
from vaka.fhir.dates import ZONE
from vaka.store import accounts
from vaka.store.through import now_us
from vaka.web import entry, login
from vaka.web.forms import form
from vaka.web.pages.assignment import AssignmentPage, Choice
from vaka.web.pages.home import HomePage, LastLogin
from vaka.web.render import Head, page, redirect, spoken
from vaka.web.texts import N_

ASK_AGAIN = N_("Your identity service says which assignments you have: log in there again to choose another.")
ENDED = N_("You are not logged in any more: the session or your assignment has ended.")
PURPOSES = {
    "care": N_("care and treatment"),
    "administration": N_("administration"),
    "quality": N_("quality and follow-up"),
}
WAYS = {
    "oidc": N_("with the care provider's identity service"), "passkey": N_("with a passkey"),
    "code": N_("with passphrase and code"), "demo": N_("as demo staff"),
}  # fmt: skip
RIGHTS = {
    "read": N_("read"), "write": N_("write"), "sign": N_("sign"), "consent": N_("consents and blocks"),
    "lift": N_("lift inner blocks"), "emergency": N_("emergency opening"), "protected": N_("protected identities"),
    "identity": N_("merge and link patients"), "log": N_("review the log"), "redact": N_("remove as ordered"),
}  # fmt: skip


CHANGES = {
    accounts.PASSPHRASE: N_("the passphrase was changed"), accounts.SET_UP: N_("passphrase and code app were set up"),
    accounts.PASSKEY: N_("a passkey was made"), accounts.SET_UP_CODE: N_("an administrator made a set-up code"),
    accounts.TAKEN_BACK: N_("an administrator took all ways in back"),
    accounts.CODE_AGAIN: N_("somebody with your passphrase was refused, since the code had been used before"),
}  # fmt: skip


def clock(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1_000_000, UTC).astimezone(ZONE).strftime("%H:%M")


def at_time(at_us: int) -> str:
    """Day and clock time."""
    return datetime.fromtimestamp(at_us / 1_000_000, UTC).astimezone(ZONE).strftime("%Y-%m-%d %H:%M")


def named_rights(told: Callable[[str], str], rights: frozenset[Right]) -> tuple[str, ...]:
    """Rights in words, in the order of ``RIGHTS``."""
    return tuple(told(text) for code, text in RIGHTS.items() if code in rights)


async def head_of(server: Server, session: Session) -> Head:
    """The head of a page for who is logged in."""
    at = session.assignment
    names = await server.callers.people.names((at.unit, at.provider))
    return Head(
        session.name, at.title, names.get(at.unit, at.unit), names.get(at.provider, at.provider),
        server.callers.proof.token(session.id), max(0, (session.expires_us - now_us()) // 1_000_000),
        session.may(Right.LOG),
    )  # fmt: skip


async def home(server: Server, request: Request) -> Response:
    """Who one is here."""
    session = await entry.session_of(server, request)
    if session is None:
        if cookie(request, SESSION) is not None:
            return await login.show(server, request, problem=ENDED, status=401)
        return redirect("/login")
    told = spoken(request)
    head = await head_of(server, session)
    at = session.assignment
    recent = await server.callers.accounts.recent(session)
    other, changes = (recent.other, recent.changes) if recent is not None else (None, ())
    shown = HomePage(
        session.name, session.person, at.title, head.unit, head.provider, told(PURPOSES[at.purpose]),
        named_rights(told, at.rights), told(WAYS.get(session.way, session.way)),
        clock(session.began_us), clock(session.began_us + config.SESSION_MAX_S * 1_000_000),
        len(await server.callers.accounts.passkeys_of(session.person)), recent.living if recent is not None else None,
        LastLogin(at_time(other.at_us), told(WAYS.get(other.way, other.way)), other.device, other.source) if other else None,
        tuple(f"{at_time(at_us)}: {told(CHANGES.get(what, what))}" for at_us, what in changes),
        session.may(Right.LOG), server.door is not None and server.door.reserve is not None and session.may(Right.WRITE),
    )  # fmt: skip
    return page(request, shown, head=head)


async def choices(server: Server, request: Request) -> Response:
    """The assignments of who has just logged in, or wants another."""
    told = spoken(request)
    waiting = await entry.choosing(server, request)
    if waiting is not None:
        offers = waiting.login.offered(await server.callers.people.assignments_of(waiting.login.person))
        bound, name, now, head = waiting.id, waiting.login.person.name, "", None
    else:
        session = await entry.session_of(server, request)
        if session is None:
            return redirect("/login")
        if session.way == "oidc":  # the service said what may be chosen: it is asked again
            return await login.show(server, request, problem=ASK_AGAIN)
        person = await server.callers.people.person(session.person)
        offers = await server.callers.people.assignments_of(person) if person is not None else []
        bound, name, now, head = session.id, session.name, session.assignment.id, await head_of(server, session)
    shown = AssignmentPage(
        csrf=server.callers.proof.token(bound),
        waiting=waiting is not None,
        name=name,
        choices=tuple(
            Choice(
                one.assignment.id, one.unit, one.provider, one.assignment.title, told(PURPOSES[one.assignment.purpose]),
                one.assignment.id == now, named_rights(told, one.assignment.rights),
            )
            for one in offers
        ),
    )  # fmt: skip
    return page(request, shown, head=head)


async def choose(server: Server, request: Request) -> Response:
    """Takes the choice."""
    fields = await form(request)
    chosen, given = fields.get("assignment", ""), fields.get(CSRF_FIELD)
    waiting = await entry.choosing(server, request)
    if waiting is not None:
        server.callers.proof.check(request, waiting.id, given)
        return redirect(await entry.choose(server, request, waiting, chosen))
    session = await entry.session_of(server, request)
    if session is None:
        return redirect("/login")
    if session.way == "oidc":
        return redirect("/assignment")
    server.callers.proof.check(request, session.id, given)
    await entry.change(server, request, session, chosen)
    return redirect("/")


async def log_out(server: Server, request: Request) -> Response:
    """Ends the session."""
    session = await entry.session_of(server, request)
    if session is None:
        return redirect("/login")
    server.callers.proof.check(request, session.id, (await form(request)).get(CSRF_FIELD))
    return await entry.end(server, request, session)
