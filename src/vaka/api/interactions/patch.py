"""patch by JSON Patch, and conditional patch. https://hl7.org/fhir/R4/http.html#patch, RFC 6902."""

from __future__ import annotations

from vaka.api.arrival import arrive
from vaka.api.http import Request, Response
from vaka.api.interactions.conditions import condition_of, the_match
from vaka.api.server import (
    Server,
    accept_resource,
    if_match,
    living,
    require_references,
    require_version,
    written,
)
from vaka.errors import NotFound
from vaka.fhir.media import JSON_PATCH
from vaka.fhir.patch import apply_patch, parse_patch
from vaka.journal.accept import write_of
from vaka.journal.journal import Transaction
from vaka.store.version import Version


async def patch(server: Server, request: Request, type_: str, id_: str | None) -> Response:
    """200. ``id_`` None: the query string says which resource. Unprocessable where the patch does not fit."""
    arrival = await arrive(server, request, type_, JSON_PATCH)
    if isinstance(arrival, Response):
        return arrival
    wishes, body = arrival.wishes, arrival.body
    parse_patch(body)
    query = condition_of(server, request, type_) if id_ is None else None
    expected = if_match(request.header("if-match"))

    async def work(transaction: Transaction) -> Version:
        target = id_ if query is None else await the_match(transaction, query)
        if target is None:
            raise NotFound(f"the condition matches no {type_}")
        current = living(await transaction.current(type_, target, lock=True), type_, target)
        require_version(current, expected)
        assert current.body is not None
        write = write_of(accept_resource(apply_patch(current.body, body), type_), target)
        if wishes.strict:
            await require_references(transaction, [write])
        version = (await transaction.write([write]))[0]
        assert version is not None
        await arrival.remember(transaction, 200, version.seq)
        return version

    return written(request, wishes, await server.journal.run(work, access=request.access), status=200)
