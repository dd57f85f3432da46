"""$sign and $countersign: a person answers for the version that stands (J1; PDL 3 kap. 10 §).

A signature is a fact: one for each person and version, however often it is sent. It changes nothing of the entry; from then
on the entry changes by $correct alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from vaka.access.law import Act, is_signed
from vaka.access.marks import Actor, actor_of
from vaka.access.session import Right
from vaka.api.asked import begin, told
from vaka.api.http import Request, Response
from vaka.api.server import Server, living, written
from vaka.errors import Conflict, NotAllowed
from vaka.fhir.entries import in_error
from vaka.fhir.parse import parse_json
from vaka.journal.journal import Transaction
from vaka.journal.marks import actors, entry_of, mark
from vaka.store.version import Version

Check: TypeAlias = Callable[[Transaction, Version, Actor], Awaitable[None]]
"""Conflict where the mark cannot be made on what stands."""


async def sign(server: Server, request: Request, type_: str, id_: str) -> Response:
    """201 with the Provenance; 200 where this person had signed this version before."""
    return await marked(server, request, type_, id_, Act.SIGN, _right)


async def countersign(server: Server, request: Request, type_: str, id_: str) -> Response:
    """As ``sign``, by another person than who signed. Conflict where nobody has."""
    return await marked(server, request, type_, id_, Act.COUNTERSIGN, _signed_by_another)


async def marked(server: Server, request: Request, type_: str, id_: str, act: Act, check: Check) -> Response:
    """The mark ``act`` of who may sign on the version that was seen of an entry that is signed."""
    activity = act.name.lower()
    asked = await begin(server, request, activity, Right.SIGN, type_, id_, "reason")
    if isinstance(asked, Response):
        return asked
    require_signed_type(type_)
    reason = asked.text("reason")
    told(request, activity, reason)
    actor = actor_of(request.access)

    async def work(tx: Transaction) -> tuple[Version, bool]:
        current = living(await tx.current(type_, id_, lock=True), type_, id_)
        request.access.trail.patient = current.patient
        asked.require_seen(current)
        await check(tx, current, actor)
        made = await mark(tx, act, current, actor, reason=reason)
        await asked.remember(tx, 201 if made[1] else 200, made[0])
        return made

    version, new = await server.journal.run(work, access=request.access)
    return written(request, asked.wishes, version, status=201 if new else 200)


async def _right(_: Transaction, current: Version, __: Actor) -> None:
    if in_error(parse_json(current.body or b"")):
        name = f"{current.type}/{current.id}"
        raise Conflict(f"{name} was entered in error: there is nothing to sign", why="J1: sign in error")


async def _signed_by_another(tx: Transaction, current: Version, actor: Actor) -> None:
    await _right(tx, current, actor)
    entry = await entry_of(tx.connection, current.rkey)
    signers = await actors(tx.connection, current.rkey, Act.SIGN)
    if entry.signed_us is None:
        raise Conflict(
            f"{current.type}/{current.id} is not signed",
            help="who answers for it signs first, with $sign",
            why="J1: not signed",
        )
    if signers == [actor.key]:
        raise Conflict("another person than who signed it countersigns", why="J1: countersign of one's own")


def require_signed_type(type_: str) -> None:
    """NotAllowed for what is no signed entry."""
    if not is_signed(type_):
        raise NotAllowed(
            f"{type_} is no entry that is signed",
            help="results are acknowledged, with $acknowledge"
            if type_ in ("DiagnosticReport", "Observation")
            else None,
            why="J1: a type that is not signed",
        )
