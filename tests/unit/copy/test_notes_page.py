"""What a search in notes shows of what it found."""

from __future__ import annotations

import orjson
import pytest

from vaka.copy.notes_page import hit_of, html_of, json_of
from vaka.copy.sheet.identity import identity
from vaka.copy.sheet.page import Reader
from vaka.store.through import now_us
from vaka.store.version import Action, Version


@pytest.mark.parametrize(("version_id", "pending"), [("r-6f1c", True), ("3", False)])
def test_a_note_in_reserve_is_marked(version_id: str, pending: bool) -> None:
    """Would break: a note that the journal may refuse looks like any other where it is searched for (S10)."""
    body = {
        "resourceType": "Composition", "id": "n1", "meta": {"versionId": version_id}, "status": "final", "title": "Anteckning",
        "date": "2026-11-29",
    }  # fmt: skip
    hit = hit_of(Version("Composition", "n1", 1, 1, 0, Action.CREATE, False, orjson.dumps(body), 1, 1), ["x"])
    who = identity("p1", b'{"resourceType": "Patient", "id": "p1"}')
    assert (
        json_of(who, "x", [hit], Reader("en", now_us(), now_us()), more=False)["notes"][0].get("pending", False)
        is pending
    )
    page = html_of(who, "x", [hit], Reader("en", now_us(), now_us()), more=False).decode()
    assert ("reserve entry" in page) is pending
