"""Which interaction answers which request below /fhir: here what a copy answers too, in ``api.journal_routes`` the rest. The
capability statement is derived from both.

Source: https://hl7.org/fhir/R4/http.html#summary.
"""

from __future__ import annotations

from typing import Final

from vaka.api.description import description
from vaka.api.door.table import NOT_KEPT
from vaka.api.http import Request, Response
from vaka.api.interactions import opening
from vaka.api.interactions.capabilities import capabilities
from vaka.api.interactions.everything import everything
from vaka.api.interactions.read import read
from vaka.api.interactions.search import search, search_compartment
from vaka.api.interactions.vread import vread
from vaka.api.merged import follow
from vaka.api.refused import tell_the_log
from vaka.api.reserve.numbering import reserve_number
from vaka.api.server import Server
from vaka.errors import Forbidden, NotAllowed, NotFound

_NO_NAME: Final = ("$", "_")
"""What no type and no id begins with."""


async def dispatch(server: Server, request: Request) -> Response:
    """Answers a request. NotFound for an address that is none, NotAllowed for a method that it does not have."""
    try:
        return await answer(server, request)
    except (NotFound, NotAllowed, Forbidden) as error:
        await tell_the_log(server, request, error)
        raise


async def answer(server: Server, request: Request) -> Response:
    """What answers a method at an address. OnlyJournal on a copy, for what it does not answer."""
    method = "GET" if request.method == "HEAD" else request.method
    follow(server, request)
    match (method, *request.path):
        case ("GET", type_, id_) if type_ not in NOT_KEPT and not id_.startswith(_NO_NAME):
            return await read(server, request, type_, id_)
        case ("GET", "metadata"):
            return capabilities(server, request)
        case ("GET", "openapi.json"):
            return description(request)
        case ("GET", type_) if type_ and type_ not in NOT_KEPT and not type_.startswith(_NO_NAME):
            return await search(server, request, type_)
        case ("POST", type_, "_search") if type_ not in NOT_KEPT and not type_.startswith(_NO_NAME):
            return await search(server, request, type_)
        case ("GET", type_, id_, "_history", version) if type_ not in NOT_KEPT:
            return await vread(server, request, type_, id_, version)
        case ("GET" | "POST", "Patient", id_, "$everything"):
            return await everything(server, request, id_)
        case ("GET", "Patient", id_, "$access"):
            return await opening.access(server, request, id_)
        case ("POST", "Patient", id_, "$open"):
            return await opening.open_(server, request, id_)
        case ("POST", "Patient", id_, "$close"):
            return await opening.close(server, request, id_)
        case ("POST", "Patient", "$reserve-number"):
            return await reserve_number(server, request)
        case ("GET", compartment, id_, type_) if not type_.startswith(_NO_NAME):
            return await search_compartment(server, request, compartment, id_, type_)
        case ("POST", compartment, id_, type_, "_search"):
            return await search_compartment(server, request, compartment, id_, type_)
    _ = server.journal
    from vaka.api.journal_routes import answer as at_the_journal

    return await at_the_journal(server, request, method)
