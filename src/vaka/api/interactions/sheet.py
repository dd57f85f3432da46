"""``GET /sheet/[patient id]``: one patient's first five minutes, as JSON or as a page that prints (clinical.md; S2, S3, S7).

Invariants: who the patient is comes through the record's own door, which masks what is protected; what the sheet shows is decided
fragment by fragment; each answer says how old it is; a card, which is shown while urgent care has to wait, says so (S3). A
copy's; the journal makes one for a copy that lags (S1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vaka.api.admission import Step
from vaka.api.http import Request, Response
from vaka.api.interactions import not_taken
from vaka.api.negotiated import language, require_get, takes_deflate, told, wants_html
from vaka.api.server import Server, check_id, living
from vaka.api.shown import Shown, moment_of
from vaka.copy.sheet import page
from vaka.copy.sheet.identity import identity
from vaka.errors import NotFound
from vaka.fhir.keys import resource_key
from vaka.store.sheet import SheetStore
from vaka.store.through import now_us

if TYPE_CHECKING:
    from vaka.api.journal_sheets import JournalSheets

_CARD: Final = ("Vaka-Shown", "card")


def sheets_of(server: Server) -> SheetStore:
    """The copy's. NotFound in front of the journal, which has none."""
    if server.sheets is None:
        raise NotFound("sheets and worklists are a read copy's", help="ask at the address of a copy")
    return server.sheets


async def sheet(server: Server, request: Request, id_: str) -> Response:
    """The sheet of the record that the Patient's goes on in. NotFound, Gone, Forbidden."""
    require_get(request)
    store: SheetStore | JournalSheets = server.at_journal or sheets_of(server)
    check_id(id_)
    html, card = wants_html(request), server.admission.step is Step.CARD
    request.access.trail.activity = request.access.trail.activity or "sheet"
    asked, key = id_, resource_key("Patient", id_)
    standing = server.door.standing if server.door is not None else None
    stamp, aged = store.stamp(key), store.aged
    seed, refused = (standing.seed, standing.refused) if standing is not None else (0, 0)
    id_ = server.store.resolve(id_)
    patient = living(await server.store.read("Patient", id_, access=request.access), "Patient", id_)
    request.access.trail.patient = patient.rkey
    spoken = language(request)
    body, aside, until_us = await store.sheet(id_, spoken if html else "json", access=request.access, card=card)
    who, reader = identity(id_, patient.body), reader_of(server, request, store)
    packed = takes_deflate(request.header("accept-encoding"))
    if id_ != asked:
        stamp = None  # of a record that goes on in another's the stamp says nothing
    if refused and server.at_journal is None:
        usual, reader = reader, not_taken.told(server, request, reader, of=server.store.same(id_))
        stamp = stamp if reader is usual else None
    shown = Shown(asked, key, body, who, aside, html, packed, reader, until_us, stamp, seed, aged, refused, card)
    request.shown = shown
    answer = told(request, shown.content(reader, moment_of(reader)), html=html, packed=packed)
    answer.headers += (_CARD,) if card else ()
    return answer


def reader_of(server: Server, request: Request, store: SheetStore | JournalSheets | None = None) -> page.Reader:
    """Who looks, and how fresh what is shown is. ``store``: what shows it, this copy where it is None."""
    store = store or sheets_of(server)
    fresh, session = store.freshness(), request.access.session
    behind = request.freshness is not None and request.freshness.behind
    spoken = language(request)
    missing = tuple(page.missing(name, since_us, spoken) for name, since_us in fresh.out_of_reach)
    reader = page.Reader(
        spoken, now_us(), fresh.as_of_us, fresh.age_s, fresh.away, fresh.certain,
        session.name if session is not None else "",
        store.unit_name(session.assignment.unit) if session is not None else "",
        (*fresh.notices, *missing),
    )  # fmt: skip
    return reader.lacking() if behind else reader
