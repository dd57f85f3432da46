"""``/peer/…``: what copies bring to the journal. Needs the scope ``feed-private``, as a copy has it, and comes in where the feed
goes out.

Invariants: everything is brought under the name that the program's first key was brought under; what is brought twice is one.
"""

from __future__ import annotations

from typing import Any

import orjson

from vaka import config
from vaka.access.scopes import FEED_PRIVATE
from vaka.api.http import Request, Response
from vaka.api.peer import brought, carried, introduced, logged
from vaka.api.server import Server
from vaka.errors import Conflict, Forbidden, Invalid, NotAllowed, NotFound

JSON = "application/json"


async def dispatch(server: Server, request: Request) -> Response:
    """Answers below /peer. Forbidden without the scope; Conflict from who has not introduced itself."""
    if FEED_PRIVATE not in request.access.scopes:
        raise Forbidden(
            f"{request.access.principal} is no copy", help=f"it takes a token with the scope {FEED_PRIVATE}"
        )
    if request.method != "POST":
        raise NotAllowed("copies bring things here, with POST")
    copies = server.journal_copies
    name = copies.name_of(request.access.principal)
    match request.path[1:]:
        case ("key",):
            return answer(await introduced.key(server, request, await told(request)))
        case _ if name is None:
            raise Conflict("this copy is not known yet", help="bring its public key first: POST /peer/key")
        case ("log",):
            return answer(await logged.log(server, name, await told(request)))
        case ("log", "carried"):
            return answer(await carried.take(server, await told(request)))
        case ("own",):
            return answer(await brought.own(server, name, await told(request)))
    raise NotFound("there is nothing at this address")


async def told(request: Request) -> dict[str, Any]:
    """The JSON object of the body. Invalid if it is none."""
    try:
        found = orjson.loads(await request.body(config.PEER_BODY_MAX_BYTES))
    except orjson.JSONDecodeError as error:
        raise Invalid("the body is not JSON") from error
    if not isinstance(found, dict):
        raise Invalid("the body is not a JSON object")
    return found


def answer(content: dict[str, Any]) -> Response:
    return Response(200, orjson.dumps(content), content_type=JSON)
