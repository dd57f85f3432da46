"""Which interaction answers what only the journal can: writes, histories, operations, and what a copy does not keep.

Apart from ``api.routes``, which comes here with all that it does not answer itself: a copy has no PostgreSQL client, and none of
the modules below (decision 0013).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from vaka.api.http import Request, Response
from vaka.api.interactions import audit_events, binary, consent, opening
from vaka.api.interactions.acknowledge import acknowledge
from vaka.api.interactions.correct import correct
from vaka.api.interactions.create import create
from vaka.api.interactions.delete import delete
from vaka.api.interactions.history import history
from vaka.api.interactions.lock import lock
from vaka.api.interactions.merge import link, merge, unmerge
from vaka.api.interactions.misfiled import annul, misfiled
from vaka.api.interactions.owed import unacknowledged, unsigned
from vaka.api.interactions.patch import patch
from vaka.api.interactions.read import read
from vaka.api.interactions.redact import redact
from vaka.api.interactions.search import search, search_compartment
from vaka.api.interactions.sign import countersign, sign
from vaka.api.interactions.times import times
from vaka.api.interactions.transaction import transaction
from vaka.api.interactions.update import update
from vaka.api.interactions.validate import validate
from vaka.api.interactions.visibility import shown, visibility
from vaka.api.interactions.vread import vread
from vaka.api.routes import dispatch
from vaka.api.server import Server
from vaka.errors import Invalid, NotAllowed, NotFound

OnEntry: TypeAlias = Callable[[Server, Request, str, str], Awaitable[Response]]
ON_ENTRIES: Mapping[str, OnEntry] = {
    "$sign": sign,
    "$countersign": countersign,
    "$correct": correct,
    "$lock": lock,
    "$acknowledge": acknowledge,
    "$annul": annul,
    "$misfiled": misfiled,
    "$visibility": visibility,
    "$redact": redact,
}
"""Operations on one resource, by POST."""


async def answer(server: Server, request: Request, method: str) -> Response:
    """What answers ``method`` at an address. NotFound, NotAllowed, Invalid for what is none."""
    match (method, *request.path):
        case ("GET",) | ("GET", ""):
            return await search(server, request, None)
        case ("POST",) | ("POST", ""):
            return await transaction(server, request, dispatch)
        case ("GET", "$unsigned"):
            return await unsigned(server, request)
        case ("GET", "$unacknowledged"):
            return await unacknowledged(server, request)
        case ("POST", "Patient", "$merge"):
            return await merge(server, request)
        case ("POST", "Patient", "$unmerge"):
            return await unmerge(server, request)
        case ("POST", "Patient", "$link"):
            return await link(server, request)
        case ("GET", type_, id_, "$times"):
            return await times(server, request, type_, id_)
        case ("GET", type_, id_, "$visibility"):
            return await shown(server, request, type_, id_)
        case ("POST", "_search"):
            return await search(server, request, None)
        case ("GET", "_history"):
            return await history(server, request, None, None)
        case ("POST", "$validate"):
            return await validate(server, request, None, None)
        case ("GET", "AuditEvent"):
            return await audit_events.search(server, request)
        case ("GET", "AuditEvent", id_) if not id_.startswith(("$", "_")):
            return await audit_events.read(server, request, id_)
        case ("GET", type_):
            return await search(server, request, type_)
        case ("POST", "Binary") if binary.is_content(request):
            return await binary.write(server, request, None)
        case ("PUT", "Binary", id_) if binary.is_content(request):
            return await binary.write(server, request, id_)
        case ("GET", "Binary", id_) if not id_.startswith(("$", "_")):
            return await binary.read(server, request, id_, None, lambda: read(server, request, "Binary", id_))
        case ("GET", "Binary", id_, "_history", version):
            return await binary.read(
                server, request, id_, version, lambda: vread(server, request, "Binary", id_, version)
            )
        case ("POST", type_):
            return await create(server, request, type_)
        case ("PUT", type_):
            return await update(server, request, type_, None)
        case ("PATCH", type_):
            return await patch(server, request, type_, None)
        case ("DELETE", type_):
            return await delete(server, request, type_, None)
        case ("POST", "AuditEvent", "_search"):
            return await audit_events.search(server, request)
        case ("POST", type_, "_search"):
            return await search(server, request, type_)
        case ("GET", type_, "_history"):
            return await history(server, request, type_, None)
        case ("POST", type_, "$validate"):
            return await validate(server, request, type_, None)
        case ("PUT", type_, id_):
            return await update(server, request, type_, id_)
        case ("PATCH", type_, id_):
            return await patch(server, request, type_, id_)
        case ("DELETE", type_, id_):
            return await delete(server, request, type_, id_)
        case ("POST", "Patient", id_, "$attest-relation"):
            return await opening.attest(server, request, id_)
        case ("POST", "Patient", id_, ("$lift" | "$cancel-lift") as event):
            return await consent.lift(server, request, id_, event[1:])
        case ("POST", "Consent", id_, ("$revoke" | "$annul") as event):
            return await consent.end(server, request, id_, event[1:])
        case ("POST", type_, id_, operation) if operation in ON_ENTRIES:
            return await ON_ENTRIES[operation](server, request, type_, id_)
        case ("GET" | "POST", type_, id_, "$validate"):
            return await validate(server, request, type_, id_)
        case ("GET", type_, id_, "_history"):
            return await history(server, request, type_, id_)
        case ("GET", type_, id_, "_history", version):
            return await vread(server, request, type_, id_, version)
        case ("GET", compartment, id_, type_) if not type_.startswith("$"):
            return await search_compartment(server, request, compartment, id_, type_)
        case (_, *path) if any(part.startswith("$") for part in path):
            name = next(part for part in path if part.startswith("$"))
            raise NotFound(f"there is no operation {name[:40]} here")
        case (_, *path) if len(path) <= 4:
            raise NotAllowed(f"{method} is not possible at /{'/'.join(path)[:200]}")
    raise Invalid("there is no such address below /fhir")
