"""What a search says of what a copy could not interpret (S4)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import orjson

from vaka.api.interactions.search import searchset
from vaka.fhir.query import parse_query
from vaka.store.page import Page
from vaka.store.version import Action, Version


def test_a_search_says_what_is_missed_and_what_is_superseded() -> None:
    """Breaks if the older version of what cannot be interpreted is given as if it were current, or what is missed is not told."""

    def version(type_: str, *, superseded: bool) -> Version:
        body = orjson.dumps({"resourceType": type_, "id": "a"})
        return Version(type_, "a", 1, 1, 0, Action.CREATE, False, body, 1, 1, superseded=superseded)

    def told(matches: list[Version], extra: list[Version], aside: int) -> list[str]:
        query = parse_query(["Flag"], [], base_url="http://x/fhir", strict=True)
        server: Any = SimpleNamespace()
        request: Any = SimpleNamespace(base_url="http://x/fhir")
        bundle = orjson.loads(
            searchset(server, request, query, Page(tuple(matches), None, 1, aside), extra, [], "Flag", None)
        )
        outcomes = [one["resource"] for one in bundle["entry"] if one["search"]["mode"] == "outcome"]
        return [issue["details"]["text"] for one in outcomes for issue in one["issue"]]

    fresh, old = version("Flag", superseded=False), version("Flag", superseded=True)
    assert told([fresh], [fresh], 0) == []
    (one,) = told([fresh], [], 1)
    assert one.startswith("1 item cannot be shown")
    both = told([old], [version("Medication", superseded=True)], 0)
    assert [text.partition(" is superseded by a version that cannot be shown")[0] for text in both] == [
        "Flag/a",
        "Medication/a",
    ]
