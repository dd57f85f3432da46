"""What a condition finds among the resources that a transaction is about to write."""

from __future__ import annotations

from typing import Any

import pytest

from vaka.fhir.coming import Coming
from vaka.fhir.query import parse_query

PATIENTS: dict[int, tuple[str | None, dict[str, Any]]] = {
    3: (None, {"resourceType": "Patient", "identifier": [{"system": "s", "value": "1"}], "name": [{"family": "Ek"}]}),
    5: ("b", {"resourceType": "Patient", "identifier": [{"value": "1"}], "birthDate": "1980-01-01", "id": "b"}),
    8: (None, {"resourceType": "Flag", "identifier": [{"system": "s", "value": "1"}]}),
}


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("identifier=s|1", [3]),
        ("identifier=1", [3, 5]),
        ("identifier=s|1,1&birthdate=1980", [5]),
        ("identifier:not=s|1", [5]),
        ("identifier=s|2", []),
        ("family=ek", [3]),
        ("birthdate:missing=true", [3]),
        ("_id=b", [5]),
        ("_lastUpdated=ge2024", [3, 5]),
        ("organization.name=x", []),
        ("identifier=1&organization:missing=true", [3, 5]),
        ("_has:Flag:patient:identifier=1", []),
    ],
)
def test_a_condition_is_asked_of_content_alone(condition: str, found: list[int]) -> None:
    """Would break: a reference would lead to another entry than the one that its condition describes."""
    pairs = [(name, value) for name, _, value in (part.partition("=") for part in condition.split("&"))]
    query = parse_query(["Patient"], pairs, base_url="", strict=True)
    assert sorted(Coming(PATIENTS, 1_800_000_000_000_000).matching(query)) == found
