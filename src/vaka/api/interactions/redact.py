"""$redact: the content of a resource goes, in every version, on an authority's decision (S26; PDL 8 kap. 4 §).

Only a person with that right can do this over HTTP; the command ``vaka redact`` does the same. The hashes and the feed's
events stay.
"""

from __future__ import annotations

from vaka.access.marks import actor_of
from vaka.access.session import Right
from vaka.api.asked import begin, told
from vaka.api.http import Request, Response
from vaka.api.server import Server, written
from vaka.errors import NotFound, Unavailable
from vaka.journal.journal import Transaction
from vaka.journal.redacting import Decision
from vaka.journal.redacting import redact as take_out
from vaka.store.version import Version


async def redact(server: Server, request: Request, type_: str, id_: str) -> Response:
    """201 with the Provenance that names ``decision`` and ``authority``; 200 where it had been done before."""
    asked = await begin(server, request, "redact", Right.REDACT, type_, id_, "decision", "authority", programs=False)
    if isinstance(asked, Response):
        return asked
    decision = Decision(asked.words("decision"), asked.words("authority"))
    told(request, "redact", decision.words)
    listed = server.redactions
    if listed is None:
        raise Unavailable("there is no list of redactions here")

    async def work(tx: Transaction) -> tuple[Version, bool]:
        current = await tx.current(type_, id_, lock=True)
        if current is None:
            raise NotFound(f"{type_}/{id_} does not exist", why="S26: no such resource, or hidden")
        request.access.trail.patient = current.patient
        made = await take_out(tx, type_, id_, decision, actor_of(request.access), listed)
        await asked.remember(tx, 201 if made[1] else 200, made[0])
        return made

    version, new = await server.journal.run(work, access=request.access)
    return written(request, asked.wishes, version, status=201 if new else 200)
