"""Pages of ours as blocks, and a ward on paper: whose each page is, where it begins and ends."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pypdf import PdfReader
from tests.unit.copy.sheet.building import NOW_US, READER, WHO, as_html, concept, made, owned
from tests.unit.copy.sheet.record import Record, person
from tests.unit.copy.test_snapshot import ABOUT, SECRET, note, placed_from, visit

from vaka import config
from vaka.access.filter import system_filter
from vaka.api.snapshots.prints import Print, Prints
from vaka.copy.sheet.answering import CopySheets
from vaka.copy.snapshot.place import Source
from vaka.copy.store import CopyStore
from vaka.errors import NotFound
from vaka.store.sheet import Freshness
from vaka.web import paper, prints
from vaka.web.prints import Asker


def content(sheets: list[Mapping[str, Any]], language: str = "en") -> dict[str, Any]:
    server = cast("Any", SimpleNamespace(prints=SimpleNamespace(about=lambda: ABOUT)))
    asker = Asker(server, cast("Any", None), system_filter("tests"), READER, language)
    return prints._content(asker, None, sheets, newcomers=1)


def sheet(name: str, number: str, lines: int, drugs: int = 2) -> dict[str, Any]:
    found = [paper.Block("h2", [["", "Notes"]])] + [
        paper.Block("li", [["s", f"{name} line {n}"]]) for n in range(lines)
    ]
    return {
        "name": name, "number": number, "unit": "Ward 35", "blocks": [one.told() for one in found], "allergies": ["Penicillin"], "warnings": [],
        "drugs": [{"what": f"Drug {n}", "dose": "1", "last": ""} for n in range(drugs)],
    }  # fmt: skip


def pages(told: Mapping[str, Any]) -> list[str]:
    return [page.extract_text() for page in PdfReader(io.BytesIO(prints._set(told))).pages]


def test_each_page_says_whose_it_is() -> None:
    """Broken: a page on the floor is another patient's, or nobody knows that one is missing (S5, S7)."""
    found = pages(content([sheet("Anna Ek", "19121212-1212", 130), sheet("Bo Al", "19101010-1010", 3, drugs=40)]))
    whose: dict[str, list[tuple[int, int]]] = {}
    for page in found:
        name, number = (
            ("Anna Ek", "19121212-1212")
            if "Anna Ek" in page
            else ("Bo Al", "19101010-1010")
            if "Bo Al" in page
            else ("", "")
        )
        assert page.count("As of Sunday 2026-11-29") == 1
        assert "printed Sunday 2026-11-29" in page
        assert "Lars Wikström" in page
        told = re.search(r"Page (\d+) of (\d+)", page)
        assert told is not None
        if name:
            assert number in page
            assert not ("Anna" in page and "Bo Al" in page)
            whose.setdefault(name, []).append((int(told[1]), int(told[2])))
    for name, numbers in whose.items():
        assert numbers == [(n + 1, len(numbers)) for n in range(len(numbers))], name
    assert len(whose["Anna Ek"]) >= 4
    charts = [page for page in found if "Medication list to sign on" in page]
    assert len(charts) == 3
    assert all("Hypersensitivity: Penicillin" in page for page in charts[:2])
    forms = found[-3:]
    assert all("New patient" in page and "Personal number, or reserve number" in page for page in forms)
    assert all("Hypersensitivity (none known is said by whom)" in page for page in forms)
    assert "Medication list to sign on" in forms[1], "who comes in the stop is given drugs too"
    assert "Entries on paper" in forms[2]


def test_a_page_is_read_whole() -> None:
    """Broken: paper says less than the screen, or a heading of one section stands over another's lines."""
    allergy = made({"resourceType": "AllergyIntolerance", "code": concept("Nuts & <seeds>"), "criticality": "high"})
    drug = made({
        "resourceType": "MedicationRequest", "status": "active", "intent": "order", "medicationCodeableConcept": concept("Warfarin"),
        "dosageInstruction": [{"text": "1 at 18"}],
    })  # fmt: skip
    read = paper.blocks(as_html(owned(allergy), owned(drug, "medication")))
    text = " ".join(
        [one.text for one in read] + [paper.text_of(cell) for one in read for row in one.rows for cell in row]
    )
    for word in (
        WHO.name,
        "Hypersensitivity",
        "Nuts & <seeds>",
        "high risk",
        "Warfarin",
        "1 at 18",
        "Nothing is recorded.",
    ):
        assert word in text, word
    assert next(one.text for one in read if one.section == "allergies" and one.kind == "li").startswith(
        "Nuts & <seeds>"
    )
    assert prints._drugs(read) == [{"what": "Warfarin", "dose": "1 at 18", "last": ""}]
    assert "The whole record" not in text, "what is for a screen alone"
    assert NOW_US


def test_hostile_pages_are_set_as_text() -> None:
    """Broken: what somebody wrote into a record runs as code of the page, or stops the print of a ward."""
    told = sheet('#panic("x") $a$ *b* @c', '<1> \\ "', 1)
    told["blocks"].append(paper.Block("p", [["st", 'line\n\n#read("/etc/passwd")']]).told())
    found = "\n".join(pages(content([told])))
    assert '#panic("x")' in found
    assert "#read(" in found


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[tuple[CopySheets, CopyStore]]:
    """An opened snapshot of a ward with 10 patients, one of them protected."""
    record = Record()
    record.put({"resourceType": "Organization", "id": "u1", "name": "Ward"}, "/v1", patient=None)
    for n in range(10):
        more = SECRET if n == 7 else {}
        record.put({"resourceType": "Patient", "id": f"p{n}", "name": [{"family": f"Family{n}"}], **more}, "/v1")
        record.put(visit(f"p{n}", f"e{n}"), patient=f"p{n}")
        record.put(note(f"p{n}", f"a{n}", f"Allergen{n}"), patient=f"p{n}")
        record.relation(patient=f"p{n}")
    record.make()
    record.connection.execute("UPDATE cursor SET whole = 1, horizon_us = ?, epoch = 1", (NOW_US,))
    store = CopyStore(Source(placed_from(record, tmp_path), 0.0))
    yield CopySheets(store, lambda: Freshness(NOW_US)), store
    store.close()


def test_a_large_ward_is_printed_in_parts_with_each_patient_once(
    ward: tuple[CopySheets, CopyStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken: somebody is missing on paper, or printed and not logged; or a print of hundreds says nothing until it is done."""
    monkeypatch.setattr(config, "PRINT_PATIENTS", 8)
    sheets, store = ward
    kept = Prints(lambda: ABOUT)
    server = cast("Any", SimpleNamespace(prints=kept, sheets=sheets, store=store))
    asker = Asker(server, cast("Any", None), person(), READER, "en")
    seen: list[tuple[int, int]] = []

    def still(one: Print) -> bool:
        seen.append((one.done, len(one.parts)))
        return kept.is_kept(one)

    async def run() -> Print:
        found = await sheets.worklists("u1", access=person(), limit=1_000)
        assert found is not None
        patients = prints.of_list(found)
        begun = kept.begin("s", len(patients))
        await prints.make(asker, found, patients, begun, still)
        return begun

    one = asyncio.run(run())
    assert (one.failed, one.ready, one.done, one.of) == ("", True, 10, 10)
    assert seen == [(n, n // 8) for n in range(10)], (
        "it tells how far it is, and gives the first part before the last is made"
    )
    assert [part.patients for part in one.parts] == [8, 2]
    text = "\n".join(page.extract_text() for part in one.parts for page in PdfReader(io.BytesIO(part.pdf)).pages)
    for n in range(10):
        assert f"Family{n}\n" in text or f"Family{n} " in text, n
        assert f"Allergen{n}" in text, n
    _no_unit_beside(text, "Family7")
    for part, count in zip(one.parts, (8, 2), strict=True):
        assert len({touched.patient for touched in part.touched if touched.type == "AllergyIntolerance"}) == count
    assert kept.of("s", one.id) is one
    with pytest.raises(NotFound):
        kept.of("another", one.id)


def _no_unit_beside(text: str, name: str) -> None:
    """S24: no page of who is protected tells where that was printed, or which unit wrote it; all others do."""
    pages = re.split(r"(?<=Page \d of \d)", text)
    beside: dict[bool, list[bool]] = {name in page: [] for page in pages}
    for page in pages:
        beside[name in page].append("Ward" in page)
    assert len(beside[True]) == 3
    assert not any(beside[True])
    assert beside[False].count(True) >= 3 * 9


def test_a_print_that_nobody_waits_for_ends(ward: tuple[CopySheets, CopyStore]) -> None:
    """Broken: who presses the button ten times makes the ward's PC print ten times."""
    sheets, store = ward
    kept = Prints(lambda: ABOUT)
    asker = Asker(
        cast("Any", SimpleNamespace(prints=kept, sheets=sheets, store=store)), cast("Any", None), person(), READER, "en"
    )

    async def run() -> Print:
        found = await sheets.worklists("u1", access=person())
        assert found is not None
        old = kept.begin("s", 50)
        kept.begin("s", 50)
        await prints.make(asker, found, prints.of_list(found), old, kept.is_kept)
        return old

    one = asyncio.run(run())
    assert (one.done, one.parts, one.ready) == (0, [], False)


def test_a_sheet_that_cannot_be_made_is_a_page_that_says_so(ward: tuple[CopySheets, CopyStore]) -> None:
    """Broken: one broken patient keeps the paper of the whole ward away (S4)."""
    sheets, store = ward
    asker = Asker(
        cast("Any", SimpleNamespace(prints=Prints(lambda: ABOUT), sheets=sheets, store=store)), cast("Any", None), person(), READER, "en"
    )  # fmt: skip
    told = asyncio.run(prints._sheet(asker, "nobody"))
    assert told["number"] == "id nobody"
    assert "cannot be shown" in told["blocks"][0]["spans"][0][1]
    assert len(pages(content([told]))) >= 3
