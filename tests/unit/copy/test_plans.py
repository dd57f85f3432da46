"""How SQLite looks things up: a keyed search never walks a table."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.unit.copy.records import Followed

from vaka.access.filter import AccessFilter, program_filter, system_filter
from vaka.access.session import CLINICIAN, Assignment, Session
from vaka.copy.reader import Reader, Row
from vaka.copy.search import Searching
from vaka.fhir.query import parse_query
from vaka.store.aliases import Aliases
from vaka.store.page import Position

SESSION = Session("0" * 32, "h", "h", "H", Assignment("a", "u1", "p1", rights=CLINICIAN), 0, 0, "demo")
CALLERS = {
    "everything": system_filter("tests"),
    "a person": AccessFilter("person:h", session=SESSION),
    "a program": program_filter("p", "system/Observation.rs?category=laboratory system/Patient.rs system/*.s?_tag=x"),
    "a provider's program": program_filter("p", "system/*.rs", "p1"),
}
QUESTIONS = (
    "Observation?patient=1", "Observation?patient=1&category=laboratory&_sort=-date", "Patient?_id=1", "Patient?identifier=x|1",
    "Observation?patient=1&date=ge2024&date=lt2025&_total=accurate", "Encounter?date=ge2026-01-01&date=lt2026-01-02",
    "Encounter?date=ap2026-01-01", "Appointment?date=2026-01-01&_sort=date", "Patient?family=and", "Patient?name=a&birthdate=1970",
    "DocumentReference?_content=feber", "DocumentReference?patient=1&_content=feber&_sort=type", "Observation?code=a,b,c",
    "Observation?patient=1&encounter.status=finished", "Observation?patient.identifier=x|1", "Observation?_id=1,2,3",
    "Patient?_id=1&_has:Observation:patient:code=a", "Patient?_has:Observation:patient:_id=1", "Observation?patient=1&value-quantity=gt5",
    "Encounter?status=in-progress&service-provider=1&_sort=-date", "Observation?code:not=a&patient=1", "Patient?birthdate=lt1950",
    "Observation?patient=1&_lastUpdated=gt2026", "Observation?patient:Patient.name:contains=x&patient=1",
)  # fmt: skip
_WALKED = re.compile(r"^SCAN (?!VIRTUAL|CONSTANT|[acgp]\b|\w+ VIRTUAL TABLE|\(|\d)")


class Explained(Reader):
    """Keeps the plan of each statement."""

    plans: list[tuple[str, str]]

    def rows(self, text: str, values: Any) -> list[Row]:
        for row in self.connection.execute("EXPLAIN QUERY PLAN " + text, values):
            self.plans.append((str(row[3]), text))
        return super().rows(text, values)


@pytest.fixture(scope="module")
def reader() -> Explained:
    followed = Followed()
    followed.put([{"resourceType": "Patient", "id": "1"}])
    found = followed.reader
    return Explained(found.connection, found.codec, 1)


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("merged", [False, True])
def test_keyed_searches_walk_no_table(reader: Explained, question: str, caller: str, merged: bool) -> None:
    """Breaks if a condition, an order or an access rule is looked up by going through all rows of a table."""
    type_, _, text = question.partition("?")
    given = [(name, value) for name, _, value in (part.partition("=") for part in text.split("&"))]
    query = parse_query([type_], given, base_url="http://x/fhir", strict=True, now_us=0)
    reader.plans = []
    searching = Searching(reader, CALLERS[caller].anew(), Aliases({"a": "1"}) if merged else Aliases())
    searching.page(query, 10, Position(None))
    searching.page(query, 10, Position((0, "copy 1 1 1"), tuple(None for _ in query.sort), 1, 1))
    searching.included([1, 2, 3], 10)
    searching.current([1, 2])
    walked = {step: text for step, text in reader.plans if _WALKED.match(step)}
    assert not walked, walked
    assert len(reader.plans) > 5
