"""From "this is the person" to a session in an assignment, for every way in (A1).

Invariants: each login, and each choice of an assignment, makes a session with an id of its own, and ends the one that the
browser had (no fixation); one assignment is chosen at once, several are offered; what a login may choose from was limited
by its way, and no later step widens it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from vaka import config
from vaka.access.session import Assignment, Right, Session
from vaka.api import sessions
from vaka.api.callers import person_filter
from vaka.api.coming import coming
from vaka.api.cookies import CSRF_FIELD, LOGIN, SESSION, cookie, dropped, kept
from vaka.api.http import Request, Response
from vaka.api.people import Offer, Person
from vaka.api.server import Server
from vaka.errors import BegunElsewhere, Forbidden, Unauthenticated, VakaError
from vaka.store.accounts import Used
from vaka.web.forms import next_path
from vaka.web.render import redirect
from vaka.web.texts import N_

REFUSED: Final = N_("The passkey could not be used. Try again, or log in another way.")
NO_ASSIGNMENT: Final = N_("You have no assignment in this record now.")


class LoginFailed(Unauthenticated):
    """A way in that did not succeed: shown on the login page. ``why`` is for the log; ``person``: what was typed."""

    def __init__(self, message: str, *, why: str, person: str = "") -> None:
        super().__init__(message, why=why)
        self.person = person


class NotLoggedIn(Unauthenticated):
    """A page that needs a session, asked for without: answered with the page of the login, which leads to ``next``."""

    def __init__(self, next_: str) -> None:
        super().__init__(N_("Log in to see this page."), why="no session")
        self.next = next_


@dataclass(frozen=True, slots=True)
class Flow:
    """A login under way: sealed in a cookie of its own, so that nothing is kept here. ``content``: what its way needs to
    remember until it comes back."""

    id: str
    next: str
    content: Mapping[str, Any]


def begin(
    server: Server, request: Request, next_: str | None, content: Mapping[str, Any] = MappingProxyType({})
) -> Flow:
    """The flow of this browser, a new one where it has none; its time begins anew with each page. ``content``: what is remembered
    from now on, beside what is already."""
    found = flow(server, request)
    if found is None or next_ is not None:
        found = Flow(secrets.token_hex(16), next_path(next_), {})
    made = replace(found, content={**found.content, **content})
    keep(server, request, made)
    return made


def keep(server: Server, request: Request, made: Flow) -> None:
    content = {"id": made.id, "next": made.next, "content": dict(made.content)}
    sealed = server.sealed.seal("login", content, alive_s=config.LOGIN_MAX_S)
    # Lax: an identity service, another site, leads back here.
    request.add_headers.append(kept(LOGIN, sealed, strict=False, seconds=config.LOGIN_MAX_S))


def flow(server: Server, request: Request) -> Flow | None:
    found = server.sealed.open("login", cookie(request, LOGIN))
    return None if found is None else Flow(found["id"], found["next"], found["content"])


def proven(server: Server, request: Request, fields: Mapping[str, Any]) -> Flow:
    """The flow that a form of a login belongs to. Forbidden if the form was not made for it by us."""
    found = flow(server, request)
    if found is None and cookie(request, LOGIN) is not None:
        require_ours(server)
    server.callers.proof.check(request, found.id if found else "", str(fields.get(CSRF_FIELD, "")) if found else None)
    assert found is not None
    return found


def require_ours(server: Server) -> None:
    """BegunElsewhere on a copy: what a browser brings here and cannot be opened here may have been given out by another copy or
    the journal."""
    if server.home is None:
        raise BegunElsewhere(N_("This login was begun at the journal."), help=N_("Begin again with another way in."))


async def session_of(server: Server, request: Request) -> Session | None:
    """The living session of the browser, which then is who asks. None if it has none, or one that has ended: then its
    cookie goes."""
    try:
        session = await server.callers.of_cookie(request)
    except Unauthenticated as error:
        request.access.trail.reason = error.why or ""
        request.add_headers.append(dropped(SESSION))
        return None
    if session is not None:
        request.access = person_filter(server, request, session)
    return session


@dataclass(frozen=True, slots=True)
class Login:
    """Who has proved who they are. ``limits``: the rights in each assignment (by id) that the way allows; None: all. ``proof``:
    what vouches for the login where a copy signs the session (``api.vouched``). ``used``: what it uses, once."""

    person: Person
    way: str
    limits: Mapping[str, frozenset[Right]] | None = None
    proof: Mapping[str, Any] | None = None
    used: Used | None = None

    def offered(self, offers: Sequence[Offer]) -> list[Offer]:
        if self.limits is None:
            return list(offers)
        return [
            replace(
                one, assignment=replace(one.assignment, rights=one.assignment.rights & self.limits[one.assignment.id])
            )
            for one in offers
            if one.assignment.id in self.limits
        ]


async def enter(server: Server, request: Request, login: Login, found: Flow) -> str:
    """Begins the session, or the choice of one; where to go then. LoginFailed if there is no assignment."""
    offers = login.offered(await server.callers.people.assignments_of(login.person))
    if not offers:
        raise LoginFailed(NO_ASSIGNMENT, why=f"{login.person.hsa} by {login.way}: no assignment")
    began_us = time.time_ns() // 1_000
    if len(offers) == 1:
        await _start(server, request, login, offers[0].assignment, began_us, activity="login", looked_up=True)
        return found.next
    if login.used is not None and not await server.callers.accounts.use(login.used):
        raise _used_before()
    content = {
        "id": secrets.token_hex(16), "next": found.next, "hsa": login.person.hsa, "way": login.way, "began_us": began_us,
        "limits": None if login.limits is None else {id_: sorted(rights) for id_, rights in login.limits.items()},
        "proof": login.proof,
    }  # fmt: skip
    request.add_headers.append(dropped(LOGIN))
    request.add_headers.append(kept(CHOICE, server.sealed.seal("choice", content, alive_s=config.LOGIN_MAX_S)))
    request.access = replace(request.access, principal=f"person:{login.person.hsa}")
    request.access.trail.activity = "login"
    request.access.trail.reason = login.way
    return "/assignment"


CHOICE: Final = "__Host-vaka-choice"


@dataclass(frozen=True, slots=True)
class Choosing:
    """A login that waits for a choice. ``id``: used once."""

    id: str
    next: str
    login: Login
    began_us: int


async def choosing(server: Server, request: Request) -> Choosing | None:
    """The choice that this browser has to make, if it has."""
    told = server.sealed.open("choice", cookie(request, CHOICE))
    if told is None and cookie(request, CHOICE) is not None:
        require_ours(server)
    person = await server.callers.people.person(told["hsa"]) if told is not None else None
    if told is None or person is None:
        return None
    limits = told["limits"]
    login = Login(
        person, told["way"],
        None if limits is None else {id_: frozenset(Right(one) for one in rights) for id_, rights in limits.items()},
        told.get("proof"),
    )  # fmt: skip
    request.access = replace(request.access, principal=f"person:{person.hsa}")
    return Choosing(told["id"], told["next"], login, told["began_us"])


async def choose(server: Server, request: Request, choice: Choosing, chosen: str) -> str:
    """Begins the session in the assignment ``chosen``; where to go then. Forbidden if it was not offered, or the choice was
    made already."""
    offers = choice.login.offered(await server.callers.people.assignments_of(choice.login.person))
    offer = next((one for one in offers if one.assignment.id == chosen), None)
    if offer is None:
        raise Forbidden(N_("This assignment is not yours now."), why=f"assignment {chosen[:64]!r} was not offered")
    if not await server.callers.accounts.spend("choice", choice.id, alive_s=config.LOGIN_MAX_S):
        raise Forbidden(N_("This choice was made already. Log in again."), why="choice replayed")
    await _start(
        server, request, choice.login, offer.assignment, choice.began_us, activity="assignment", looked_up=True
    )
    return choice.next


async def change(server: Server, request: Request, session: Session, chosen: str) -> None:
    """Another assignment for a living session: a new session from the same login. Forbidden if it is not offered."""
    _ = server.journal  # a copy's session is vouched for in the assignment that was chosen at the login
    person = await server.callers.people.person(session.person)
    offers = await server.callers.people.assignments_of(person) if person is not None else []
    offer = next((one for one in offers if one.assignment.id == chosen), None)
    if offer is None or person is None:
        raise Forbidden(N_("This assignment is not yours now."), why=f"assignment {chosen[:64]!r} was not offered")
    await _start(server, request, Login(person, session.way), offer.assignment, session.began_us, activity="assignment")


async def again(server: Server, request: Request, login: Login, session: Session, *, activity: str) -> None:
    """A new session in the same assignment, for who has proved anew who they are."""
    await _start(server, request, login, session.assignment, time.time_ns() // 1_000, activity=activity)


async def _start(
    server: Server, request: Request, login: Login, assignment: Assignment, began_us: int, *, activity: str,
    looked_up: bool = False,
) -> None:  # fmt: skip
    """``looked_up``: that the person is offered the assignment, in this request."""
    person = login.person
    session = sessions.begin(
        person=person.hsa, practitioner=person.practitioner, name=person.name, assignment=assignment, way=login.way,
        began_us=began_us,
    )  # fmt: skip
    token = server.callers.sessions.make(session, proof=login.proof)
    if not await server.callers.accounts.begun(session, coming(request, session), token, login.used):
        raise _used_before()
    await end_former(server, cookie(request, SESSION))
    if looked_up:
        server.callers.looked_up(token)
    request.add_headers += [dropped(LOGIN), dropped(CHOICE), kept(SESSION, token)]
    request.access = person_filter(server, request, session)
    request.access.trail.activity = activity
    request.access.trail.reason = login.way


def _used_before() -> LoginFailed:
    return LoginFailed(REFUSED, why="passkey: challenge was used before")


async def end_former(server: Server, token: str | None) -> None:
    """Ends the session that a browser had before this login."""
    if token is not None:
        try:
            await server.callers.revocations.end(server.callers.sessions.verify(token), "replaced", token)
        except Unauthenticated:
            pass  # none that could be used


async def end(server: Server, request: Request, session: Session) -> Response:
    """Logs out: durable before it is told."""
    await server.callers.revocations.end(session, "logout", cookie(request, SESSION) or "")
    request.access.trail.activity = "logout"
    request.add_headers += [dropped(SESSION), dropped(CHOICE), dropped(LOGIN)]
    return redirect("/login")


def failed(request: Request, error: VakaError, *, activity: str = "login-failed") -> None:
    """Tells the access log of a login, or what asks for the same proof, that did not succeed."""
    request.access.trail.activity = activity
    request.access.trail.reason = error.why or error.message
