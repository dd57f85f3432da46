"""``GET /unit/[HSA-id]``: a unit's worklists, as JSON or as a page that prints (clinical.md, item 1; J3; S24)."""

from __future__ import annotations

from dataclasses import replace

import orjson

from vaka import config
from vaka.api.http import Request, Response
from vaka.api.interactions.sheet import reader_of, sheets_of
from vaka.api.negotiated import answer, require_get, wants_html
from vaka.api.server import Server
from vaka.copy.reserve.entry import State
from vaka.copy.reserve.store import ReserveStore
from vaka.copy.sheet.page import refused
from vaka.copy.sheet.stream import pack
from vaka.copy.unit_page import html_of, json_of
from vaka.errors import NotFound

_NAME_MAX_CHARS = 200
_REFUSED_MAX = 20
"""Refused entries that a unit's page names, the oldest ones: all are on `vaka reserve list`."""


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
    if server.door is not None and server.door.reserve is not None and _is_of(request, found.unit):
        reader = replace(
            reader, notices=(*reader.notices, *_refused(server.door.reserve.store, found.unit, reader.language))
        )
    content = html_of(found, reader) if html else orjson.dumps(json_of(found, reader))
    return answer(request, [pack(content, 3)], html=html)


def _is_of(request: Request, unit: str) -> bool:
    return request.access.session is not None and request.access.session.assignment.unit == unit


def _refused(store: ReserveStore, unit: str, language: str) -> list[str]:
    """What people of the unit wrote in a stop and the journal has refused: they hear of it here, and why."""
    if not store.has((State.REFUSED,)):
        return []
    found = [one for one in store.listed((State.REFUSED,)) if one.unit == unit]
    return [
        refused(", ".join(sorted({part.type for part in one.parts})), one.recorded_us, one.reason, language)
        for one in found[:_REFUSED_MAX]
    ]
