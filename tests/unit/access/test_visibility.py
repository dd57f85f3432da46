"""May the patient see it online (J5). access/visibility.py."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from vaka import config
from vaka.access.ownership import KINDS
from vaka.access.visibility import DEFAULTS, NO, WHEN_SEEN, YES, Visibility, visibility

RECEIVED = int(datetime(2026, 3, 1, 23, 30, tzinfo=UTC).timestamp() * 1_000_000)  # the 2nd in Stockholm
WAITS = date(2026, 3, 2 + config.VISIBLE_AFTER_DAYS)


def of(
    kind: str, *, seen: bool = False, today: date = date(2026, 3, 3), chosen: str | None = None, protected: bool = False
) -> Visibility:
    return visibility(kind, seen=seen, received_us=RECEIVED, today=today, chosen=chosen, protected=protected)


@pytest.mark.parametrize("kind", sorted(k for k, v in DEFAULTS.items() if v == WHEN_SEEN))
def test_what_waits_until_somebody_has_seen_it(kind: str) -> None:
    """Would break: a patient reads an answer before anybody can tell of it, or never."""
    assert of(kind) == Visibility(False, WAITS, False)
    assert of(kind, seen=True) == Visibility(True, None, False)
    assert of(kind, today=date(2026, 3, 1 + config.VISIBLE_AFTER_DAYS)) == Visibility(False, WAITS, False)
    assert of(kind, today=WAITS) == Visibility(True, WAITS, False)


def test_other_defaults() -> None:
    """Would break: what has no default is shown."""
    assert of("medication").visible
    assert not of("other").visible
    assert not of("a kind of tomorrow").visible
    assert of("contact").visible
    assert not of("contact", protected=True).visible, "S24: place and time are part of the secret"
    assert set(DEFAULTS.values()) <= {YES, NO, WHEN_SEEN}
    assert set(KINDS.values()) - DEFAULTS.keys() <= {"directory", "definition"}


def test_what_a_person_has_set_counts() -> None:
    """Would break: a decision is overruled by a default."""
    assert of("medication", chosen="no") == Visibility(False, None, True)
    assert of("laboratory", chosen="yes") == Visibility(True, None, True)
    assert of("laboratory", seen=True, chosen="2026-04-01") == Visibility(False, date(2026, 4, 1), True)
    assert of("laboratory", chosen="2026-03-03") == Visibility(True, date(2026, 3, 3), True)
    assert of("contact", protected=True, chosen="yes").visible
