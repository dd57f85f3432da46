"""A copy that cannot know whether blocks and consents still hold (A8, S20): what it hides, what it still shows, and that it says so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.access.wards import Ward, agreement, ward
from tests.client import entries
from tests.copied import Copy
from tests.on_copy.conftest import Copied

from vaka.copy.age import cannot_know

__all__ = ["ward"]


@pytest.fixture
def aged(journal: Copied) -> Iterator[Copy]:
    yield journal.copy
    journal.copy.aged = journal.copy.away = False


def rules(ward: Ward, unit: str) -> set[str]:
    """Under which rules there is something that is not shown."""
    told = ward.at(unit).get(f"/Patient/{ward.patient}/$access")
    assert told.status_code == 200, told.text
    return {
        part["valueCode"]
        for group in told.json().get("parameter", ())
        for part in group["part"]
        if part["name"] == "rule"
    }


def test_other_providers_information_is_hidden_by_age_but_in_an_emergency(ward: Ward, aged: Copy) -> None:
    """Breaks if a copy that has long not heard the journal relies on a consent of then, hides what is the own provider's, or keeps
    an emergency opening from working."""
    mine = ward.at("u")
    ward.api.make(agreement(ward, "u"))
    assert ward.open(mine, "provider", "q").status_code == 201
    assert ward.open(mine, "unit", "v").status_code == 201
    assert [ward.sees(mine, unit) for unit in "uvw"] == [True, True, True]
    aged.aged = True
    assert [ward.sees(mine, unit) for unit in "uvw"] == [True, True, False]
    found = {entry["resource"]["id"] for entry in entries(mine.bundle(f"/Observation?patient={ward.patient}"))}
    assert found == {ward.note("u"), ward.note("v")}
    assert rules(ward, "u") == {"a8-aged"}, "it is said that there is something, and why"
    emergency = ward.open(mine, "emergency", reason="unconscious, bleeding", no_consent="cannot answer")
    assert emergency.status_code == 201
    assert [ward.sees(mine, unit) for unit in "uvw"] == [True, True, True]
    other = ward.at("u", "k")
    assert not ward.sees(other, "w"), "an emergency opening is one person's"
    aged.aged = False
    assert rules(ward, "u") == set()


def test_an_outer_block_holds_in_an_emergency_on_aged_data_too(ward: Ward, aged: Copy) -> None:
    """Breaks if age opens what a block closes."""
    mine = ward.at("u")
    ward.api.make(agreement(ward, "w", deny="outer"))
    assert ward.open(mine, "emergency", reason="unconscious, bleeding", no_consent="cannot answer").status_code == 201
    for aged.aged in (False, True):
        assert [ward.sees(mine, unit) for unit in "uw"] == [True, False]


def test_what_is_hidden_is_not_there_while_the_journal_is_away(ward: Ward, aged: Copy) -> None:
    """Breaks if, with nobody to pass a request on to, a copy's answer tells hidden from missing."""
    mine = ward.at("u")
    assert ward.sees(mine, "u")
    aged.away = True
    for address in ("", "?_elements=id", "/_history/1"):
        hidden = mine.get(f"/Observation/{ward.note('w')}{address}")
        missing = mine.get(f"/Observation/{ward.note('x')}{address}")
        assert hidden.status_code == missing.status_code == (503 if "history" in address else 404), address
        assert hidden.text.replace(ward.note("w"), "ID") == missing.text.replace(ward.note("x"), "ID")
    assert mine.get(f"/Observation/{ward.note('u')}/_history/1").status_code == 200
    assert mine.get(f"/Observation/{ward.note('u')}/_history").status_code == 503


@pytest.mark.parametrize(
    ("age_s", "whole", "trusted", "expected"),
    [
        (0.0, True, True, False), (7 * 86_400.0, True, True, False), (7 * 86_400.0 + 1, True, True, True), (None, True, True, True),
        (0.0, False, True, True), (0.0, True, False, True),
    ],
)  # fmt: skip
def test_when_a_copy_cannot_know(age_s: float | None, whole: bool, trusted: bool, expected: bool) -> None:
    """Breaks if a copy relies on blocks that it may lack: too old, still catching up, or of another history."""
    assert cannot_know(age_s, whole=whole, trusted=trusted) is expected
