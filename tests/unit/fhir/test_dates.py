"""Dates as ranges: precision, zones, daylight saving, the ends of the calendar."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaka.fhir.dates import DAY_US, SECOND_US, parse

HOUR_US = 3600 * SECOND_US


def us(*parts: int) -> int:
    """Microseconds of a time in UTC."""
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * SECOND_US  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("2024", us(2023, 12, 31, 23), us(2024, 12, 31, 23)),
        ("2024-02", us(2024, 1, 31, 23), us(2024, 2, 29, 23)),
        ("2024-12", us(2024, 11, 30, 23), us(2024, 12, 31, 23)),
        ("2024-07-01", us(2024, 6, 30, 22), us(2024, 7, 1, 22)),
        ("2024-07-01T10:00:00", us(2024, 7, 1, 8), us(2024, 7, 1, 8, 0, 1)),
        ("2024-07-01T10:00", us(2024, 7, 1, 8), us(2024, 7, 1, 8, 1)),
        ("2024-07-01T10:00Z", us(2024, 7, 1, 10), us(2024, 7, 1, 10, 1)),
        ("2024-07-01T10:00:00+05:30", us(2024, 7, 1, 4, 30), us(2024, 7, 1, 4, 30, 1)),
        ("2024-07-01T10:00:00-08:00", us(2024, 7, 1, 18), us(2024, 7, 1, 18, 0, 1)),
        ("2024-07-01T23:59:60Z", us(2024, 7, 1, 23, 59, 59), us(2024, 7, 2)),
    ],
)
def test_range(text: str, low: int, high: int) -> None:
    """A search by date would find the neighbours or miss the day."""
    assert parse(text) == (low, high)


@pytest.mark.parametrize(
    ("text", "length"),
    [(".1", 100_000), (".123", 1_000), (".123456", 1), (".1234567891", 1)],
)
def test_fractions(text: str, length: int) -> None:
    """An instant would cover more or less than its digits say."""
    low, high = parse(f"2024-01-01T00:00:00{text}Z") or (0, 0)
    assert high - low == length
    assert low - us(2024, 1, 1) == int(text[1:7].ljust(6, "0"))


def test_daylight_saving() -> None:
    """The days of 23 and 25 hours, and the hour that the clock shows twice or never."""
    spring, autumn = parse("2024-03-31"), parse("2024-10-27")
    assert spring == (us(2024, 3, 30, 23), us(2024, 3, 31, 22))
    assert autumn == (us(2024, 10, 26, 22), us(2024, 10, 27, 23))
    assert parse("2024-10-27T02:30:00") == (us(2024, 10, 27, 0, 30), us(2024, 10, 27, 1, 30, 1))
    assert parse("2024-03-31T02:30:00") == (us(2024, 3, 31, 1, 30), us(2024, 3, 31, 1, 30, 1))


def test_ends_of_the_calendar() -> None:
    """The years 1 and 9999 would overflow."""
    first, last = parse("0001"), parse("9999")
    assert first is not None
    assert last is not None
    assert first[0] < us(1, 1, 1) < first[1]
    assert last[1] == (parse("9999-12-31") or (0, 0))[1] == (parse("9999-12") or (0, 0))[1]
    assert last[1] == us(9999, 12, 31, 23) and last[1] > last[0] + 364 * DAY_US


@pytest.mark.parametrize(
    "text",
    ["", "2024-13", "2024-02-30", "2023-02-29", "0000", "24", "2024-1-1", "2024-01-01T24:00:00Z", "2024-01-01T10", "x",
     "2024-01-01T10:00:61Z", "2024-01-01T10:00:00+15:00", "2024-01-01Z", "2024-01-01T10:00:00Z ", "٢٠٢٤"],
)  # fmt: skip
def test_no_date(text: str) -> None:
    """What is no date of the calendar would be indexed as one."""
    assert parse(text) is None


@given(st.text())
def test_never_raises(text: str) -> None:
    """A strange text would stop a write."""
    parse(text)


@given(st.dates())
def test_days_touch(day: object) -> None:
    """Between two days a moment would belong to none, or to both."""
    from datetime import date, timedelta

    assert isinstance(day, date)
    if day == date.max:
        return
    today, tomorrow = parse(day.isoformat()), parse((day + timedelta(days=1)).isoformat())
    month, year = parse(day.isoformat()[:7]), parse(day.isoformat()[:4])
    assert today and tomorrow and month and year
    assert today[1] == tomorrow[0]
    assert year[0] <= month[0] <= today[0] < today[1] <= month[1] <= year[1]
