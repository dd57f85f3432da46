"""Texts unpacked: which bundles are taken apart, what belongs together, what is refused alone."""

from __future__ import annotations

from typing import Any

import orjson

from vaka.config import LOAD_COMMIT_MS
from vaka.load.items import Bundle, Item, unpack
from vaka.load.local import Pace
from vaka.load.report import Place, Refusal
from vaka.load.sources import Text


def units(content: dict[str, Any]) -> list[Item | Bundle | Refusal]:
    return list(unpack(Text(Place("f"), orjson.dumps(content), content.get("resourceType"))))


def entry(method: str, url: str, resource: dict[str, Any] | None = None, **request: str) -> dict[str, Any]:
    made: dict[str, Any] = {"request": {"method": method, "url": url, **request}}
    return {**made, "resource": resource} if resource else made


PATIENT = {"resourceType": "Patient", "id": "p"}


def test_a_document_stays_one_resource() -> None:
    """Breaks if a FHIR document, which is signed as a whole, is taken apart."""
    found = units({"resourceType": "Bundle", "id": "d", "type": "document", "entry": [{"resource": PATIENT}]})
    assert [type(one) for one in found] == [Item]
    assert isinstance(found[0], Item)
    assert found[0].parsed.type == "Bundle"


def test_a_batch_is_its_entries() -> None:
    """Breaks if a condition in a batch is passed over, a read is taken for a write, or one fault takes the others along."""
    flag = {"resourceType": "Flag"}
    found = units({
        "resourceType": "Bundle", "type": "batch",
        "entry": [
            entry("PUT", "Patient/p", PATIENT), entry("POST", "Flag", flag), entry("GET", "Patient/p"),
            entry("POST", "Flag", flag, ifNoneExist="identifier=1"), entry("PUT", "Patient/q", PATIENT),
            entry("DELETE", "Flag/1"), entry("PUT", "Patient/r", {"resourceType": "Patient", "id": "r"}, ifMatch='W/"1"'),
        ],
    })  # fmt: skip
    assert [type(one) for one in found] == [Item, Item, Bundle, Refusal, Bundle, Bundle]
    assert isinstance(found[0], Item)
    assert isinstance(found[1], Item)
    assert (found[0].made, found[1].made) == (False, True)
    assert [one.place.entry for one in found if not isinstance(one, Bundle)] == [0, 1, 4]


def test_a_searchset_gives_no_outcomes() -> None:
    """Breaks if what a search said about itself is loaded as a part of the record."""
    outcome = {"resource": {"resourceType": "OperationOutcome"}, "search": {"mode": "outcome"}}
    found = units({"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": PATIENT}, outcome, {}]})
    assert [one.place.entry for one in found if isinstance(one, Item)] == [0]
    assert len(found) == 1


def test_the_pace_follows_the_database() -> None:
    """Breaks if a slow database gets transactions that hold back the feed, or a fast one tiny ones."""
    pace = Pace()
    for _ in range(40):
        pace.took(pace.size(), pace.size() * 0.002)
    assert pace.size() * 2 <= LOAD_COMMIT_MS
    for _ in range(40):
        pace.took(pace.size(), pace.size() * 0.000_05)
    assert pace.size() == 1_000
