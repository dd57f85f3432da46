"""create, and conditional create. https://hl7.org/fhir/R4/http.html#create, #ccreate."""

from __future__ import annotations

from vaka.api.arrival import arrive
from vaka.api.http import Request, Response
from vaka.api.interactions.conditions import condition, the_match
from vaka.api.server import (
    Server,
    accept_resource,
    require_references,
    written,
)
from vaka.journal.accept import write_of
from vaka.journal.journal import Transaction
from vaka.store.version import Version


async def create(server: Server, request: Request, type_: str) -> Response:
    """201; 200 where If-None-Exist found the one that exists; PreconditionFailed where it found several."""
    arrival = await arrive(server, request, type_)
    if isinstance(arrival, Response):
        return arrival
    wishes = arrival.wishes
    parsed = accept_resource(arrival.body, type_)
    write = write_of(parsed, arrival.keyed.new_id(request), must_be_new=True)
    if_none_exist = request.header("if-none-exist")
    if arrival.keyed.key is None and if_none_exist is None and not wishes.strict:
        return written(request, wishes, await server.journal.create(write, access=request.access))
    query = (
        condition(server.journal, type_, if_none_exist.lstrip("?"), request.base_url)
        if if_none_exist is not None
        else None
    )

    async def work(transaction: Transaction) -> tuple[int, Version]:
        if (
            query is not None
            and (existing := await the_match(transaction, query, writing=parsed.resource, creating=True)) is not None
        ):
            found = await transaction.current(type_, existing)
            assert found is not None
            status, version = 200, found
        else:
            if wishes.strict:
                await require_references(transaction, [write])
            made = (await transaction.write([write]))[0]
            assert made is not None
            status, version = 201, made
        await arrival.remember(transaction, status, version.seq)
        return status, version

    status, version = await server.journal.run(work, access=request.access)
    return written(request, wishes, version, status=status)
