"""delete, and conditional delete of one. https://hl7.org/fhir/R4/http.html#delete, #3.1.0.7.1.

Every version stays and can be shown (PDL): a deletion is a version too.
"""

from __future__ import annotations

from vaka.api.arrival import keyed, replayed
from vaka.api.http import Preferences, Request, Response
from vaka.api.interactions.conditions import condition_of, the_match
from vaka.api.server import (
    Server,
    check_id,
    if_match,
    known_type,
)
from vaka.journal.journal import Transaction
from vaka.journal.write import Write
from vaka.store.version import Version


async def delete(server: Server, request: Request, type_: str, id_: str | None) -> Response:
    """204, also where nothing was left to delete."""
    known_type(type_)
    key = keyed(request, b"")
    if (before := await key.recalled(server, request)) is not None:
        return await replayed(server, request, Preferences(), before)
    query = condition_of(server, request, type_) if id_ is None else None
    if id_ is not None:
        check_id(id_)
    expected = if_match(request.header("if-match"))

    async def work(transaction: Transaction) -> Version | None:
        target = id_ if query is None else await the_match(transaction, query)
        version = None
        if target is not None:
            version = (await transaction.write([Write(type_, target, if_match=expected)]))[0]
        await key.remember(transaction, (204, version.seq if version else None, None))
        return version

    version = await server.journal.run(work, access=request.access)
    return Response(204, headers=[("ETag", version.etag)] if version else [])
