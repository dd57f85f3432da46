"""``GET /sheet/[patient id]``: one patient's first five minutes, as JSON or as a page that prints (clinical.md; S2, S3, S7).

Invariants: who the patient is comes through the record's own door, which masks what is protected; what the sheet shows is decided
by the copy fragment by fragment; each answer says how old it is.
"""

from __future__ import annotations

from vaka.api.http import Request, Response
from vaka.api.negotiated import answer, language, require_get, wants_html
from vaka.api.server import Server, check_id, living
from vaka.copy.sheet import page
from vaka.copy.sheet.identity import identity
from vaka.errors import NotFound
from vaka.store.sheet import SheetStore
from vaka.store.through import now_us


def sheets_of(server: Server) -> SheetStore:
    """The copy's. NotFound in front of the journal, which has none."""
    if server.sheets is None:
        raise NotFound("sheets and worklists are a read copy's", help="ask at the address of a copy")
    return server.sheets


async def sheet(server: Server, request: Request, id_: str) -> Response:
    """The sheet of the record that the Patient's goes on in. NotFound, Gone, Forbidden."""
    require_get(request)
    store = sheets_of(server)
    check_id(id_)
    html = wants_html(request)
    request.access.trail.activity = request.access.trail.activity or "sheet"
    id_ = server.store.resolve(id_)
    patient = living(await server.store.read("Patient", id_, access=request.access), "Patient", id_)
    request.access.trail.patient = patient.rkey
    spoken = language(request)
    body, aside = await store.sheet(id_, spoken if html else "json", access=request.access)
    who = identity(id_, patient.body)
    reader = reader_of(server, request)
    parts = page.html(body, who, reader, aside=aside) if html else page.json(body, who, reader, aside=aside)
    return answer(request, parts, html=html)


def reader_of(server: Server, request: Request) -> page.Reader:
    """Who looks, and how fresh what is shown is."""
    store = sheets_of(server)
    fresh, session = store.freshness(), request.access.session
    behind = request.freshness is not None and request.freshness.behind
    spoken = language(request)
    notices = (page.BEHIND, *fresh.notices) if behind else fresh.notices
    notices += tuple(page.missing(name, since_us, spoken) for name, since_us in fresh.out_of_reach)
    return page.Reader(
        spoken, now_us(), fresh.as_of_us, fresh.age_s, fresh.away, fresh.certain and not behind,
        session.name if session is not None else "",
        store.unit_name(session.assignment.unit) if session is not None else "",
        notices,
    )  # fmt: skip
