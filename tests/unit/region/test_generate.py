"""Larger regions made of the packaged one."""

from __future__ import annotations

import re
from datetime import date
from functools import cache
from itertools import islice
from typing import Any

import orjson
import pytest

from vaka.region.generate import generate
from vaka.region.numbers import is_published_test_number, is_valid
from vaka.region.template import load

_HEAD = re.compile(rb'"resourceType":"(\w+)","id":"([^"]+)"')
_REFERENCE = re.compile(rb'"reference":"([^"]+)"')
_TODAY = date(2026, 11, 23)


@cache
def _region(patients: int) -> tuple[tuple[str, bytes], ...]:
    return tuple(generate(patients, 3, _TODAY))


def _patients(patients: int) -> list[dict[str, Any]]:
    return [orjson.loads(text) for type_, text in _region(patients) if type_ == "Patient"]


@pytest.mark.parametrize("patients", [1, 40])
def test_as_many_patients_as_asked(patients: int) -> None:
    """A benchmark of another size than it says would be wrong by as much."""
    assert sum(type_ == "Patient" for type_, _ in generate(patients, 1, _TODAY)) == patients


def test_blocks_have_units_and_people_of_their_own() -> None:
    """An id that came twice would overwrite the first one on loading."""
    many = len(load().people) + 25
    keys = [text[: text.index(b",", text.index(b'"id"'))] for _, text in _region(many)]
    assert len(keys) == len(set(keys))
    wards = [orjson.loads(text) for type_, text in _region(many) if type_ == "Organization" and b"ava31" in text]
    assert [ward["id"] for ward in wards] == ["ava31", "ava31-2"]
    assert wards[0]["partOf"] == wards[1]["partOf"]


def test_references_hold_over_blocks() -> None:
    """A clone that referred to its template's people would mix records."""
    known: set[bytes] = set()
    for _, text in _region(len(load().people) + 25):
        known.add(b"%s/%s" % _HEAD.findall(text)[0])
        for reference in _REFERENCE.findall(text):
            assert reference in known, (text[:90], reference)


def test_numbers_are_unique_and_safe() -> None:
    """Two patients with one personnummer would be one to every search."""
    numbers = [one["value"] for patient in _patients(len(load().people) + 25) for one in patient["identifier"]]
    assert len(numbers) == len(set(numbers))
    assert all(
        is_published_test_number(number) or number.startswith("99") or not is_valid(number) for number in numbers
    )


def test_clones_are_other_people_than_the_demo_region() -> None:
    """A benchmark full of the same names would measure nothing of name search."""
    people = [patient["name"][0] for patient in _patients(len(load().people) + 25)]
    names = [(name["family"], name["given"][0]) for name in people]
    assert len(set(names)) > len(names) * 0.9


def test_same_seed_same_region_another_seed_another() -> None:
    """Figures of two runs could not be compared."""
    first = list(islice(generate(5, 7, _TODAY), 800))
    assert first == list(islice(generate(5, 7, _TODAY), 800))
    assert first != list(islice(generate(5, 8, _TODAY), 800))
