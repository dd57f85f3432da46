"""The pages of the access log: ``/log``, ``/log/extract/ID`` (also on paper), ``/log/review``. For who has the right (L3)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import orjson

from vaka import config
from vaka.access.filter import system_filter
from vaka.accesslog import read, review
from vaka.accesslog.read import Asked
from vaka.accesslog.review import Drawn
from vaka.accesslog.runs import when
from vaka.api.callers import caller
from vaka.api.cookies import CSRF_FIELD
from vaka.api.http import Request, Response
from vaka.api.interactions.audit_events import OF_ANOTHER, visible
from vaka.api.server import Server
from vaka.errors import Forbidden, Invalid, NotFound
from vaka.fhir.dates import ZONE
from vaka.fhir.keys import resource_key
from vaka.journal import names
from vaka.web import entry
from vaka.web.forms import form
from vaka.web.home import head_of
from vaka.web.log_extract import DID, as_pdf, extract, name_of, patient_of
from vaka.web.log_review import sample
from vaka.web.pages.log_home import LogPage
from vaka.web.pages.log_review import Access, Found, LogReviewPage
from vaka.web.render import HEADERS, Head, page, redirect, spoken
from vaka.web.texts import LANGUAGES, N_, language_of

_SYSTEM: Final = system_filter("log-review")
_SHOWN_PATIENTS: Final = 5
_PAPER: Final = asyncio.Semaphore(1)
"""One at a time: a long extract is seconds of work."""
_SIGNS: Final = {
    "emergency": N_("emergency opening or lifted block"), "own-record": N_("own record"), "relative": N_("relative"),
    "same-surname": N_("same surname"), "protected": N_("protected identity or well-known person"),
    "no-care-relation": N_("no care relation at the time"), "many-patients": N_("many patients in a short time"),
    "random": N_("at random"), "asked": N_("chosen by hand"),
}  # fmt: skip
VERDICTS: Final = {"justified": N_("justified"), "unclear": N_("unclear"), "unjustified": N_("not justified")}


async def answer(server: Server, request: Request) -> Response:
    """Answers a request below /log. Unauthenticated, Forbidden, NotFound."""
    session = None
    if request.header("authorization") is not None:
        request.access = await caller(server, request)
    else:
        session = await entry.session_of(server, request)
        if session is None:
            raise entry.NotLoggedIn("/" + "/".join(request.path) if request.method == "GET" else "/log")
    fields = await form(request) if request.method == "POST" else {}
    if session is not None and request.method == "POST":  # a form proves itself by its field, not by a header
        server.callers.proof.check(request, session.id, fields.get(CSRF_FIELD))
    server.log.require(urgent=False)
    method = "GET" if request.method == "HEAD" else request.method
    match (method, *request.path[1:]):
        case ("GET",):
            await visible(server, request.access, Asked())
            head = await _head(server, request)
            return page(request, LogPage(head.csrf if head else ""), head=head)
        case ("POST", "extract"):  # a number stands in no address: those are logged, and kept by browsers
            request.access.trail.activity = "log-extract"
            await visible(server, request.access, Asked())
            return redirect(f"/log/extract/{await patient_of(server.journal, fields.get('patient', '').strip())}")
        case ("GET", "extract", id_):
            return await show_extract(server, request, id_, paper=False)
        case ("GET", "extract", id_, "pdf"):
            return await show_extract(server, request, id_, paper=True)
        case ("GET", "review"):
            return await show_review(server, request)
        case ("POST", "review"):
            return await save_review(server, request, fields)
    raise NotFound("there is no such page")


async def show_extract(server: Server, request: Request, id_: str, *, paper: bool) -> Response:
    """What the patient is told, as a page or on paper."""
    request.access.trail.activity = "log-extract"
    # The right first: who has none learns nothing of who is a patient here.
    asked = await visible(server, request.access, Asked())
    key = resource_key("Patient", id_)
    request.access.trail.patient = key
    await server.log.shipper.ship(everything=True)
    # The page is in the language of who looks at it, the paper in the patient's: Swedish unless asked for otherwise.
    language = request.option("language") or "sv" if paper else language_of(request.header("accept-language"))
    if language not in LANGUAGES:
        raise Invalid(N_("the extract is in Swedish (sv) or English (en)"), path="language")
    shown = await extract(
        server.journal, id_, replace(asked, patient=key), language=language, pdf=f"/log/extract/{id_}/pdf"
    )
    if not paper:
        head = await _head(server, request)
        return await asyncio.to_thread(page, request, shown, head=head)  # 20,000 lines are a second of work
    async with _PAPER:
        made = await asyncio.to_thread(as_pdf, shown, language)
    headers = [*HEADERS, ("Content-Disposition", 'attachment; filename="loggutdrag.pdf"')]
    return Response(200, made, headers, "application/pdf")


async def show_review(server: Server, request: Request) -> Response:
    """A sample, and what was found before."""
    request.access.trail.activity = "log-review"
    since = datetime.now(UTC) - timedelta(days=config.LOG_REVIEW_DAYS)
    asked = await visible(server, request.access, Asked(since=since))
    count, suspicious = _sample(request), request.option("kind") == "suspicious"
    await server.log.shipper.ship(everything=True)
    session = request.access.session
    reviewer = session.person if session is not None else None
    drawn = await sample(server.journal, asked, count, suspicious=suspicious, reviewer=reviewer)
    async with server.journal.reading.connection() as connection:
        before = await review.reviews(connection, asked.provider, config.LOG_SAMPLE_MAX)
    told = spoken(request)
    head = await _head(server, request)
    found = tuple(
        Found(
            f"{one.at.astimezone(ZONE):%Y-%m-%d %H:%M}", one.event,
            ", ".join(told(_SIGNS.get(sign, sign)) for sign in one.drawn.split(",")), one.reviewer,
            told(VERDICTS.get(one.verdict, one.verdict)), one.comment,
        )
        for one in before
    )  # fmt: skip
    shown = LogReviewPage(
        suspicious,
        count,
        config.LOG_SAMPLE_MAX,
        await _accesses(server, request, drawn),
        found,
        request.option("saved") == "1",
        head.csrf if head else "",
    )
    return page(request, shown, head=head)


async def save_review(server: Server, request: Request, fields: dict[str, str]) -> Response:
    """Adds a finding, and shows the page anew."""
    request.access.trail.activity = "log-review"
    asked = await visible(server, request.access, Asked())
    session = request.access.session
    drawn = fields.get("drawn") or "asked"
    if not set(drawn.split(",")) <= set(_SIGNS):
        raise Invalid(N_("this event was not drawn by a sign that is known"), path="drawn")
    reviewer = f"{session.name} ({session.person})" if session is not None else request.access.principal
    async with server.journal.pool.connection() as connection:
        event = await read.event(connection, fields.get("event", ""))
        if not asked.fits(event.record):
            raise Forbidden(OF_ANOTHER, why="L3: neither by nor about the own provider")
        if session is not None and event.record.actor.person == session.person:
            raise Forbidden(N_("nobody reviews their own accesses"), why="L3: own access")
        await review.record_review(
            connection, event.id, drawn=drawn, reviewer=reviewer, verdict=fields.get("verdict", ""),
            comment=fields.get("comment", ""), provider=asked.provider,
        )  # fmt: skip
    return redirect("/log/review?saved=1")


async def _head(server: Server, request: Request) -> Head | None:
    return await head_of(server, request.access.session) if request.access.session is not None else None


def _sample(request: Request) -> int:
    text = request.option("sample") or "10"
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= config.LOG_SAMPLE_MAX):
        raise Invalid(N_("this is no number of accesses that can be drawn at once"), path="sample")
    return int(text)


async def _accesses(server: Server, request: Request, drawn: list[Drawn]) -> tuple[Access, ...]:
    records = [one.event.record for one in drawn]
    keys = {key for record in records for key in record.patients[:_SHOWN_PATIENTS]}
    references = await names.resources(server.journal, keys, access=_SYSTEM)
    patients = await server.journal.searching(_SYSTEM).read_many(list(references.values()))
    told = spoken(request)
    called = {one.rkey: name_of(told, orjson.loads(one.body)) for one in patients if one.body is not None}
    places = {id_ for record in records for id_ in (record.actor.unit, record.actor.provider) if id_}
    units = await server.callers.people.names(sorted(places))
    made = []
    for one in drawn:
        record, actor = one.event.record, one.event.record.actor
        made.append(
            Access(
                one.event.id, ",".join(one.signs) or "random", tuple(told(_SIGNS[sign]) for sign in one.signs),
                f"{when(record.time_us).astimezone(ZONE):%Y-%m-%d %H:%M:%S}",
                f"{actor.name}, {actor.title} ({actor.person})" if actor.title else f"{actor.name} ({actor.person})",
                ", ".join(dict.fromkeys(units.get(id_, id_) for id_ in (actor.unit, actor.provider) if id_)),
                " ".join(part for part in (told(DID.get(record.activity, record.activity)), record.type) if part),
                tuple(
                    ("/".join(references[key]), called.get(key, ""))
                    for key in record.patients[:_SHOWN_PATIENTS]
                    if key in references
                ),
                max(len(record.patients) - _SHOWN_PATIENTS, 0), record.reason,
            )
        )  # fmt: skip
    return tuple(made)
