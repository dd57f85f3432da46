"""FHIR dates as half-open ranges of microseconds UTC since 1970 (https://hl7.org/fhir/R4/search.html#date).

``2024`` covers the year, ``2024-03-01T10:00:00Z`` one second, ``…00.123Z`` one millisecond. What has no zone is read in
Europe/Stockholm, the region's (S6); a time that the clock shows twice in autumn covers both. Nothing raises: a text
that is no date gives ``None``.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

ZONE: Final = ZoneInfo("Europe/Stockholm")
SECOND_US: Final = 1_000_000
DAY_US: Final = 86_400 * SECOND_US
_EPOCH_DAY: Final = datetime(1970, 1, 1).toordinal()  # noqa: DTZ001 - a calendar day
_TEXT: Final = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?)?)?)?", re.ASCII
)
# The end of the year 9999 in Stockholm.
_END_US: Final = (datetime(9999, 12, 31).toordinal() + 1 - _EPOCH_DAY) * DAY_US - 3_600 * SECOND_US  # noqa: DTZ001
_MICROSECOND: Final = timedelta(microseconds=1)


def _naive_us(moment: datetime) -> int:
    """Microseconds of a wall clock time as if it were UTC."""
    day = moment.toordinal() - _EPOCH_DAY
    seconds = (day * 24 + moment.hour) * 3600 + moment.minute * 60 + moment.second
    return seconds * SECOND_US + moment.microsecond


def _local_us(moment: datetime, fold: int = 0) -> int:
    """Microseconds UTC of a wall clock time in Stockholm; ``fold=1``: the second time that the clock shows it."""
    offset = moment.replace(tzinfo=ZONE, fold=fold).utcoffset()
    return _naive_us(moment) - (offset // _MICROSECOND if offset is not None else 0)


def _day_after(year: int, month: int | None, day: int | None) -> datetime | None:
    """The first day after a year, month or day; None after the year 9999."""
    if day is not None and month is not None:
        start = datetime(year, month, day)  # noqa: DTZ001 - wall clock
        return start + timedelta(days=1) if (year, month, day) != (9999, 12, 31) else None
    if month is None or month == 12:
        return datetime(year + 1, 1, 1) if year < 9999 else None  # noqa: DTZ001 - wall clock
    return datetime(year, month + 1, 1)  # noqa: DTZ001 - wall clock


@lru_cache(maxsize=8_192)
def parse(text: str) -> tuple[int, int] | None:
    """The range ``[low, high)`` in microseconds that a date, dateTime or instant, however partial, covers.

    Minutes may stand without seconds, as requests write them. None if ``text`` is no date of the calendar."""
    found = _TEXT.fullmatch(text)
    if not found:
        return None
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    try:
        if hour is None:
            parts = int(year), int(month) if month else None, int(day) if day else None
            low = _local_us(datetime(parts[0], parts[1] or 1, parts[2] or 1))  # noqa: DTZ001 - wall clock
            after = _day_after(*parts)
            return low, _local_us(after) if after else _END_US
        # A leap second is the last second of its minute.
        seconds = min(int(second), 59) if second and int(second) <= 60 else int(second or 0)
        microseconds = int((fraction or "0")[:6].ljust(6, "0"))
        moment = datetime(  # noqa: DTZ001 - wall clock
            int(year), int(month), int(day), int(hour), int(minute), seconds, microseconds
        )
    except ValueError:
        return None
    length = 60 * SECOND_US if second is None else 10 ** (6 - min(len(fraction or ""), 6))
    if zone is None:
        return _local_us(moment), max(_local_us(moment), _local_us(moment, fold=1)) + length
    if zone == "Z":
        offset = 0
    else:
        if int(zone[1:3]) > 14 or int(zone[4:]) > 59:
            return None
        offset = (int(zone[1:3]) * 60 + int(zone[4:])) * 60 * SECOND_US
        offset = -offset if zone[0] == "-" else offset
    low = _naive_us(moment) - offset
    return low, low + length
