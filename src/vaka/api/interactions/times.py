"""$times: when it happened, when it was recorded, when the journal received it (S6, J4), of the version that stands."""

from __future__ import annotations

from vaka.access.law import Act
from vaka.api.asked import parameters, told
from vaka.api.http import Request, Response, require_json_answer
from vaka.api.server import Server, known_type, living
from vaka.errors import NotAllowed
from vaka.fhir.parse import parse_json
from vaka.fhir.times import CLINICAL, in_words, is_from_paper, times_of
from vaka.journal.marks import first_saved_us, latest
from vaka.store.version import instant


async def times(server: Server, request: Request, type_: str, id_: str) -> Response:
    """Parameters with each time as written, and in Swedish time as people read it."""
    require_json_answer(request)
    told(request, "read")
    if known_type(type_) not in CLINICAL:
        raise NotAllowed(f"{type_} is no entry with a time of its own", why="J4: not clinical")
    version = living(await server.store.read(type_, id_, access=request.access), type_, id_)
    async with server.journal.reading.connection() as connection:
        first_us = await first_saved_us(connection, version.rkey)
        reserved = await latest(connection, version.rkey, Act.RESERVED)
    first = instant(first_us)
    resource = parse_json(version.body or b"")
    found = times_of(resource, first_saved=first, received=instant(version.updated_us))
    return Response(
        200,
        parameters(
            happened__valueDateTime=found.happened,
            happened_shown=in_words(found.happened) if found.happened else None,
            recorded__valueDateTime=found.recorded,
            recorded_shown=in_words(found.recorded),
            recorded_claimed__valueBoolean=found.claimed,
            first_saved__valueInstant=first,
            written_during_stop__valueInstant=instant(reserved.at_us) if reserved is not None else None,
            from_paper__valueBoolean=True if is_from_paper(resource) else None,
            received__valueInstant=found.received,
            received_shown=in_words(found.received),
        ),
    )
