"""update, update-as-create and conditional update. https://hl7.org/fhir/R4/http.html#update, #cond-update."""

from __future__ import annotations

from vaka.api.arrival import arrive
from vaka.api.http import Request, Response
from vaka.api.interactions.conditions import condition_of, require_unused, the_match
from vaka.api.server import (
    Server,
    accept_resource,
    check_id,
    if_match,
    require_references,
    written,
)
from vaka.errors import Invalid
from vaka.journal.accept import write_of
from vaka.journal.journal import Transaction
from vaka.store.version import Action, Version


async def update(server: Server, request: Request, type_: str, id_: str | None) -> Response:
    """200, or 201 where nothing stood under the id. ``id_`` None: the query string says which resource."""
    arrival = await arrive(server, request, type_)
    if isinstance(arrival, Response):
        return arrival
    wishes = arrival.wishes
    parsed = accept_resource(arrival.body, type_)
    query = condition_of(server, request, type_) if id_ is None else None
    if id_ is not None:
        check_id(id_)
        if parsed.id is None:
            raise Invalid(f"the resource has no id; the address says {id_}", path=f"{type_}.id")
        if parsed.id != id_:
            raise Invalid(f"the resource's id is {parsed.id}, the address says {id_}", path=f"{type_}.id")
    expected = if_match(request.header("if-match"))
    if_none_match = request.header("if-none-match")
    if if_none_match not in (None, "*"):
        raise Invalid('If-None-Match on an update can only be "*"')

    async def work(transaction: Transaction) -> Version:
        target, must_be_new = id_, False
        if query is not None:
            target = await the_match(transaction, query, writing=parsed.resource, creating=True)
            if target is not None and parsed.id not in (None, target):
                raise Invalid(f"the resource's id is {parsed.id}, the condition found {target}", path=f"{type_}.id")
            if target is None:
                target, must_be_new = (parsed.id, False) if parsed.id else (arrival.keyed.new_id(request), True)
                if parsed.id:
                    await require_unused(transaction, type_, parsed.id)
        assert target is not None
        write = write_of(parsed, target, must_be_new=must_be_new, if_match=expected, if_none_match=if_none_match == "*")
        if wishes.strict:
            await require_references(transaction, [write])
        version = (await transaction.write([write]))[0]
        assert version is not None
        await arrival.remember(transaction, 201 if version.action == Action.CREATE else 200, version.seq)
        return version

    return written(request, wishes, await server.journal.run(work, access=request.access))
