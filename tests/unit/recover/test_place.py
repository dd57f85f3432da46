"""Which backup, which WAL: the rules of the second place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaka import errors
from vaka.recover import backup
from vaka.recover import place as places
from vaka.recover.place import SEGMENT_BYTES, Base, Segment

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def base(hours: int, segment: int = 1) -> Base:
    began = T0 + timedelta(hours=hours)
    at = segment * SEGMENT_BYTES
    return Base(f"b{hours}", began, began + timedelta(minutes=1), 1, at, at + 1, 1)


@given(st.integers(1, 0xFFFFFFFF), st.integers(0, 2**40 - 1))
def test_names_of_segments_are_read_back(timeline: int, number: int) -> None:
    """Broken: WAL is looked for under another name than PostgreSQL gives it."""
    segment = Segment(timeline, number)
    assert places.segment_of(segment.name) == segment
    assert places.segment_of(segment.name + ".partial") == Segment(timeline, number, True)


def test_name_as_postgresql_writes_it() -> None:
    """Broken: the carry from the second to the third part is wrong."""
    assert Segment(1, 256).name == "000000010000000100000000"
    assert places.segment_of("00000002.history") is None
    assert places.lsn("1/2000000") == 0x1_0200_0000


def test_a_hole_is_found() -> None:
    """Broken: an archive that cannot be restored from is called sound."""
    found = [Segment(1, 5), Segment(1, 6), Segment(2, 9, True)]
    assert places.missing(found) == [Segment(1, 7), Segment(1, 8)]
    assert places.missing([Segment(1, 5), Segment(2, 6)]) == []
    assert places.missing([]) == []


@pytest.mark.parametrize(
    ("last", "server", "goes_on"),
    [
        (None, [], True),
        (Segment(1, 5), [Segment(1, 6).name], True),
        (Segment(1, 5), [Segment(1, 5).name], True),
        (Segment(1, 5, True), [Segment(1, 5).name], True),
        (Segment(1, 5, True), [Segment(1, 6).name], False),
        (Segment(1, 5), [Segment(1, 7).name], False),
        (Segment(1, 5), [Segment(2, 6).name], False),
    ],
)
def test_a_receiver_goes_on_only_without_a_gap(last: Segment | None, server: list[str], goes_on: bool) -> None:
    """Broken: WAL is missing between two files that lie side by side."""
    assert places.continues(last, server) is goes_on


def test_the_newest_base_that_had_ended() -> None:
    """Broken: a restore to a time begins from a base that is newer than it."""
    bases = [base(0), base(24), base(48)]
    assert places.wanted(bases, None) == bases[2]
    assert places.wanted(bases, bases[1].ended) == bases[1]
    assert places.wanted(bases, bases[1].ended - timedelta(microseconds=1)) == bases[0]
    with pytest.raises(errors.NotFound):
        places.wanted(bases, T0)
    with pytest.raises(errors.NotFound):
        places.wanted([], None)


@given(st.integers(-1, 6), st.integers(0, 6))
def test_the_last_base_is_never_surplus(keep: int, count: int) -> None:
    """Broken: retention removes the only backup."""
    bases = [base(24 * n) for n in range(count)]
    left = [b for b in bases if b not in places.surplus(bases, keep)]
    assert left == bases[max(count - max(keep, 1), 0) :]


def test_wal_goes_only_when_no_base_needs_it() -> None:
    """Broken: a kept base has lost the WAL that makes it whole."""
    found = [Segment(1, n) for n in range(10)]
    kept = [base(48, segment=7), base(24, segment=4)]
    assert places.unneeded(found, kept) == found[:4]
    assert places.unneeded(found, []) == []


def test_when_a_base_is_due() -> None:
    """Broken: no backup is made, or one every few seconds."""
    fresh = base(0)
    assert backup.due([], T0, T0)
    assert backup.due([fresh], T0 - timedelta(1), fresh.ended) is None
    assert backup.due([fresh], T0 + timedelta(seconds=1), fresh.ended)
    assert backup.due([fresh], T0 - timedelta(1), fresh.ended + backup.BASE_EVERY + timedelta(seconds=1))


def test_a_base_that_is_being_made_is_not_listed(tmp_path: Path) -> None:
    """Broken: a restore begins from half a backup."""
    place = places.Place(tmp_path, "1")
    for name in (".new-b24", "2026"):
        (place.base / name).mkdir(parents=True)
        place.write_base(place.base / name, base(24))
    assert len(place.bases()) == 1
    assert place.bases() == [base(24)]
