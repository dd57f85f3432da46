"""The three times of an entry (S6, J4). fhir/times.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from vaka.access.law import SIGNED
from vaka.fhir import definitions
from vaka.fhir.times import _HAPPENED, _RECORDED, CLINICAL, Times, in_words, times_of

FIRST, LAST = "2026-03-01T10:00:00.000Z", "2026-03-02T10:00:00.000Z"


def of(resource: dict[str, Any]) -> Times:
    return times_of(resource, first_saved=FIRST, received=LAST)


def test_each_is_taken_from_its_own_element() -> None:
    """Would break: when it was written down is taken for when it happened."""
    lab = {"resourceType": "Observation", "effectiveDateTime": "2026-02-28", "issued": "2026-02-28T12:00:00+01:00"}
    assert of(lab) == Times("2026-02-28", "2026-02-28T12:00:00+01:00", LAST, True)
    assert of({"resourceType": "Observation", "effectivePeriod": {"start": "2026"}}) == Times(
        "2026", FIRST, LAST, False
    )
    assert of({"resourceType": "Condition"}) == Times(None, FIRST, LAST, False)
    event = {"resourceType": "Composition", "date": "2026-03-01", "event": [{"period": {"start": "2026-02-01"}}, 7]}
    assert of(event) == Times("2026-02-01", "2026-03-01", LAST, True)
    assert of({"resourceType": "Basic"}) == Times(None, FIRST, LAST, False)
    assert (
        of({"resourceType": "Observation", "effectiveDateTime": 7, "effectivePeriod": [], "issued": None}).happened
        is None
    )


@pytest.mark.parametrize("table", [_HAPPENED, _RECORDED], ids=["happened", "recorded"])
def test_every_path_is_one_of_the_type(table: Mapping[str, tuple[str, ...]]) -> None:
    """Would break: a time is looked for where FHIR has none, and is never found."""
    for type_, paths in table.items():
        for path in paths:
            at = type_
            for name in path.split("."):
                found = element(at, name)
                assert found is not None, f"{type_}.{path}"
                at = found
            assert at in ("date", "dateTime", "instant"), f"{type_}.{path} is a {at}"


def element(type_: str, name: str) -> str | None:
    """The type of a member, a choice by its name in JSON; None if there is none."""
    found = definitions.structure(type_).properties.get(name)
    return found[1] if found is not None else None


def test_all_that_is_signed_has_times() -> None:
    """Would break: an entry whose times cannot be asked for."""
    assert SIGNED.keys() <= CLINICAL


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2026", "2026"), ("2026-03", "2026-03"), ("2026-03-01", "2026-03-01"),
        ("2026-03-01T10:00:00Z", "2026-03-01 11:00"), ("2026-07-01T10:00:00.123Z", "2026-07-01 12:00"),
        ("2026-07-01T23:30:00-04:00", "2026-07-02 05:30"), ("2026-03-01T10:00:00", "2026-03-01 10:00"),
        ("2026-10-25T00:30:00Z", "2026-10-25 02:30 (+02:00)"), ("2026-10-25T01:30:00Z", "2026-10-25 02:30 (+01:00)"),
        ("2026-10-25T02:00:00+02:00", "2026-10-25 02:00 (+02:00)"), ("2026-10-24T23:59:00Z", "2026-10-25 01:59"),
        ("2026-10-25T02:00:00Z", "2026-10-25 03:00"), ("2026-10-25T02:30:00", "2026-10-25 02:30 (summer or winter time not told)"),
        ("2026-03-29T01:00:00Z", "2026-03-29 03:00"), ("2026-03-29T02:30:00", "2026-03-29 02:30"), ("nonsense", "nonsense"),
    ],
)  # fmt: skip
def test_times_as_people_read_them(text: str, shown: str) -> None:
    """Would break: two o'clock twice in one night looks like one time; a date gets a time that nobody wrote (S6)."""
    assert in_words(text) == shown


def test_what_was_entered_from_paper_was_recorded_when_it_was_entered() -> None:
    """Would break S13: the time on the paper would pass for when it was entered, and the three times would be two."""
    tagged = {"meta": {"tag": [{"system": "urn:x-vaka:entered", "code": "from-paper"}]}}
    note = {"resourceType": "Composition", "date": "2026-02-28T22:00:00+01:00", **tagged}
    assert of(note) == Times("2026-02-28T22:00:00+01:00", FIRST, LAST, False)
    allergy = {"resourceType": "AllergyIntolerance", "recordedDate": "2026-02-28", **tagged}
    assert of(allergy) == Times("2026-02-28", FIRST, LAST, False)
