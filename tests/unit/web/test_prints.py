"""Pages of ours as blocks, and a ward on paper: whose each page is, where it begins and ends."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

from pypdf import PdfReader
from tests.unit.copy.sheet.building import NOW_US, READER, WHO, as_html, concept, made, owned
from tests.unit.copy.test_snapshot import ABOUT

from vaka.access.filter import system_filter
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
        "name": name, "number": number, "blocks": [one.told() for one in found], "allergies": ["Penicillin"], "warnings": [],
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
    assert len(charts) == 2
    assert all("Hypersensitivity: Penicillin" in page for page in charts)
    assert "New patient" in found[-1]


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
