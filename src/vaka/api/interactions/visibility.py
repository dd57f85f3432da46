"""$visibility: may the patient see this entry online (J5): asked by GET, set by POST by its author or unit.

What is set is a mark on the entry, so it is a fact with author, time and reason, travels with the feed, and changes nothing
of the entry.
"""

from __future__ import annotations

from datetime import date, datetime

from vaka.access.facts import protected
from vaka.access.law import Act, is_acknowledged, is_signed
from vaka.access.marks import actor_of
from vaka.access.session import Right
from vaka.access.visibility import NO, YES, Visibility
from vaka.access.visibility import visibility as decide
from vaka.api.asked import begin, parameters, told
from vaka.api.http import Request, Response, require_json_answer
from vaka.api.server import Server, known_type, living, written
from vaka.errors import Forbidden, Invalid
from vaka.fhir.dates import ZONE
from vaka.fhir.entries import responsible
from vaka.fhir.parse import parse_json
from vaka.journal.journal import Transaction
from vaka.journal.marks import Latest, entry_of, home, latest, mark, owned_by
from vaka.store.version import Version, instant


async def shown(server: Server, request: Request, type_: str, id_: str) -> Response:
    """Parameters: ``visible`` now, ``not-before`` where it waits, whether that was ``chosen`` and by whom, else the default
    of its kind."""
    require_json_answer(request)
    told(request, "read")
    version = living(await server.store.read(known_type(type_), id_, access=request.access), type_, id_)
    async with server.journal.reading.connection() as connection:
        _, _, kind = await owned_by(connection, version)
        entry = await entry_of(connection, version.rkey)
        chosen = await latest(connection, version.rkey, Act.VISIBILITY)
    patient = home(version)
    known = await server.store.read("Patient", patient, access=request.access) if patient else None
    hidden = known is not None and known.body is not None and protected(parse_json(known.body))
    resource = parse_json(version.body or b"")
    # What is followed and has no row was loaded: signed and acknowledged where it comes from.
    loaded = not entry.since and (is_signed(type_) or is_acknowledged(resource))
    found = decide(
        kind, seen=entry.seen or loaded, received_us=version.updated_us, today=datetime.now(ZONE).date(),
        chosen=chosen.detail if chosen else None, protected=hidden,
    )  # fmt: skip
    return Response(200, _told(found, kind, chosen))


def _told(found: Visibility, kind: str, chosen: Latest | None) -> bytes:
    return parameters(
        visible__valueBoolean=found.visible,
        not_before__valueDate=found.not_before.isoformat() if found.not_before else None,
        chosen__valueBoolean=found.chosen,
        kind__valueCode=kind,
        chosen_by__valueReference={"reference": chosen.actor} if chosen and chosen.actor.startswith("Prac") else None,
        chosen_at__valueInstant=instant(chosen.at_us) if chosen else None,
        mark__valueReference={"reference": f"Provenance/{chosen.id}"} if chosen else None,
    )


async def visibility(server: Server, request: Request, type_: str, id_: str) -> Response:
    """201 with the Provenance that keeps what was set."""
    asked = await begin(server, request, "visibility", Right.WRITE, type_, id_, "visible", "date", "reason")
    if isinstance(asked, Response):
        return asked
    choice = _choice(asked.values.get("visible"), asked.day("date"))
    reason = asked.text("reason")
    told(request, "visibility", reason)

    async def work(tx: Transaction) -> Version:
        current = living(await tx.current(type_, id_, lock=True), type_, id_)
        request.access.trail.patient = current.patient
        if (session := request.access.session) is not None:
            unit, _, _ = await owned_by(tx.connection, current)
            entry = await entry_of(tx.connection, current.rkey)
            authors = (entry.person, responsible(parse_json(current.body or b"")))
            if session.practitioner not in authors and session.assignment.unit != unit:
                raise Forbidden(
                    "its author or unit decides what the patient sees of it", why="J5: neither author nor unit"
                )
        made, _ = await mark(
            tx, Act.VISIBILITY, current, actor_of(request.access), reason=reason, detail=choice, once=False, whole=True
        )
        await asked.remember(tx, 201, made)
        return made

    return written(request, asked.wishes, await server.journal.run(work, access=request.access), status=201)


def _choice(visible: object, day: date | None) -> str | date:
    """What is asked for: yes, no, or a date."""
    if visible in (YES, NO, True, False) and day is None:
        return YES if visible in (YES, True) else NO
    if visible in (None, "not-before") and day is not None:
        return day
    raise Invalid(
        "visible is none of yes, no and not-before with a date", path="visible",
        help='send {"name":"visible","valueCode":"yes"}, "no", or "not-before" with {"name":"date","valueDate":…}',
        why="J5: no choice",
    )  # fmt: skip
