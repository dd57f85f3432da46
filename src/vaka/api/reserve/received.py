"""POST /reserve on the journal: one entry of a copy's reserve, carried out once (traps: In doubt, Idempotency).

The copy comes with its own token (scope ``reserve``), the entry with its author's signed session. The answer says what has
become of the
entry: ``done``, with the versions that it made; ``task``, where it might have overwritten something; ``refused``, with the
reason. An error
of HTTP says that nothing is known of it, and that it is to be sent again: with the same key it is done once, and answered
as before."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import orjson

from vaka import config, log
from vaka.access.filter import AccessFilter
from vaka.api.accesses import activity_of
from vaka.api.arrival import keyed
from vaka.api.http import Request, Response
from vaka.api.reserve.author import author_of
from vaka.api.reserve.giving_back import give_back
from vaka.api.reserve.handed import Handing, Meanwhile, leave_task
from vaka.api.reserve.late import caught_up
from vaka.api.reserve.of_copies import require_copy
from vaka.api.reserve.outcome import AS_TASK, outcome, refused
from vaka.api.reserve.tasks import Finding, Why
from vaka.api.routes import dispatch
from vaka.api.server import Server
from vaka.copy.reserve.entry import LOST, Entry, from_wire
from vaka.errors import Busy, Conflict, Fault, Gone, Invalid, NotAllowed, VakaError
from vaka.journal.journal import Remembered, Transaction
from vaka.journal.reserve import copy_number, is_known_as


async def receive(server: Server, request: Request) -> Response:
    """200 with what has become of the entry; an error where that is not known."""
    require_copy(request)
    match (request.method, *request.path):
        case ("POST", "reserve"):
            return _told(await _carried_out(server, request, from_wire(await request.body())))
        case ("POST", "reserve", "number"):
            asked = orjson.loads(await request.body())
            copy = asked.get("copy") if isinstance(asked, Mapping) else None
            if not isinstance(copy, str) or not 0 < len(copy) <= 64:
                raise Invalid('send {"copy": ID}')
            return _told({"number": await copy_number(server.journal, copy)})
    raise NotAllowed("entries are handed over by POST to /reserve")


async def _carried_out(server: Server, request: Request, entry: Entry) -> dict[str, Any]:
    copy, trail = request.access.principal, request.access.trail
    if entry.method == LOST:
        return await give_back(server, request, entry)
    if entry.recorded_us < (time.time() - config.RESERVE_ENTRY_MAX_DAYS * 86_400) * 1e6:
        return refused(
            Invalid(
                f"the entry is over {config.RESERVE_ENTRY_MAX_DAYS} days old: whether it was done once cannot be known any more",
                help="look whether the record has it, and enter it anew if not",
            )
        )
    try:
        access = await author_of(server, entry)
    except Busy:
        raise
    except VakaError as error:
        trail.activity, trail.reason = "reserve", f"of {entry.principal}, refused"
        log.warning("reserve entry refused", copy=copy, entry=entry.id, why=error.why or error.message)
        return refused(error)
    access.trail = trail
    inner = _inner(request, entry, access)
    request.access = access  # what follows is the author's, in the access log too
    trail.activity = activity_of(entry.method, ("fhir", *inner.path))
    trail.reason = f"written during a stop at {entry.site}, handed over by {copy}"
    before = await _before(server, inner, entry)
    if before is not None:
        return await _completed(server, entry, access, before)
    try:
        await dispatch(replace(server, home=Handing(server.journal, entry)), inner)
    except Busy:
        raise
    except (Conflict, Gone) as error:
        # Somebody else may have carried it out at this moment; else it meets what has changed.
        return await _before(server, inner, entry) or await _as_task(server, inner, entry, error)
    except Fault:
        raise
    except VakaError as error:
        return refused(error)
    done = await _before(server, inner, entry)
    if done is None:
        raise Fault(f"a {entry.method} from a reserve left no trace of its key")
    await _name(server, entry, access, done)
    return done


async def _name(server: Server, entry: Entry, access: AccessFilter, done: Mapping[str, Any]) -> None:
    """A patient whom a condition found here is found by the id too that the copy has told for whom it would create."""
    made = done.get("made", ())
    if len(made) != len(entry.parts):
        return
    found = {
        part.id: one["name"].removeprefix("Patient/")
        for part, one in zip(entry.parts, made, strict=True)
        if part.type == "Patient" and one["name"].startswith("Patient/") and one["name"] != part.name
    }
    if not found:
        return

    async def work(tx: Transaction) -> list[bool]:
        return [await is_known_as(tx, given, patient) for given, patient in found.items()]

    if any(await server.journal.run(work, access=access)):
        await server.journal.read_aliases()


async def _completed(server: Server, entry: Entry, access: AccessFilter, before: dict[str, Any]) -> dict[str, Any]:
    """What was done ``before``; of a first try that the journal has carried out by itself, as any other entry of the stop."""
    if before["outcome"] != "done":
        return before
    await _name(server, entry, access, before)
    return await caught_up(server, entry, access, before)


def _inner(request: Request, entry: Entry, access: AccessFilter) -> Request:
    """The request as its author made it."""
    headers = {name.lower(): value for name, value in entry.headers.items()}
    headers = {k: v for k, v in headers.items() if k in _HEADERS} | {"idempotency-key": entry.key}
    path = tuple(part for part in entry.path.split("/") if part)
    return Request(
        entry.method, path, list(entry.query), headers, request.base_url, entry.body, access, request.source
    )  # fmt: skip


_HEADERS = frozenset({"content-type", "prefer", "if-match", "if-none-match", "if-none-exist"})


async def _before(server: Server, inner: Request, entry: Entry) -> dict[str, Any] | None:
    """What an earlier try of this entry, or the first try itself, did; None if nothing is known."""
    found = await server.journal.recall(entry.key, access=inner.access)
    if found is None:
        return None
    if found.request_hash != keyed(inner, entry.body).digest:
        return refused(Invalid("this entry's key was used for another request"))
    return await outcome(server, found.parts)


async def _as_task(server: Server, inner: Request, entry: Entry, error: VakaError) -> dict[str, Any]:
    """Leaves what may conflict to a person, once."""
    finding = error.finding if isinstance(error, Meanwhile) else _changed(server, entry)
    digest = keyed(inner, entry.body).digest

    async def work(tx: Transaction) -> None:
        made = await leave_task(tx, entry, finding, 0, body=_readable(entry))
        await tx.remember(entry.key, Remembered(digest, ((AS_TASK, made.seq, None),)))

    try:
        await server.journal.run(work, access=inner.access)
    except Conflict:
        if (before := await _before(server, inner, entry)) is None:
            raise
        return before
    done = await _before(server, inner, entry)
    assert done is not None
    return {**done, "message": error.message}


def _changed(server: Server, entry: Entry) -> Finding:
    changed = next((part for part in entry.parts if part.base is not None), entry.parts[0] if entry.parts else None)
    if changed is None:
        return Finding(Why.CHANGED, None)
    patient = server.journal.resolve(changed.patient) if changed.patient is not None else None
    focus = changed.name if changed.base is not None else None
    return Finding(Why.CHANGED, patient, focus, (focus,) if focus else ())


def _readable(entry: Entry) -> bytes:
    """What was entered, for the Task: the body as sent, or what was asked for where there is none."""
    asked = urlencode(entry.query)
    return entry.body or orjson.dumps({"method": entry.method, "path": entry.path, "query": asked})


def _told(answer: Mapping[str, Any]) -> Response:
    return Response(200, orjson.dumps(answer), content_type="application/json")
