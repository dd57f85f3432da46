"""The addresses of sheet, worklists and notes, on a copy's store: forms, headers, packing, refusals."""

from __future__ import annotations

import asyncio
import zlib
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest
from tests.unit.copy.sheet.building import concept
from tests.unit.copy.sheet.record import Record, person
from tests.unit.copy.sheet.test_reading import allergy, drug

from vaka.access.filter import AccessFilter, program_filter
from vaka.api import http
from vaka.api.admission import Step
from vaka.api.http import NotAcceptable, Request, Response
from vaka.api.interactions.notes import notes
from vaka.api.interactions.sheet import sheet
from vaka.api.interactions.unit import unit
from vaka.api.negotiated import takes_deflate, wants_html
from vaka.api.server import Server
from vaka.copy.reader import Reader
from vaka.copy.sheet import clock
from vaka.copy.sheet import page as sheet_page
from vaka.copy.sheet.answering import CopySheets
from vaka.copy.sheet.sections import BY_NAME, CARD
from vaka.copy.store import CopyStore
from vaka.errors import Gone, Invalid, NotAllowed, NotFound
from vaka.store.sheet import Freshness, SheetStore
from vaka.store.through import now_us


@dataclass
class OneRecord:
    """The record of a test as a copy's source: one file, one reader at a time."""

    record: Record

    def seed(self) -> int:
        return 1

    def open(self) -> Reader:
        return Reader(self.record.connection, self.record.codec, 1)

    def damaged(self, seed: int, what: str) -> None:
        raise AssertionError(f"{seed}: {what}")


@dataclass
class Here:
    """What the handlers use of a server."""

    store: CopyStore
    sheets: SheetStore | None
    prints: None = None
    door: None = None
    at_journal: None = None
    admission: Any = None


@dataclass
class World:
    record: Record = field(default_factory=Record)
    behind: bool = False
    step: Step = Step.FULL
    freshness: Freshness = field(default_factory=lambda: Freshness(now_us(), 3.0))

    def ask(self, handler: Any, named: str, *, access: AccessFilter | None = None, method: str = "GET", query: str = "",
            **headers: str) -> Response:  # fmt: skip
        store = CopyStore(OneRecord(self.record))
        server = Here(store, CopySheets(store, lambda: self.freshness), admission=SimpleNamespace(step=self.step))
        pairs = [(part.partition("=")[0], part.partition("=")[2]) for part in query.split("&") if part]
        asked = {name.replace("_", "-"): value for name, value in headers.items()}
        request = Request(method, (named,), pairs, asked, "http://x/fhir", b"", access or person())
        if self.behind:
            request.freshness = http.Freshness(now_us(), 3.0, away=False, behind=True)
        self.request = request

        async def run() -> Response:
            answer: Response = await handler(cast(Server, server), request, named)
            return answer

        return asyncio.run(run())


@pytest.fixture
def world() -> World:
    made = World()
    made.record.put({"resourceType": "Patient", "id": "p1", "name": [{"family": "Lindberg", "given": ["Rolf"]}]})
    made.record.put({"resourceType": "Organization", "id": "u1", "name": "Ward 35"}, patient=None)
    made.record.relation()
    made.record.put(allergy("a1", "Penicillin"))
    made.record.make()
    return made


def text(answer: Response) -> str:
    packed = ("Content-Encoding", "deflate") in answer.headers
    return (zlib.decompress(answer.body) if packed else answer.body).decode()


def test_json_and_html_by_accept(world: World) -> None:
    """Would break: a browser gets JSON, a program a page."""
    told = world.ask(sheet, "p1")
    assert told.content_type.startswith("application/json")
    assert orjson.loads(text(told))["patient"]["name"] == "Rolf Lindberg"
    page = world.ask(sheet, "p1", accept="text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", accept_language="en")
    assert page.content_type.startswith("text/html")
    assert "Penicillin" in text(page)
    assert "Ward 35" in text(page)
    headers = dict(page.headers)
    assert "script-src 'self'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    swedish = text(world.ask(sheet, "p1", query="_format=html"))
    assert "Överkänslighet" in swedish


def test_packed_and_plain_are_the_same(world: World) -> None:
    """Would break: a client that takes no packing gets bytes that it cannot read."""
    plain = world.ask(sheet, "p1", accept="text/html", accept_encoding="gzip, br")
    packed = world.ask(sheet, "p1", accept="text/html", accept_encoding="gzip, deflate, br, zstd")
    assert ("Content-Encoding", "deflate") in packed.headers
    assert all(name != "Content-Encoding" for name, _ in plain.headers)
    assert text(plain) == text(packed)


def test_what_is_not_made_yet_is_made_in_memory(world: World) -> None:
    """Would break: a sheet waits for the follower, or shows what stood before."""
    world.record.put(allergy("a2", "Latex"))
    assert "Latex" in text(world.ask(sheet, "p1", accept="text/html"))


def test_a_patient_who_is_not_there(world: World) -> None:
    """Would break: an empty sheet for an id that is nobody's reads as "nothing is recorded"."""
    with pytest.raises(NotFound):
        world.ask(sheet, "nobody")
    with pytest.raises(Invalid):
        world.ask(sheet, "no body")
    world.record.put({"resourceType": "Patient", "id": "p3"}, deleted=True)
    with pytest.raises(Gone):
        world.ask(sheet, "p3")
    with pytest.raises(NotAllowed):
        world.ask(sheet, "p1", method="POST")


def test_how_old_it_is_and_who_is_out_of_reach(world: World) -> None:
    """Would break: a copy that has been alone for a day looks like one that is up to date (S1, S2, S11)."""
    world.freshness = Freshness(now_us() - 90_000_000_000, 90_000.0, True, False, ("x at a copy",))
    page = text(world.ask(sheet, "p1", accept="text/html", accept_language="en"))
    assert "The journal cannot be reached." in page
    assert "25 hours old" in page
    assert "x at a copy" in page
    told = orjson.loads(text(world.ask(sheet, "p1")))
    assert (told["journalAway"], told["dosesCertain"], told["ageSeconds"]) == (True, False, 90_000)


def test_a_copy_out_of_reach_is_named_with_when_it_was_last_reached(world: World) -> None:
    """Would break S10: a dose that was entered at another copy would be missing, and nobody would know where to ask."""
    at = 1_796_000_000_000_000
    world.freshness = Freshness(now_us(), 1.0, True, False, (), (("south", at), ("north", 0)))
    page = text(world.ask(sheet, "p1", accept="text/html", accept_language="sv"))
    assert f"Det som förts in i south efter {clock.in_words(at, 'sv')} kan saknas här" in page
    assert "Det som förts in i north kan saknas här" in page
    lists = text(world.ask(unit, "u1", accept="text/html", accept_language="sv"))
    assert "Det som förts in i north kan saknas här" in lists


def test_a_copy_that_lags_says_so_first(world: World) -> None:
    """Would break: an old list of drugs is read while the journal is well, and nothing says so (S1)."""
    assert orjson.loads(text(world.ask(sheet, "p1")))["behind"] is False
    world.behind = True
    page = text(world.ask(sheet, "p1", accept="text/html", accept_language="sv"))
    assert '<p class="warn">Kopian släpar efter journalen' in page
    told = orjson.loads(text(world.ask(sheet, "p1")))
    assert told["notices"] == [sheet_page.BEHIND]
    assert (told["behind"], told["dosesCertain"]) == (True, False)


def test_sheet_lists_and_notes_say_alike_as_of_when_they_are(world: World) -> None:
    """Broken (S1, S2): a program that shows a search in notes, or a unit's lists, does not learn how old it is, or that it lags."""
    world.behind = True
    world.freshness = Freshness(1_796_000_000_000_000, 93.4, True)
    for handler, named, query in ((sheet, "p1", ""), (unit, "u1", ""), (notes, "p1", "q=antibiotika")):
        told = orjson.loads(text(world.ask(handler, named, query=query)))
        assert (told["asOf"], told["ageSeconds"]) == ("2026-11-30T01:53:20+01:00", 93), named
        assert (told["journalAway"], told["behind"], told["notices"]) == (True, True, [sheet_page.BEHIND]), named
        assert told["shownAt"] >= "2026"


NARROW = " ".join(
    f"system/{type_}.rs" for type_ in ("Patient", "AllergyIntolerance", "Condition", "MedicationRequest", "Flag")
)


def test_where_urgent_care_waits_the_card_alone_is_shown(world: World) -> None:
    """Would break: in an overload whole sheets are made while urgent care waits; or a card looks like a sheet with nothing in it
    (S3), lacks a drug, tells the log of what it did not show, or is given again when all is well."""
    world.record.put(drug("m1", "Warfarin"))
    world.record.put({"resourceType": "Flag", "id": "f1", "status": "active", "code": concept("MRSA"), "subject": {"reference": "Patient/p1"}})  # fmt: skip
    world.record.put({"resourceType": "Condition", "id": "c1", "code": concept("Diabetes"), "subject": {"reference": "Patient/p1"}})  # fmt: skip
    world.record.put(allergy("a9", "Latex"), "u3/v1")
    for is_made in (False, True):  # in memory, and by the follower
        if is_made:
            world.record.make()
        for step, card in ((Step.FULL, False), (Step.SHEET, False), (Step.CARD, True), (Step.FULL, False)):
            world.step = step
            for access in (person(), program_filter("app", "system/*.rs"), program_filter("app", NARROW)):
                answer = world.ask(sheet, "p1", access=access)
                told = orjson.loads(text(answer))
                assert (("Vaka-Shown", "card") in answer.headers) is card
                assert world.request.shown is not None
                assert world.request.shown.card is card
                assert {each["name"] for each in told["sections"]} == (CARD if card else set(BY_NAME))
                assert (told["notices"] == [sheet_page.CARD_ALONE]) is card
                assert ("Condition" in {one.type for one in world.request.access.trail.touched}) is not card
            states = {
                each["name"]: (each["state"], each["withheld"])
                for each in orjson.loads(text(world.ask(sheet, "p1")))["sections"]
            }
            assert states["allergies"] == ("listed", True), "of a card too what is withheld is said"
            page = text(world.ask(sheet, "p1", accept="text/html", accept_language="sv"))
            assert all(word in page for word in ("Lindberg", "Penicillin", "MRSA", "Warfarin"))
            assert ("Diabetes" in page) is not card
            assert ('<p class="warn">För många frågar på en gång: det här är kortet' in page) is card


def test_the_log_knows(world: World) -> None:
    """Would break: a sheet is read and nobody can tell by whom of whom (L1)."""
    world.ask(sheet, "p1")
    trail = world.request.access.trail
    assert trail.activity == "sheet"
    assert {one.type for one in trail.touched} == {"Patient", "AllergyIntolerance"}


def test_a_protected_patient_has_no_address(world: World) -> None:
    """Would break: the head of the sheet tells where somebody lives (A10)."""
    secret = {
        "telecom": [{"value": "0701740654"}],
        "address": [{"line": ["Storgatan 1"]}],
        "contact": [{"name": {"family": "Ek"}}],
    }
    world.record.put({"resourceType": "Patient", "id": "p1", "name": [{"family": "L"}], **secret})
    open_ = text(world.ask(sheet, "p1", accept="text/html"))
    assert all(each in open_ for each in ("0701740654", "Storgatan 1", "Ek"))
    world.record.put({"resourceType": "Patient", "id": "p1", "name": [{"family": "L"}], **secret,
                      "meta": {"security": [{"code": "sekretessmarkering"}]}})  # fmt: skip
    closed = text(world.ask(sheet, "p1", accept="text/html"))
    assert not any(each in closed for each in ("0701740654", "Storgatan 1", ">Ek"))
    assert "Skyddade personuppgifter" in closed


def test_a_hostile_record_is_still_a_sheet(world: World) -> None:
    """Would break: a script in a name runs; a Patient or an entry that cannot be read hides the others (S4)."""
    world.record.put(
        {"resourceType": "Patient", "id": "p1"}, body=b'{"resourceType":"Patient","id":"p1","name":"<script>"}'
    )
    world.record.put(allergy("a3", "<script>alert(1)</script>"))
    world.record.put(allergy("a4", "x"), body=b"{")
    page = text(world.ask(sheet, "p1", accept="text/html", accept_language="en"))
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "1 item cannot be shown." in page
    assert "Penicillin" in page


def test_worklists_by_hsa_id(world: World) -> None:
    """Would break: a ward's list cannot be asked for, or is somebody else's."""
    world.record.put({"resourceType": "Encounter", "id": "e1", "status": "in-progress", "class": {"code": "IMP"},
                      "serviceProvider": {"reference": "Organization/u1"}, "period": {"start": "2026-11-01"}})  # fmt: skip
    told = orjson.loads(text(world.ask(unit, "u1")))
    assert told["name"] == "Ward 35"
    assert [each["name"] for each in told["lists"]] == [
        "here",
        "coming",
        "unsigned",
        "answers",
        "orders",
        "tasks",
        "paper",
    ]
    assert told["lists"][0]["lines"][0]["name"] == "Rolf Lindberg"
    page = text(world.ask(unit, "u1", accept="text/html", accept_language="en"))
    assert '<a href="/sheet/p1">' in page
    with pytest.raises(NotFound):
        world.ask(unit, "nowhere")


def test_notes_are_searched_and_show_no_hidden_line(world: World) -> None:
    """Would break: a word of a note that the reader may not see shows, or is counted."""

    def note(id_: str, said: str) -> dict[str, Any]:
        return {"resourceType": "ClinicalImpression", "id": id_, "status": "completed", "summary": said, "code": concept(id_),
                "subject": {"reference": "Patient/p1"}, "date": "2026-11-01"}  # fmt: skip

    world.record.put(note("n1", "Ordinerar antibiotika. Annat."))
    world.record.put(note("n2", "Antibiotika hemligt"), "u3/v2")
    world.record.put(note("n3", "Inget av det slaget"))
    told = orjson.loads(text(world.ask(notes, "p1", query="q=ANTIBIOTIKA")))
    assert [each["id"] for each in told["notes"]] == ["ClinicalImpression/n1"]
    assert told["notes"][0]["text"] == "Ordinerar antibiotika."
    assert told["more"] is False
    page = text(world.ask(notes, "p1", query="q=antibiotika", accept="text/html"))
    assert "hemligt" not in page
    with pytest.raises(Invalid):
        world.ask(notes, "p1")


@pytest.mark.parametrize(
    ("accept", "html"),
    [(None, False), ("*/*", False), ("application/json", False), ("text/html", True), ("application/fhir+json;q=0.5, text/html;q=0.4", False),
     ("text/html;q=x", None), ("image/png", None), ("text/html;q=0", None)],
)  # fmt: skip
def test_what_is_accepted(accept: str | None, html: bool | None) -> None:
    """Would break: an odd Accept fails, or gets what it refuses."""
    request = Request("GET", (), [], {"accept": accept} if accept else {}, "http://x/fhir", b"", person())
    if html is None:
        with pytest.raises(NotAcceptable):
            wants_html(request)
    else:
        assert wants_html(request) is html


def test_which_packing_is_taken() -> None:
    """Would break: packed bytes for who said that it cannot unpack them."""
    assert takes_deflate("gzip, deflate, br")
    assert takes_deflate("deflate;q=0.5")
    assert not takes_deflate("deflate;q=0, gzip")
    assert not takes_deflate("gzip")
    assert not takes_deflate(None)
    assert not takes_deflate("*")
