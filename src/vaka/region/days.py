"""Local times of Sweden as FHIR texts, from a day and a time of day.

Invariants: a local time that does not exist (the hour lost in March) becomes the end of that hour; one that exists twice (the
hour won in October) is the first; so of two local times the later is never the earlier moment. Source: https://hl7.org/fhir/R4/datatypes.html#dateTime.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Europe/Stockholm")


def midnight(day: date) -> datetime:
    """The start of a local day."""
    return datetime.combine(day, time(0), ZONE)


def moment(ordinal: int, clock: str) -> datetime:
    """The moment of a local time; ``clock`` is ``hh:mm:ss``."""
    local = datetime.combine(date.fromordinal(ordinal), time.fromisoformat(clock), ZONE)
    found = local.astimezone(UTC).astimezone(ZONE)
    return found if found.hour == local.hour else found.replace(minute=0, second=0)


def text(when: datetime) -> bytes:
    """``2026-03-29T03:30:00+02:00``."""
    return when.astimezone(ZONE).isoformat(timespec="seconds").encode()


class _Dates(dict[int, bytes]):
    def __missing__(self, ordinal: int) -> bytes:
        self[ordinal] = value = date.fromordinal(ordinal).isoformat().encode()
        return value


class _Zones(dict[int, bytes]):
    """The zone of a whole day, ``b""`` where the clocks change on it."""

    def __missing__(self, ordinal: int) -> bytes:
        early, late = moment(ordinal, "00:00:00"), moment(ordinal, "23:59:59")
        self[ordinal] = value = text(early)[-6:] if early.utcoffset() == late.utcoffset() else b""
        return value


class Days:
    """Dates and dateTimes as bytes, remembered by day: rendering a region asks for millions."""

    def __init__(self) -> None:
        self.dates = _Dates()
        self.zones = _Zones()

    def date_time(self, ordinal: int, clock: bytes) -> bytes:
        """``clock`` is ``hh:mm:ss``, local time of Sweden."""
        zone = self.zones[ordinal]
        if not zone:
            return text(moment(ordinal, clock.decode()))
        return b"%sT%s%s" % (self.dates[ordinal], clock, zone)


def relative(now: datetime, minutes: int) -> bytes:
    """The dateTime ``minutes`` after ``now`` (before, where negative)."""
    return text(now + timedelta(minutes=minutes))
