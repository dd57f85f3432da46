"""Local times of Sweden, above all on the days when the clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from vaka.region.days import Days, midnight, moment, relative, text


@pytest.mark.parametrize(
    ("day", "clock", "expected"),
    [
        (date(2026, 1, 15), b"08:30:00", b"2026-01-15T08:30:00+01:00"),
        (date(2026, 7, 15), b"08:30:00", b"2026-07-15T08:30:00+02:00"),
        # Spring: 02:30 does not exist; before and after it the day has two offsets.
        (date(2026, 3, 29), b"01:59:00", b"2026-03-29T01:59:00+01:00"),
        (date(2026, 3, 29), b"02:30:00", b"2026-03-29T03:00:00+02:00"),
        (date(2026, 3, 29), b"08:00:00", b"2026-03-29T08:00:00+02:00"),
        # Autumn: 02:30 comes twice; the first is meant.
        (date(2026, 10, 25), b"01:30:00", b"2026-10-25T01:30:00+02:00"),
        (date(2026, 10, 25), b"02:30:00", b"2026-10-25T02:30:00+02:00"),
        (date(2026, 10, 25), b"03:00:00", b"2026-10-25T03:00:00+01:00"),
        # Before 1980 Sweden had no summer time.
        (date(1975, 7, 1), b"12:00:00", b"1975-07-01T12:00:00+01:00"),
    ],
)
def test_local_time_has_the_offset_of_its_day(day: date, clock: bytes, expected: bytes) -> None:
    """A fixed offset would move every dose by an hour for half of the year."""
    assert Days().date_time(day.toordinal(), clock) == expected


def test_every_text_is_the_moment_that_it_says() -> None:
    """Text and moment made by two rules would order a record differently on the days of change."""
    days = Days()
    for ordinal in range(date(2025, 1, 1).toordinal(), date(2027, 1, 1).toordinal()):
        for clock in ("00:00:00", "02:00:00", "02:59:00", "03:00:00", "23:59:00"):
            written = datetime.fromisoformat(days.date_time(ordinal, clock.encode()).decode())
            assert written.timestamp() == moment(ordinal, clock).timestamp()


def test_relative_times_are_elapsed_time() -> None:
    """Minutes counted on the wall clock would give a dose an hour more or less over the change."""
    now = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert relative(now, -60) == b"2026-03-29T01:30:00+01:00"
    assert relative(now, 0) == b"2026-03-29T03:30:00+02:00"


def test_midnight_is_local() -> None:
    """Midnight in UTC would show what is going to happen tonight as done."""
    assert text(midnight(date(2026, 7, 1))) == b"2026-07-01T00:00:00+02:00"


@pytest.mark.parametrize("day", [date(2026, 3, 29), date(2026, 10, 25)])
def test_what_begins_before_it_ends_does_so_in_every_night(day: date) -> None:
    """Broken: a stay that begins in the hour that is lost ends before it; a million resources are not loaded for one."""
    clocks = [f"{minute // 60:02}:{minute % 60:02}:30" for minute in range(24 * 60)]
    moments = [moment(day.toordinal(), clock) for clock in clocks]
    assert moments == sorted(moments)
