"""Times in words: date with weekday, age of data, age of a person. Sweden's time (S2, S6)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final

from vaka.copy.sheet.render import PACKAGE
from vaka.fhir.dates import ZONE
from vaka.texts import N_, texts_of

WEEKDAYS: Final = (
    N_("Monday"),
    N_("Tuesday"),
    N_("Wednesday"),
    N_("Thursday"),
    N_("Friday"),
    N_("Saturday"),
    N_("Sunday"),
)
_HOUR_S: Final = 3_600
_DAY_S: Final = 86_400


def local(at_us: int) -> datetime:
    """A moment on the clock of Sweden."""
    return datetime.fromtimestamp(at_us // 1_000_000, UTC).astimezone(ZONE)


@lru_cache(maxsize=1_024)
def _minute(minute: int, language: str) -> str:
    at = local(minute * 60_000_000)
    zone = f" ({at:%z})" if at.utcoffset() != at.replace(fold=1 - at.fold).utcoffset() else ""
    return f"{texts_of(PACKAGE, language).gettext(WEEKDAYS[at.weekday()])} {at:%Y-%m-%d %H:%M}{zone}"


def in_words(at_us: int, language: str) -> str:
    """``Sunday 2026-11-29 14:03``; with its offset in the hour that comes twice."""
    return _minute(at_us // 60_000_000, language)


def ago(seconds: float, language: str) -> str:
    """How old something is, in whole units, never rounded to younger than it is by more than one of them."""
    told = texts_of(PACKAGE, language)
    whole = max(0, int(seconds))
    if whole < 60:
        return told.gettext("less than a minute old")
    if whole < 2 * _HOUR_S:
        return told.gettext("%(count)s min old") % {"count": whole // 60}
    if whole < 2 * _DAY_S:
        return told.gettext("%(count)s hours old") % {"count": whole // _HOUR_S}
    return told.gettext("%(count)s days old") % {"count": whole // _DAY_S}


def age(born: str, today: date, language: str) -> str:
    """The age of who was born on ``born`` (a FHIR date, perhaps without day or month); empty where it cannot be told."""
    told = texts_of(PACKAGE, language)
    try:
        year, month, day = (int(part) for part in [*born.split("-"), "0", "0"][:3])
    except ValueError:
        return ""
    if not month or not day:
        if not 0 < year <= today.year:
            return ""
        years = today.year - year
        return told.gettext("about 1 year") if years == 1 else told.gettext("about %(count)s years") % {"count": years}
    try:
        birth = date(year, month, day)
    except ValueError:
        return ""
    days = (today - birth).days
    if days < 0:
        return ""
    months = (today.year - year) * 12 + today.month - month - (today.day < day)
    if days < 31:
        return told.gettext("1 day") if days == 1 else told.gettext("%(count)s days") % {"count": days}
    if months < 2:
        return told.gettext("1 month")
    if months < 24:
        return told.gettext("%(count)s months") % {"count": months}
    return told.gettext("%(count)s years") % {"count": months // 12}
