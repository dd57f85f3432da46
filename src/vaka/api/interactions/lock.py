"""$lock: from now on only annulment and redaction change the entry (J1). A signed entry locks by itself after
``config.LOCK_AFTER_SIGNING_DAYS``."""

from __future__ import annotations

from vaka.access.law import Act
from vaka.access.marks import actor_of
from vaka.access.session import Right
from vaka.api.asked import ask, require_right, told
from vaka.api.http import Request, Response
from vaka.api.interactions.sign import require_signed_type
from vaka.api.server import Server, living, written
from vaka.errors import Conflict
from vaka.journal.journal import Transaction
from vaka.journal.marks import entry_of, mark
from vaka.journal.version import Version


async def lock(server: Server, request: Request, type_: str, id_: str) -> Response:
    """201 with the Provenance; 200 where this person had locked it before. Conflict where it is not signed."""
    told(request, "lock")
    require_right(request, Right.SIGN)
    asked = await ask(server, request, type_, id_, "reason")
    if isinstance(asked, Response):
        return asked
    require_signed_type(type_)
    reason = asked.text("reason")
    told(request, "lock", reason)

    async def work(tx: Transaction) -> tuple[Version, bool]:
        current = living(await tx.current(type_, id_, lock=True), type_, id_)
        request.access.trail.patient = current.patient
        asked.require_seen(current)
        if (await entry_of(tx.connection, current.rkey)).signed_us is None:
            raise Conflict(f"{type_}/{id_} is not signed", help="sign it first, with $sign", why="J1: lock, not signed")
        made = await mark(tx, Act.LOCK, current, actor_of(request.access), reason=reason)
        await asked.remember(tx, 201 if made[1] else 200, made[0])
        return made

    version, new = await server.journal.run(work, access=request.access)
    return written(request, asked.wishes, version, status=201 if new else 200)
