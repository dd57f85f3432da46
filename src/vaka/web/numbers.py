"""Reserve numbers on a page (S18): for a person without a usable number, for a visit, and who the earlier ones may be.

Invariants: nobody gets a number before who it might be was shown; each form is of this session, and bound to whom it showed (S5);
what was typed is never lost (S19); a form that is sent twice gives one number; who is shown is logged. Two numbers of one person
are linked by a person with that right, never here.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from typing import Final

from vaka import config
from vaka.access.session import Right, Session
from vaka.api.asked import require_right
from vaka.api.cookies import CSRF_FIELD
from vaka.api.http import Request, Response
from vaka.api.reserve.numbering import candidates
from vaka.api.server import Server
from vaka.copy.reserve import giving
from vaka.copy.reserve.giving import Ground
from vaka.copy.reserve.store import Number, ReserveStore
from vaka.copy.sheet.clock import in_words
from vaka.copy.store import CopyStore
from vaka.errors import Invalid, NotFound, Unavailable, Unprocessable
from vaka.fhir.dates import DAY_US, parse
from vaka.store.through import now_us
from vaka.store.version import Version
from vaka.web import home
from vaka.web.entry import NotLoggedIn, session_of
from vaka.web.forms import form
from vaka.web.pages.numbers import Given, NumbersPage, Typed
from vaka.web.render import page, spoken
from vaka.web.texts import N_, language_of
from vaka.web.who import numbered, who_of

_KINDS: Final = ("name", "born", "number", "described")
_TYPED_MAX: Final = 200
NOT_HERE: Final = N_("there is no patient with this number here, or you may not see who it is")
CHANGED: Final = N_("Somebody else may be meant by now: look at each of them first.")
NO_DATE: Final = N_("the date of birth is no date: write it as 1951-03-02")
UNKNOWN: Final = N_("unknown")
SENT_BEFORE: Final = N_("this form was sent before, with something else in it: send it again from here")


async def show(server: Server, request: Request) -> Response:
    """The forms, and the numbers that were given."""
    session, store = await _begin(server, request)
    return await _page(server, request, session, store, Typed())


async def ask(server: Server, request: Request) -> Response:
    """A number for a person: first who it might be, then, sent from there, the number."""
    session, store = await _begin(server, request)
    fields = await _fields(server, request, session)
    typed, shown = _typed(fields), fields.get("shown")
    known = {kind: value for kind in _KINDS if (value := getattr(typed, kind))}
    ground = Ground(list(known.items()), typed.unknown, shown.split() if shown is not None else None)
    try:
        if typed.born and parse(typed.born) is None:
            raise Invalid(NO_DATE)
        giving.require_ground(ground)
    except Invalid as error:
        return await _page(server, request, session, store, typed, problem=_problem(request, error))
    found = await candidates(server, request, known)
    if ground.shown is None:
        return await _page(server, request, session, store, typed, found=found)
    if not {one.id for one in found} <= set(ground.shown):
        return await _page(server, request, session, store, typed, problem=spoken(request)(CHANGED), found=found)
    try:
        by, key = request.access.principal, _key(fields)
        number = await asyncio.to_thread(giving.personal, store, ground, by=by, key=key)
    except (Invalid, Unavailable) as error:
        return await _page(server, request, session, store, typed, problem=_problem(request, error), found=found)
    return await _page(server, request, session, store, Typed(), number=number)


async def visit(server: Server, request: Request) -> Response:
    """A number for a visit of somebody who is known: first who that is, then, sent from there, the number."""
    session, store = await _begin(server, request)
    fields = await _fields(server, request, session)
    typed, confirmed = _typed(fields), fields.get("patient")
    try:
        found = await numbered(server, request.access, typed.visitor)
        if len(found) != 1:
            raise NotFound(NOT_HERE)
        if confirmed is None:
            return await _page(server, request, session, store, typed, visitor=found[0])
        if confirmed != found[0].id:
            return await _page(
                server, request, session, store, typed, problem=spoken(request)(CHANGED), visitor=found[0]
            )
        by, key = request.access.principal, _key(fields)
        number = await asyncio.to_thread(giving.encounter, store, by=by, patient=confirmed, key=key)
    except (Invalid, NotFound, Unavailable) as error:
        return await _page(server, request, session, store, typed, problem=_problem(request, error))
    return await _page(server, request, session, store, Typed(), number=number)


async def _begin(server: Server, request: Request) -> tuple[Session, ReserveStore]:
    """Who asks, and the copy's reserve. NotLoggedIn, Forbidden; NotFound where this is no copy."""
    if server.door is None or server.door.reserve is None:
        raise NotFound("there is no such page", help=N_("reserve numbers are given by a read copy"))
    session = await session_of(server, request)
    if session is None:
        raise NotLoggedIn("/numbers")
    require_right(request, Right.WRITE)
    request.access.trail.activity = "reserve-number"
    return session, server.door.reserve.store


async def _fields(server: Server, request: Request, session: Session) -> dict[str, str]:
    fields = await form(request)
    server.callers.proof.check(request, session.id, fields.get(CSRF_FIELD))
    return fields


def _typed(fields: Mapping[str, str]) -> Typed:
    kept = {kind: fields.get(kind, "").strip()[:_TYPED_MAX] for kind in (*_KINDS, "visitor")}
    return Typed(**kept, unknown=bool(fields.get("unknown")))


def _key(fields: Mapping[str, str]) -> str:
    """A form's own key. Invalid for one that no form of ours has."""
    try:
        return str(uuid.UUID(fields.get("key", "")))
    except ValueError as error:
        raise Invalid("the form cannot be read", why="no key") from error


def _problem(request: Request, error: Invalid | NotFound | Unavailable) -> str:
    told = spoken(request)
    if isinstance(error, Unprocessable):
        error = Invalid(SENT_BEFORE)
    return " ".join(f"{told(part)[:1].upper()}{told(part)[1:]}." for part in (error.message, error.help) if part)


async def _page(
    server: Server, request: Request, session: Session, store: ReserveStore, typed: Typed, *, problem: str = "",
    found: Sequence[Version] | None = None, visitor: Version | None = None, number: str | None = None,
) -> Response:  # fmt: skip
    every = session.may(Right.IDENTITY)
    by = None if every else request.access.principal
    since_us = now_us() - config.RESERVE_NUMBERS_SHOWN_DAYS * DAY_US
    language = language_of(request.header("accept-language"))
    given = [
        await _given(server, request, one, language)
        for one in store.numbers(by, since_us, config.RESERVE_NUMBERS_SHOWN_MAX)
    ]
    units = server.store.units if isinstance(server.store, CopyStore) else ()
    shown = NumbersPage(
        server.callers.proof.token(session.id), str(uuid.uuid4()), typed, problem,
        tuple(who_of(one, language) for one in found or ()),
        " ".join(one.id for one in found) if found is not None else None,
        who_of(visitor, language) if visitor is not None else None,
        next((one for one in given if one.value == number), None), tuple(units), tuple(given), every,
    )  # fmt: skip
    status = 422 if problem else 200
    return page(request, shown, status=status, head=await home.head_of(server, session))


async def _given(server: Server, request: Request, one: Number, language: str) -> Given:
    """A number with whose it is by now, and who else it may be."""
    known = {str(kind): str(value) for kind, value in one.ground.get("identifiers", ())}
    at, told = in_words(one.at_us, language), spoken(request)
    if one.kind == giving.ENCOUNTER:
        patient = await server.store.read("Patient", str(one.ground.get("patient", "")), access=request.access)
        whose = (who_of(patient, language),) if patient is not None and not patient.deleted else ()
        return Given(one.value, True, at, "", whose, ())
    of = await numbered(server, request.access, one.value)
    mine = {each.id for each in of}
    others = [each for each in await candidates(server, request, known) if each.id not in mine]
    words = ", ".join(known.values()) or told(UNKNOWN)
    return Given(
        one.value, False, at, words, tuple(who_of(o, language) for o in of), tuple(who_of(o, language) for o in others)
    )
