"""$annul: an entry was entered in error. $misfiled: it was entered on the wrong patient (S5).

Nothing is taken away: the wrong entry gets a version that says so, the right patient gets it as a new entry, unsigned, and a
mark on each names the other. A locked entry can be annulled too (J1). References to other things of the wrong patient are
for its author to look at.
"""

from __future__ import annotations

from vaka.access.law import Act
from vaka.access.marks import actor_of
from vaka.access.session import Right
from vaka.api.asked import Asked, begin, told
from vaka.api.http import Request, Response
from vaka.api.server import Server, accept_resource, living, new_id, written
from vaka.errors import Conflict, Invalid, NotAllowed, Unprocessable
from vaka.fhir import exact
from vaka.fhir.entries import ANNULLABLE, annulled, in_error, moved
from vaka.journal.accept import write_of
from vaka.journal.journal import Transaction
from vaka.journal.marks import Owned, address, home, mark, owned_by
from vaka.store.version import Version


async def annul(server: Server, request: Request, type_: str, id_: str) -> Response:
    """200 with the version that says that it was entered in error."""
    asked = await begin(server, request, "annul", Right.WRITE, type_, id_, "reason")
    if isinstance(asked, Response):
        return asked
    _require_annullable(type_)
    reason = asked.words("reason")
    told(request, "annul", reason)

    async def work(tx: Transaction) -> Version:
        current, owned = await _found(tx, request, asked, type_, id_)
        made = await _annulled(tx, current, owned, Act.ANNUL)
        await mark(
            tx, Act.ANNUL, made, actor_of(request.access), reason=reason, entities=[("revision", address(current))]
        )
        await asked.remember(tx, 200, made)
        return made

    return written(request, asked.wishes, await server.journal.run(work, access=request.access), status=200)


async def misfiled(server: Server, request: Request, type_: str, id_: str) -> Response:
    """201 with the entry on the right patient. ``patient``, ``reason``, and ``encounter`` of the right patient where there
    is one."""
    asked = await begin(server, request, "misfiled", Right.WRITE, type_, id_, "patient", "encounter", "reason")
    if isinstance(asked, Response):
        return asked
    _require_annullable(type_)
    reason = asked.words("reason")
    patient, encounter = asked.reference("patient", "Patient"), asked.optional_reference("encounter", "Encounter")
    told(request, "misfiled", reason)
    actor, fresh = actor_of(request.access), new_id()

    async def work(tx: Transaction) -> Version:
        current, owned = await _found(tx, request, asked, type_, id_)
        if home(current) in (None, patient):
            raise Invalid(
                f"{type_}/{id_} is Patient/{patient}'s already" if home(current) else f"{type_}/{id_} is no patient's",
                path="patient", why="S5: misfiled to its own patient",
            )  # fmt: skip
        living(await tx.current("Patient", patient), "Patient", patient)
        if encounter is not None:
            visit = living(await tx.current("Encounter", encounter), "Encounter", encounter)
            if home(visit) != patient:
                raise Unprocessable(
                    f"Encounter/{encounter} is not of Patient/{patient}",
                    path="encounter",
                    why="S5: another's encounter",
                )
        right = accept_resource(exact.dumps(moved(exact.loads(current.body or b""), patient, encounter)), type_)
        wrong = await _annulled(tx, current, owned, Act.MISFILED)
        entered = (await tx.write([write_of(right, fresh, must_be_new=True, act=Act.REFILED, owned=owned)]))[0]
        assert entered is not None
        await mark(tx, Act.MISFILED, wrong, actor, reason=reason, entities=[("derivation", address(entered))])
        await mark(tx, Act.REFILED, entered, actor, reason=reason, entities=[("source", address(current))])
        await asked.remember(tx, 201, entered)
        return entered

    return written(request, asked.wishes, await server.journal.run(work, access=request.access), status=201)


def _require_annullable(type_: str) -> None:
    if type_ not in ANNULLABLE:
        raise NotAllowed(f"a {type_} cannot say that it was entered in error", why="S5: no status for it")


async def _found(tx: Transaction, request: Request, asked: Asked, type_: str, id_: str) -> tuple[Version, Owned]:
    """The entry as it stands, locked, and its owner. Conflict where it is annulled already."""
    current = living(await tx.current(type_, id_, lock=True), type_, id_)
    request.access.trail.patient = current.patient
    asked.require_seen(current)
    if in_error(exact.loads(current.body or b"")):
        raise Conflict(f"{type_}/{id_} was entered in error already", why="S5: annulled already")
    return current, await owned_by(tx.connection, current)


async def _annulled(tx: Transaction, current: Version, owned: Owned, act: Act) -> Version:
    parsed = accept_resource(exact.dumps(annulled(exact.loads(current.body or b""))), current.type)
    made = (await tx.write([write_of(parsed, current.id, act=act, owned=owned)]))[0]
    assert made is not None
    return made
