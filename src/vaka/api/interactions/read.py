"""read: the current version of a resource. https://hl7.org/fhir/R4/http.html#read, conditional read: #cread."""

from __future__ import annotations

from vaka.api.http import Request, Response, require_json_answer
from vaka.api.server import Server, known_type, living, not_modified, shown, version_headers


async def read(server: Server, request: Request, type_: str, id_: str) -> Response:
    """200; 304 if the caller holds it already; NotFound, Gone."""
    require_json_answer(request)
    found = await server.store.read(known_type(type_), id_, access=request.access)
    if found is None and type_ == "Patient" and (known_as := server.store.resolve(id_)) != id_:
        found = await server.store.read(type_, known_as, access=request.access)  # an id that a reserve gave out
    version = living(found, type_, id_)
    if not_modified(request, version):
        return Response(304, b"", version_headers(version))
    assert version.body is not None
    body = shown(request, version.body) if request.query else version.body
    return Response(200, body, version_headers(version))
