"""$correct: the only way in which a signed entry changes (J1; PDL 3 kap. 14 §): with author, time and reason.

The new resource becomes the next version, unsigned; the one before stays readable with its signatures; the Provenance names both.
"""

from __future__ import annotations

from vaka.access.law import Act
from vaka.access.marks import actor_of
from vaka.access.session import Right
from vaka.api.asked import begin, told
from vaka.api.http import Request, Response
from vaka.api.interactions.sign import require_signed_type
from vaka.api.server import Server, accept_resource, living, written
from vaka.errors import Conflict, Invalid
from vaka.fhir.entries import in_error
from vaka.journal.accept import write_of
from vaka.journal.journal import Transaction
from vaka.journal.marks import address, home, mark, owned_by
from vaka.store.version import Version


async def correct(server: Server, request: Request, type_: str, id_: str) -> Response:
    """200 with the new version of the entry."""
    asked = await begin(server, request, "correct", Right.WRITE, type_, id_, "resource", "reason")
    if isinstance(asked, Response):
        return asked
    require_signed_type(type_)
    reason = asked.words("reason")
    told(request, "correct", reason)
    sent = asked.resource()
    if sent is None:
        raise Invalid("the parameter resource is missing", path="Parameters.parameter", why="J1: no resource")
    parsed = accept_resource(sent, type_)
    if parsed.id not in (None, id_):
        raise Invalid(
            f"the resource's id is {parsed.id}, the address says {id_}", path=f"{type_}.id", why="S5: other id"
        )
    if in_error(parsed.resource):
        raise Conflict(
            "a correction does not annul", help=f"POST {type_}/{id_}/$annul with a reason", why="J1: annul by correct"
        )
    actor = actor_of(request.access)

    async def work(tx: Transaction) -> Version:
        current = living(await tx.current(type_, id_, lock=True), type_, id_)
        request.access.trail.patient = current.patient
        asked.require_seen(current)
        write = write_of(parsed, id_, act=Act.CORRECT, owned=await owned_by(tx.connection, current))
        if write.patient != home(current):
            raise Conflict(
                "a correction does not move an entry to another patient",
                help=f"POST {type_}/{id_}/$misfiled annuls it here and enters it there", why="S5: correct to another patient",
            )  # fmt: skip
        made = (await tx.write([write]))[0]
        assert made is not None
        await mark(tx, Act.CORRECT, made, actor, reason=reason, entities=[("revision", address(current))])
        await asked.remember(tx, 200, made)
        return made

    return written(request, asked.wishes, await server.journal.run(work, access=request.access), status=200)
