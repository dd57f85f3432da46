"""May the patient see an entry online (J5): yes, no, or not before a date. Pure.

What a person has set for the entry counts; else the default of its kind, which a region can change here. Signing and
acknowledging bring forward what waits: who has seen it has had the time to talk with the patient first.
Source: PDL 5 kap. 5 § (direct access of the individual); the defaults follow the national rules for reading one's record
online (to be checked at the source).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from vaka import config
from vaka.fhir.dates import ZONE

YES: Final = "yes"
NO: Final = "no"
WHEN_SEEN: Final = "when-seen"
"""Once it is signed or acknowledged, at the latest after ``config.VISIBLE_AFTER_DAYS``."""

DEFAULTS: Final[Mapping[str, str]] = {
    "contact": YES,
    "diagnosis": WHEN_SEEN,
    "imaging": WHEN_SEEN,
    "laboratory": WHEN_SEEN,
    "medication": YES,
    "note": WHEN_SEEN,
    "observation": YES,
    "plan": YES,
    "referral": WHEN_SEEN,
    "vaccination": YES,
    "alert": YES,
    "person": YES,
    "consent": YES,
}
"""By kind of information (``access.ownership``); other kinds: no."""
PROTECTED_DEFAULT: Final = NO
"""Of a protected identity nothing that tells place and time is shown online unless a person says so (S24)."""
_TELLS_PLACE: Final = frozenset({"contact"})


@dataclass(frozen=True, slots=True)
class Visibility:
    """``visible`` now. ``not_before``: the day from which it is, where it waits. ``chosen``: a person has set it; else the
    default."""

    visible: bool
    not_before: date | None
    chosen: bool


def visibility(
    kind: str, *, seen: bool, received_us: int, today: date, chosen: str | None = None, protected: bool = False
) -> Visibility:
    """``seen``: signed or acknowledged; ``received_us``: when the version was received; ``chosen``: ``yes``, ``no`` or a
    date, as set; ``today`` in Stockholm."""
    if chosen is not None:
        if chosen in (YES, NO):
            return Visibility(chosen == YES, None, True)
        day = date.fromisoformat(chosen)
        return Visibility(today >= day, day, True)
    rule = DEFAULTS.get(kind, NO)
    if protected and kind in _TELLS_PLACE:
        rule = PROTECTED_DEFAULT
    if rule != WHEN_SEEN:
        return Visibility(rule == YES, None, False)
    if seen:
        return Visibility(True, None, False)
    received = datetime.fromtimestamp(received_us / 1_000_000, UTC).astimezone(ZONE).date()
    day = received + timedelta(days=config.VISIBLE_AFTER_DAYS)
    return Visibility(today >= day, day, False)
