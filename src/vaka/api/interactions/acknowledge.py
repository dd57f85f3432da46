"""$acknowledge: a person has received, read or acted on the version of a result that stands (J2, S17).

Three steps, three facts. One binds a person and a version: two persons are two facts, a corrected result is open again, and
one that names an older version than the current leaves the current open and is kept as what it says.
"""

from __future__ import annotations

from vaka.access.law import ACKNOWLEDGING, is_acknowledged
from vaka.access.marks import actor_of
from vaka.access.session import Right
from vaka.api.asked import begin, told
from vaka.api.http import Request, Response
from vaka.api.server import Server, living, written
from vaka.errors import Invalid, NotAllowed, NotFound
from vaka.fhir.parse import parse_json
from vaka.journal.journal import Transaction
from vaka.journal.marks import mark
from vaka.store.version import Version


async def acknowledge(server: Server, request: Request, type_: str, id_: str) -> Response:
    """201 with the Provenance; 200 where this person had done this step before."""
    asked = await begin(server, request, "acknowledge", Right.SIGN, type_, id_, "step", "reason")
    if isinstance(asked, Response):
        return asked
    step = asked.values.get("step")
    act = ACKNOWLEDGING.get(str(step))
    if act is None:
        raise Invalid(
            f"step is {str(step)[:40]}" if step is not None else "the parameter step is missing",
            help=f"send one of {', '.join(ACKNOWLEDGING)} as valueCode", path="step", why="J2: no step",
        )  # fmt: skip
    reason = asked.text("reason")
    told(request, "acknowledge", reason or str(step))

    async def work(tx: Transaction) -> tuple[Version, bool]:
        current = living(await tx.current(type_, id_, lock=True), type_, id_)
        request.access.trail.patient = current.patient
        if not is_acknowledged(parse_json(current.body or b"")):
            raise NotAllowed(
                f"{type_}/{id_} is no result",
                help="reports, and observations of the category laboratory, are acknowledged; entries are signed with $sign",
                why="J2: not a result",
            )
        if asked.expected is None:
            asked.require_seen(current)
        target = current
        if asked.expected != (current.version, current.epoch):
            # S17: of an older version it is a fact about that one; a version that never was is refused.
            assert asked.expected is not None
            older = await tx.version(type_, id_, *asked.expected)
            if older is None:
                raise NotFound(f"{type_}/{id_} has no such version", why="S17: no such version")
            target = living(older, type_, id_)
        made = await mark(tx, act, target, actor_of(request.access), reason=reason)
        await asked.remember(tx, 201 if made[1] else 200, made[0])
        return made

    version, new = await server.journal.run(work, access=request.access)
    return written(request, asked.wishes, version, status=201 if new else 200)
