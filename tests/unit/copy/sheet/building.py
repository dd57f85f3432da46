"""Resources and fragments for tests of the sheet."""

from __future__ import annotations

import zlib
from typing import Any

import orjson

from vaka.copy.sheet import page
from vaka.copy.sheet.entry import Entry
from vaka.copy.sheet.fragment import Fragment, facts, fragment
from vaka.copy.sheet.identity import Identity
from vaka.copy.sheet.page import Hidden, Owned, Reader
from vaka.copy.sheet.stream import joined, unpacked

NOW_US = 1_795_957_380_000_000
"""Sunday 2026-11-29 14:03 in Sweden."""
READER = Reader("en", NOW_US, NOW_US - 30_000_000, 30.0, name="Lars Wikström", unit="Ward 35")
WHO = Identity("p1", "Rolf Lindberg", born="1948-03-14")
SNOMED = "http://snomed.info/sct"


def concept(text: str, code: str = "", system: str = SNOMED) -> dict[str, Any]:
    return {"text": text, **({"coding": [{"system": system, "code": code}]} if code else {})}


def entry(resource: dict[str, Any], n: int = 0, *, pending: bool = False) -> Entry:
    return Entry(resource["resourceType"], resource.get("id", f"i{n}"), orjson.dumps(resource), n, n, 1, pending)


def made(*resources: dict[str, Any]) -> Fragment:
    return fragment([entry({"id": f"i{n}", **resource}, n) for n, resource in enumerate(resources)])


def lines(found: Fragment, section: str) -> list[dict[str, Any]]:
    """The lines of a section, as JSON."""
    told: list[dict[str, Any]] = []
    for piece in found.pieces["json"]:
        if piece.section == section:
            told += orjson.loads(b"[" + unpacked(piece.part) + b"]")
    return told


def owned(found: Fragment, kind: str = "alert", form: str = "en", **more: Any) -> Owned:
    return Owned(
        "u1",
        "v1",
        kind,
        more.pop("label", "Ward 35"),
        found.pieces[form],
        *facts(found),
        **more,
    )


def as_html(
    *fragments: Owned, hidden: Hidden | None = None, reader: Reader = READER, who: Identity = WHO, aside: int = 0
) -> str:
    body = page.body(reader.language, who.id, fragments, hidden or Hidden(), reader.now_us)
    return zlib.decompress(joined(page.html(body, who, reader, aside=aside))).decode()


def as_json(
    *fragments: Owned, hidden: Hidden | None = None, reader: Reader = READER, who: Identity = WHO
) -> dict[str, Any]:
    body = page.json_body(fragments, hidden or Hidden(), reader.now_us)
    told: dict[str, Any] = orjson.loads(zlib.decompress(joined(page.json(body, who, reader))))
    return told


def section(told: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in told["sections"] if each["name"] == name)
    return found
