"""The five events of a block (A7): registering is a create; lifting for a time, cancelling that, revoking, annulling are here.

Each makes a version of its own, so that all are kept, and says in ``meta.tag`` which event it was. A lift is for the unit that
asks, with the patient's consent, and does not show whose blocks there are (S21).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from vaka.access.facts import facts_of
from vaka.access.limits import LIFT_MAX_HOURS
from vaka.access.session import Right
from vaka.api.asked import ask, parameters, require_right, told
from vaka.api.http import Request, Response, preferences
from vaka.api.interactions.opening import caring
from vaka.api.server import Server, accept_resource, check_id, living, written
from vaka.errors import Conflict
from vaka.fhir import exact
from vaka.journal.accept import write_of
from vaka.journal.arrays import integers
from vaka.journal.journal import Transaction
from vaka.journal.statements import statements
from vaka.store.version import Version

EVENTS: Final = "urn:x-vaka:consent-event"
Change = Callable[[dict[str, Any]], None]


def _changed(version: Version, event: str, change: Change) -> bytes:
    assert version.body is not None
    consent = exact.loads(version.body)
    change(consent)
    meta = dict(consent.get("meta") or {})
    meta["tag"] = [tag for tag in meta.get("tag") or () if tag.get("system") != EVENTS] + [
        {"system": EVENTS, "code": event}
    ]
    consent["meta"] = meta
    return exact.dumps(consent)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


async def end(server: Server, request: Request, id_: str, event: str) -> Response:
    """``$revoke``: it was right, and ends now. ``$annul``: it was a mistake from the beginning."""
    check_id(id_)
    require_right(request, Right.CONSENT)
    given = await ask(server, request, "Consent", id_, "reason")
    if isinstance(given, Response):
        return given
    reason = given.reason()

    def change(consent: dict[str, Any]) -> None:
        if consent.get("status") != "active":
            raise Conflict(f"Consent/{id_} has ended already")
        consent["status"] = "inactive" if event == "revoke" else "entered-in-error"
        if event == "revoke" and consent.get("provision"):
            period = dict(consent["provision"].get("period") or {})
            consent["provision"]["period"] = {**period, "end": _now()}

    async def work(transaction: Transaction) -> Version:
        current = living(await transaction.current("Consent", id_, lock=True), "Consent", id_)
        write = write_of(accept_resource(_changed(current, event, change), "Consent"), id_)
        made = (await transaction.write([write]))[0]
        assert made is not None
        return made

    told(request, event, reason)
    version = await server.journal.run(work, access=request.access)
    return written(request, preferences(request), version, status=200)


async def lift(server: Server, request: Request, id_: str, event: str) -> Response:
    """``Patient/[id]/$lift`` and ``$cancel-lift``: blocks of others, for the own unit, with the patient's consent."""
    check_id(id_)
    session = caring(request)
    require_right(request, Right.CONSENT)
    given = await ask(server, request, "Patient", id_, "reason", "hours")
    if isinstance(given, Response):
        return given
    reason, hours = given.reason(), given.hours(LIFT_MAX_HOURS)
    patient = living(await server.store.read("Patient", id_, access=request.access), "Patient", id_)
    unit = f"Organization/{session.assignment.unit}"
    until = (datetime.now(UTC) + timedelta(hours=hours)).isoformat(timespec="seconds")

    def change(consent: dict[str, Any]) -> None:
        provision = consent["provision"]
        inside = [one for one in provision.get("provision") or () if not _is_for(one, unit)]
        if event == "lift":
            inside.append({
                "type": "permit", "period": {"start": _now(), "end": until},
                "actor": [{"role": {"text": "care unit"}, "reference": {"reference": unit}}],
            })  # fmt: skip
        provision.pop("provision", None)
        if inside:
            provision["provision"] = inside

    async def work(transaction: Transaction) -> None:
        keys = {"keys": integers([patient.rkey])}
        rows = await (await transaction.connection.execute(statements("access")["blocks_of"], keys)).fetchall()
        writes = []
        for name, _ in rows:
            version = await transaction.standing("Consent", name, reason="blocks")
            if version is not None and not version.deleted and facts_of(exact.loads(version.body or b"{}")).blocks:
                writes.append(write_of(accept_resource(_changed(version, event, change), "Consent"), name))
        if writes:
            await transaction.amend(writes)

    told(request, event, reason)
    request.access.trail.patient = patient.rkey
    await server.journal.run(work, access=request.access)
    return Response(200, parameters(until__valueDateTime=until if event == "lift" else None))


def _is_for(provision: dict[str, Any], unit: str) -> bool:
    return any((actor.get("reference") or {}).get("reference") == unit for actor in provision.get("actor") or ())
