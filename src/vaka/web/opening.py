"""Opening other units' hypersensitivity and alerts in a ward snapshot, with no network (decision 0024; A3, A4, A9, S21, S22).

Invariants: what is in the file is decided when that is made, and who sees it by the rules when it is read; what is opened is of
one patient and one person, ends by itself, and is in the access log, with its reason, before it shows; whose information it is
is told where a choice alone is missing, in an emergency only afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from vaka.access.decision import What, decision
from vaka.access.limits import REASON_MAX_CHARS, REASON_MIN_CHARS
from vaka.access.rules import Outcome
from vaka.access.session import Right, Session
from vaka.api.asked import require_right, told
from vaka.api.cookies import CSRF_FIELD
from vaka.api.http import Request, Response
from vaka.api.interactions.opening import HOURS, caring, keep, patient_of
from vaka.api.server import Server, check_id
from vaka.copy.sheet.sections import OPENED_ALONE
from vaka.errors import Invalid
from vaka.store.known import Group
from vaka.store.version import Version
from vaka.web import home
from vaka.web.entry import NotLoggedIn, session_of
from vaka.web.forms import form
from vaka.web.pages.opening import OpenPage
from vaka.web.render import page, redirect, spoken
from vaka.web.texts import N_, language_of
from vaka.web.who import who_of

_CHOSEN: Final = {"unit": What.UNIT, "provider": What.PROVIDER}
WORDS: Final = N_(
    "Say in words, %(least)s to %(most)s characters, what the danger is, and why consent could not be asked for."
)


async def show(server: Server, request: Request, id_: str) -> Response:
    """What can be opened of the patient."""
    session, patient = await _begin(server, request, id_)
    return await _page(server, request, session, patient, {})


async def open_(server: Server, request: Request, id_: str) -> Response:
    """Opens it, and leads to the sheet. What was typed is shown again where something is missing (S19)."""
    session, patient = await _begin(server, request, id_)
    fields = await form(request)
    server.callers.proof.check(request, session.id, fields.get(CSRF_FIELD))
    reason, no_consent = (fields.get(name, "").strip() for name in ("reason", "no-consent"))
    if fields.get("patient") != patient.id:  # S5
        raise Invalid("the form cannot be read", why="of another patient")
    what, target = _CHOSEN.get(fields.get("what", "")), fields.get("target")
    if what is None:
        require_right(request, Right.EMERGENCY)
        if not all(REASON_MIN_CHARS <= len(one) <= REASON_MAX_CHARS for one in (reason, no_consent)):
            values = {"least": REASON_MIN_CHARS, "most": REASON_MAX_CHARS}
            return await _page(server, request, session, patient, fields, problem=spoken(request)(WORDS) % values)
        what, target, reason = What.EMERGENCY, None, f"{reason} | {no_consent}"
    else:
        found = await _groups(server, request, session, patient)
        if (fields.get("what"), target) not in [one[:2] for one in _choices(session, found[0])]:
            raise Invalid("the form cannot be read", why="nothing of this owner to choose")
        reason = ""
    await keep(server, request, session, patient.rkey, what, target, reason, HOURS[what])
    return redirect(f"/sheet/{patient.id}")


async def _begin(server: Server, request: Request, id_: str) -> tuple[Session, Version]:
    check_id(id_)
    session = await session_of(server, request)
    if session is None:
        raise NotLoggedIn(f"/open/{id_}")
    caring(request)
    id_ = server.store.resolve(id_)
    return session, await patient_of(server, request, id_)


async def _groups(
    server: Server, request: Request, session: Session, patient: Version
) -> tuple[Sequence[Group], Sequence[Group]]:
    """Of what can be opened here at all: what a choice opens, and what an emergency opening would show."""
    settings = request.access.settings
    standing, found = await server.store.groups(session, settings, patient.rkey)
    hidden = [one for one in found if one.about.kind in OPENED_ALONE and one.rule.outcome is not Outcome.PERMIT]
    opened = standing.in_emergency()
    emergency = [one for one in hidden if decision(session, settings, opened, one.about).outcome is Outcome.PERMIT]
    return [one for one in hidden if one.rule.outcome is Outcome.CHOICE], emergency


def _choices(session: Session, found: Sequence[Group]) -> list[tuple[str, str]]:
    """What to choose, and of whom."""
    chosen = []
    for one in found:
        unit, provider = one.about.unit, one.about.provider or ""
        own = provider == session.assignment.provider
        chosen.append(("unit", unit or provider) if own else ("provider", provider))
    return list(dict.fromkeys(chosen))


async def _page(
    server: Server,
    request: Request,
    session: Session,
    patient: Version,
    fields: Mapping[str, str],
    *,
    problem: str = "",
) -> Response:
    told(request, "existence")
    choices, emergency = await _groups(server, request, session, patient)
    chosen = _choices(session, choices)
    names = await server.callers.people.names(tuple(target for _, target in chosen))
    shown = OpenPage(
        server.callers.proof.token(session.id), who_of(patient, language_of(request.header("accept-language"))),
        tuple((what, target, names.get(target, target)) for what, target in chosen), bool(emergency),
        session.may(Right.EMERGENCY), HOURS[What.EMERGENCY], problem, fields.get("reason", ""), fields.get("no-consent", ""),
    )  # fmt: skip
    return page(request, shown, status=422 if problem else 200, head=await home.head_of(server, session))
