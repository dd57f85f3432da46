"""vread: one version of a resource. https://hl7.org/fhir/R4/http.html#vread."""

from __future__ import annotations

from vaka.api.http import Request, Response, require_json_answer
from vaka.api.server import Server, known_type, living, not_modified, shown, version_headers
from vaka.copy.reserve.entry import PENDING
from vaka.errors import NotFound
from vaka.store.version import parse_version_id


async def vread(server: Server, request: Request, type_: str, id_: str, text: str) -> Response:
    """200 or 304; NotFound; Gone for the version that deleted it, and for a redacted one."""
    require_json_answer(request)
    parsed = parse_version_id(text)
    found = None
    if text.startswith(PENDING):
        found = await server.store.read(known_type(type_), id_, access=request.access)
        found = found if found is not None and found.pending == text else None
    elif parsed is not None:
        found = await server.store.vread(known_type(type_), id_, *parsed, access=request.access)
    if found is None:
        raise NotFound(f"{type_}/{id_} has no version {text[:64]}")
    version = living(found, type_, id_)
    if not_modified(request, version):
        return Response(304, b"", version_headers(version))
    assert version.body is not None
    return Response(200, shown(request, version.body), version_headers(version))
