"""``GET /sheet/[patient id]/notes?q=words``: search in one patient's notes, newest first.

The search is the record's own (``_content``): filtered before anything is ranked or cut, and what stands beside a hit is taken
from that hit alone, so that no note that is hidden shows in it. All words must stand in the note.
"""

from __future__ import annotations

import orjson

from vaka import config
from vaka.api.http import Request, Response
from vaka.api.interactions.search import run
from vaka.api.interactions.sheet import reader_of, sheets_of
from vaka.api.negotiated import answer, require_get, wants_html
from vaka.api.server import Server, check_id, living
from vaka.copy.notes_page import Hit, hit_of, html_of, json_of
from vaka.copy.sheet.identity import identity
from vaka.copy.sheet.stream import pack
from vaka.errors import Invalid
from vaka.fhir.query import parse_query
from vaka.fhir.text import lexemes

TYPES = ("DocumentReference", "Composition", "ClinicalImpression")
_WORDS_MAX_CHARS = 400


async def notes(server: Server, request: Request, id_: str) -> Response:
    """At most ``NOTES_FOUND_MAX`` notes. Invalid without words."""
    require_get(request)
    sheets_of(server)
    check_id(id_)
    html = wants_html(request)
    asked = (request.option("q") or "").strip()
    words = lexemes(asked[:_WORDS_MAX_CHARS])
    if not words:
        raise Invalid("q says which words to look for", path="q", help="for example ?q=antibiotika")
    request.access.trail.activity = "notes"
    id_ = server.store.resolve(id_)
    patient = living(await server.store.read("Patient", id_, access=request.access), "Patient", id_)
    request.access.trail.patient = patient.rkey
    count = str(config.NOTES_FOUND_MAX)
    found: list[Hit] = []
    more, aside = False, 0
    for type_ in TYPES:
        query = parse_query(
            (type_,),
            [("patient", id_), ("_content", asked[:_WORDS_MAX_CHARS]), ("_sort", "-date"), ("_count", count)],
            base_url=request.base_url, strict=True, same=server.store.same,
        )  # fmt: skip
        page, _ = await run(server.store.searching(request.access), query)
        found += [hit_of(version, words) for version in page.matches]
        aside += page.aside
        more = more or page.next is not None
    found.sort(key=lambda hit: (-hit.at_us, hit.id))
    who, shown = identity(id_, patient.body), found[: config.NOTES_FOUND_MAX]
    more = more or len(found) > len(shown)
    reader = reader_of(server, request)
    if html:
        content = html_of(who, asked, shown, reader, more=more, aside=aside)
    else:
        content = orjson.dumps(json_of(who, asked, shown, reader, more=more, aside=aside))
    return answer(request, [pack(content, 3)], html=html)
