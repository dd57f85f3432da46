"""Opening what is not open by itself: ``Patient/[id]/$access``, ``$open``, ``$close``, ``$attest-relation`` (A2–A6, A9).

What there is shows in two steps: first that there is something (names only where a choice alone is missing), then, by a second
active choice in an emergency, whose blocked information it is. Each step is an event of its own in the access log.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from vaka.access.decision import What
from vaka.access.limits import (
    ATTESTED_DAYS,
    CHOICE_HOURS,
    EMERGENCY_MAX_HOURS,
    LIFT_MAX_HOURS,
)
from vaka.access.rules import Outcome
from vaka.access.session import Purpose, Right, Session
from vaka.api.arrival import idempotency_key
from vaka.api.asked import ask, parameters, require_right, told
from vaka.api.callers import token_of
from vaka.api.door.cursor import OPENING_KEY
from vaka.api.http import Request, Response, require_json_answer
from vaka.api.interactions.withheld import TOLD_OUTCOMES
from vaka.api.server import Server, accept_resource, check_id, living, new_id
from vaka.errors import Forbidden, Invalid, NotFound
from vaka.store.known import Group
from vaka.store.through import now_us
from vaka.store.version import Version

_IDS: Final = uuid.UUID("7d1f5a52-6a0c-5b0e-9a55-6f3f0d7c1a11")
_HOUR_US: Final = 3_600 * 1_000_000
_NAMES: Final = {
    "unit": What.UNIT, "provider": What.PROVIDER, "emergency": What.EMERGENCY, "inner-block": What.INNER_BLOCK,
    "incapacity": What.INCAPACITY,
}  # fmt: skip
HOURS: Final = {
    What.UNIT: CHOICE_HOURS, What.PROVIDER: CHOICE_HOURS, What.EMERGENCY: EMERGENCY_MAX_HOURS, What.INNER_BLOCK: LIFT_MAX_HOURS,
    What.INCAPACITY: CHOICE_HOURS,
}  # fmt: skip
RIGHTS: Final = {
    What.EMERGENCY: Right.EMERGENCY, What.INNER_BLOCK: Right.LIFT, What.INCAPACITY: Right.CONSENT,
}  # fmt: skip
_ACTIVITIES: Final = {What.EMERGENCY: "emergency", What.INNER_BLOCK: "lift", What.INCAPACITY: "incapacity"}
_REASONED: Final = frozenset(RIGHTS)
_WITHOUT_CONSENT: Final = frozenset({What.EMERGENCY, What.INCAPACITY})
"""S22, S25: why there is no consent is said beside the reason."""


def caring(request: Request) -> Session:
    """The person who asks, in an assignment of care. Forbidden for others."""
    session = request.access.session
    if session is None:
        raise Forbidden("this is for people who are logged in", why="A1: a program opens nothing")
    if session.assignment.purpose is not Purpose.CARE or not session.may(Right.READ):
        raise Forbidden("this assignment is not for care", why=f"A1: purpose {session.assignment.purpose}")
    return session


async def patient_of(server: Server, request: Request, id_: str) -> Version:
    """A patient who is there."""
    check_id(id_)
    version = living(await server.store.read("Patient", id_, access=request.access), "Patient", id_)
    request.access.trail.patient = version.rkey
    return version


async def access(server: Server, request: Request, id_: str) -> Response:
    """What there is about a patient that the caller does not see yet, and which rule stands before it."""
    require_json_answer(request)
    session = caring(request)
    patient = (await patient_of(server, request, id_)).rkey
    blocked = request.option("blocked") == "name"
    standing, found = await server.store.groups(session, request.access.settings, patient)
    if blocked and not standing.opened(What.EMERGENCY):
        raise Forbidden(
            "whose blocked information there is shows in an emergency alone", why="S21: step 2 without an emergency opening",
            help="open in an emergency first ($open, what=emergency)",
        )  # fmt: skip
    told(request, "existence-blocked" if blocked else "existence")
    parts = [_part(rule, groups) for rule, groups in _told(found, name_blocked=blocked)]
    return Response(200, orjson.dumps({"resourceType": "Parameters", "parameter": parts}))


def _told(found: Sequence[Group], *, name_blocked: bool) -> list[tuple[Group, list[Group]]]:
    """(an example of a rule, the groups that may be named under it). Nothing is said of what is denied."""
    by_rule: dict[str, list[Group]] = {}
    for group in found:
        if group.rule.outcome in TOLD_OUTCOMES:
            by_rule.setdefault(group.rule.id, []).append(group)
    told = []
    for groups in by_rule.values():
        rule = groups[0].rule
        named = rule.outcome is Outcome.CHOICE or (name_blocked and rule.id.startswith("A5"))
        told.append((groups[0], groups if named else []))
    return told


def _part(example: Group, groups: Sequence[Group]) -> dict[str, Any]:
    rule = example.rule
    parts: list[dict[str, Any]] = [
        {"name": "rule", "valueCode": rule.id.lower()}, {"name": "outcome", "valueCode": rule.outcome.value},
        {"name": "law", "valueString": rule.law}, {"name": "sv", "valueString": rule.sv}, {"name": "en", "valueString": rule.en},
    ]  # fmt: skip
    places = dict.fromkeys((group.about.unit, group.about.provider) for group in groups)
    for unit, provider in places:
        if provider is not None:
            parts.append({"name": "provider", "valueReference": {"reference": f"Organization/{provider}"}})
        if unit is not None and unit != provider:
            parts.append({"name": "unit", "valueReference": {"reference": f"Organization/{unit}"}})
    return {"name": "information", "part": parts}


async def open_(server: Server, request: Request, id_: str) -> Response:
    """An active choice, an emergency opening, or the lifting of an inner block; ends by itself."""
    session = caring(request)
    given = await ask(server, request, "Patient", id_, "what", "target", "reason", "no-consent", "hours")
    if isinstance(given, Response):
        return given
    what = _NAMES.get(str(given.values.get("what")))
    if what is None:
        raise Invalid(f"what is one of {', '.join(_NAMES)}", path="Parameters.parameter.where(name='what')")
    require_right(request, RIGHTS.get(what, Right.READ))
    if what is What.INCAPACITY and not request.access.settings.incapacity_stands_for_consent:
        raise Forbidden(
            "this region has not settled that incapacity stands for consent", why="S25 (L): the setting is off",
            help="the patient's consent, or in danger an emergency opening",
        )  # fmt: skip
    hours = given.hours(HOURS[what])
    reason = given.reason() if what in _REASONED else ""
    if what in _WITHOUT_CONSENT:
        reason += " | " + given.reason("no-consent")
    target = None if what is What.EMERGENCY else given.reference("target", "Organization")
    patient = await patient_of(server, request, id_)
    opening, until = await keep(server, request, session, patient.rkey, what, target, reason, hours)
    return Response(201, parameters(opening__valueId=str(opening), until__valueInstant=_instant(until)))


async def keep(
    server: Server,
    request: Request,
    session: Session,
    patient: int,
    what: What,
    target: str | None,
    reason: str,
    hours: int,
) -> tuple[uuid.UUID, int]:
    """Opens it for who asks, and logs why: which opening it is, and until when (microseconds UTC)."""
    told(request, _ACTIVITIES.get(what, "open"), reason)
    opening, until = _id(request), now_us() + hours * _HOUR_US
    await server.openings.open(opening, session, patient, what, target, reason, until, token_of(request))
    return opening, until


def _id(request: Request) -> uuid.UUID:
    """The id of the opening that a request makes: of one key always the same, wherever it is sent and however often."""
    key = idempotency_key(request) or request.header(OPENING_KEY)
    return uuid.uuid5(_IDS, f"{request.access.principal}\0{key}") if key else uuid.uuid4()


async def close(server: Server, request: Request, id_: str) -> Response:
    """Ends an opening before its time."""
    session = caring(request)
    given = await ask(server, request, "Patient", id_, "opening")
    if isinstance(given, Response):
        return given
    patient = (await patient_of(server, request, id_)).rkey
    try:
        opening = uuid.UUID(str(given.values.get("opening")))
    except ValueError as error:
        raise Invalid("opening is the id that $open gave", path="Parameters.parameter.where(name='opening')") from error
    told(request, "close")
    if not await server.openings.close(session, patient, opening, token_of(request)):
        raise NotFound("there is no such opening of yours that is in force")
    return Response(204)


async def attest(server: Server, request: Request, id_: str) -> Response:
    """A care relation on a person's word: an EpisodeOfCare of the unit that ends by itself (A2)."""
    session = caring(request)
    given = await ask(server, request, "Patient", id_, "reason")
    if isinstance(given, Response):
        return given
    reason = given.reason()
    await patient_of(server, request, id_)
    now = datetime.now(UTC)
    body = orjson.dumps({
        "resourceType": "EpisodeOfCare", "status": "active", "patient": {"reference": f"Patient/{id_}"},
        "type": [{"coding": [{"system": "urn:x-vaka:relation", "code": "attested"}], "text": reason}],
        "managingOrganization": {"reference": f"Organization/{session.assignment.unit}"},
        "careManager": {"reference": f"Practitioner/{session.practitioner}"},
        "period": {"start": now.isoformat(timespec="seconds"),
                   "end": (now + timedelta(days=ATTESTED_DAYS)).isoformat(timespec="seconds")},
    })  # fmt: skip
    told(request, "attest", reason)
    from vaka.journal.accept import write_of

    write = write_of(accept_resource(body, "EpisodeOfCare"), new_id(), must_be_new=True)
    version = await server.journal.create(write, access=request.access)
    return Response(201, version.body or b"", [("ETag", version.etag)])


def _instant(us: int) -> str:
    return datetime.fromtimestamp(us / 1_000_000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
