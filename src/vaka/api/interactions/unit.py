"""``GET /unit/[HSA-id]``: a unit's worklists, as JSON or as a page that prints (clinical.md, item 1; J3; S24)."""

from __future__ import annotations

import orjson

from vaka import config
from vaka.api.http import Request, Response
from vaka.api.interactions import not_taken
from vaka.api.interactions.sheet import reader_of, sheets_of
from vaka.api.negotiated import answer, require_get, wants_html
from vaka.api.server import Server
from vaka.copy.sheet.stream import pack
from vaka.copy.unit_page import html_of, json_of
from vaka.errors import NotFound

_NAME_MAX_CHARS = 200


async def unit(server: Server, request: Request, named: str) -> Response:
    """``named``: an HSA-id, or the id of an Organization. Only what the caller may see stands on the lists."""
    require_get(request)
    store = sheets_of(server)
    html = wants_html(request)
    request.access.trail.activity = "worklists"
    # A ward snapshot is the ward's only list: it is shown whole.
    limit = config.WORKLIST_MAX if server.prints is None else config.SNAPSHOT_PATIENTS_MAX
    found = await store.worklists(named[:_NAME_MAX_CHARS], access=request.access, limit=limit)
    if found is None:
        raise NotFound(f"there is no unit {named[:60]}", help="an HSA-id, or the id of an Organization")
    reader = reader_of(server, request)
    if request.access.session is not None and request.access.session.assignment.unit == found.unit:
        reader = not_taken.told(server, request, reader)
    content = html_of(found, reader) if html else orjson.dumps(json_of(found, reader))
    return answer(request, [pack(content, 3)], html=html)
