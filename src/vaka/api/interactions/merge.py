"""$merge and $unmerge of two patients, and $link of two numbers (S23).

One person proposes a merge (202), another confirms it with the same request (200): two persons, each with the right, each
with a reason; a program may propose. Taking apart needs one, since it gives every entry back at its origin. An old and a new
protected identity are never linked.
"""

from __future__ import annotations

from dataclasses import dataclass

from vaka.access.law import Act
from vaka.access.marks import actor_of
from vaka.access.merging import linked, may_not_be_linked
from vaka.access.session import Right
from vaka.api.asked import Asked, begin, told
from vaka.api.http import Preferences, Request, Response
from vaka.api.server import Server, accept_resource, written
from vaka.errors import Conflict, Forbidden, Invalid
from vaka.fhir import exact
from vaka.journal.accept import write_of
from vaka.journal.journal import Transaction
from vaka.journal.marks import address, mark, owned_by
from vaka.journal.merging import both, gather, proposal, settle
from vaka.journal.merging import merge as carry_out
from vaka.journal.merging import unmerge as take_apart
from vaka.store.version import Version


async def merge(server: Server, request: Request) -> Response:
    """202 with the proposal, or 200 with the Provenance of the merge. ``source`` goes on in ``target``."""
    asked = await _asked(server, request, "merge", "source", "target")
    if isinstance(asked, Response):
        return asked
    source, target, reason = asked.one, asked.other, asked.reason
    actor = actor_of(request.access)

    async def work(tx: Transaction) -> tuple[Version, int]:
        gone, goes_on = await both(tx, source, target)
        request.access.trail.patient = goes_on.patient
        _require_linkable(gone, goes_on)
        proposed = await proposal(tx, gone, goes_on)
        if proposed is None:
            made, _ = await mark(
                tx, Act.PROPOSE, gone, actor, also=[address(goes_on)], reason=reason, patient=goes_on.id, once=False
            )
            status = 202
        elif proposed[1] == actor.key:
            made, status = proposed[0], 202
        elif request.access.session is None:
            raise Forbidden("a person confirms a merge", why="S23: a program would confirm")
        else:
            made, status = await carry_out(tx, gone, goes_on, actor, reason, proposed[0]), 200
        await asked.remember(tx, status, made)
        return made, status

    version, status = await server.journal.run(work, access=request.access)
    if status == 200:
        await server.journal.read_aliases()
        await gather(server.journal)  # what was being written meanwhile
    return written(request, asked.wishes, version, status=status)


async def unmerge(server: Server, request: Request) -> Response:
    """200 with the Provenance. Conflict where ``source`` was not merged into ``target``."""
    asked = await _asked(server, request, "unmerge", "source", "target")
    if isinstance(asked, Response):
        return asked
    source, target, reason = asked.one, asked.other, asked.reason

    async def work(tx: Transaction) -> Version:
        made = await take_apart(tx, source, target, actor_of(request.access), reason)
        request.access.trail.patient = made.patient
        await asked.remember(tx, 200, made)
        return made

    version = await server.journal.run(work, access=request.access)
    await server.journal.read_aliases()
    await settle(server.journal, target)  # what was being written meanwhile
    return written(request, asked.wishes, version, status=200)


async def link(server: Server, request: Request) -> Response:
    """201 with the Provenance: the two numbers are one person's, each record goes on by itself (``Patient.link`` seealso;
    S18)."""
    asked = await _asked(server, request, "link", "patient", "other")
    if isinstance(asked, Response):
        return asked
    patient, other, reason = asked.one, asked.other, asked.reason

    async def work(tx: Transaction) -> Version:
        pair = await both(tx, patient, other)
        request.access.trail.patient = pair[0].patient
        _require_linkable(*pair)
        made = []
        for one, its_other in (pair, pair[::-1]):
            parsed = accept_resource(
                exact.dumps(linked(exact.loads(one.body or b""), its_other.id, "seealso")), "Patient"
            )
            owned = await owned_by(tx.connection, one)
            version = (await tx.write([write_of(parsed, one.id, act=Act.LINK, owned=owned)]))[0]
            assert version is not None
            made.append(version)
        told_of, _ = await mark(tx, Act.LINK, made[0], actor_of(request.access), also=[address(made[1])], reason=reason)
        await asked.remember(tx, 201, told_of)
        return told_of

    return written(request, asked.wishes, await server.journal.run(work, access=request.access), status=201)


@dataclass(frozen=True, slots=True)
class _Pair:
    """What one of these operations was asked with: the ids of two Patients, and why."""

    one: str
    other: str
    reason: str
    wishes: Preferences
    keyed: Asked

    async def remember(self, tx: Transaction, status: int, version: Version) -> None:
        await self.keyed.remember(tx, status, version)


async def _asked(server: Server, request: Request, activity: str, first: str, second: str) -> _Pair | Response:
    """The parameters of one of these operations. Invalid where the two Patients are one."""
    asked = await begin(server, request, activity, Right.IDENTITY, "Patient", None, first, second, "reason")
    if isinstance(asked, Response):
        return asked
    told(request, activity, asked.text("reason"))
    one, other = asked.reference(first, "Patient"), asked.reference(second, "Patient")
    if one == other:
        raise Invalid(f"{first} and {second} are one and the same", path=second, why="S23: a patient with itself")
    return _Pair(one, other, asked.words("reason"), asked.wishes, asked)


def _require_linkable(one: Version, other: Version) -> None:
    if may_not_be_linked(exact.loads(one.body or b""), exact.loads(other.body or b"")):
        raise Conflict("these two records may not be linked", why="S23: an old and a new protected identity")
