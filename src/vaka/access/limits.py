"""Times of access that the law leaves to the care provider, named in one place."""

from __future__ import annotations

from typing import Final

_DAY_US: Final = 86_400 * 1_000_000

RELATION_BEFORE_US: Final = 14 * _DAY_US
"""A planned contact opens the record for its preparation this long before."""
RELATION_AFTER_US: Final = 90 * _DAY_US
"""Answers, letters and follow-up come this long after a contact; then the care relation has ended (A2)."""
ATTESTED_DAYS: Final = 30
"""A care relation that a person attests ends after this, and can be attested again."""
CHOICE_HOURS: Final = 12
"""An active choice (A3, A4) counts for this long: a working shift."""
EMERGENCY_MAX_HOURS: Final = 12
"""S22: one patient, one person, at most 12 h."""
LIFT_MAX_HOURS: Final = 24
"""How long an inner block stays lifted on a person's attested reason (A6)."""
REASON_MIN_CHARS: Final = 10
"""A reason in words is more than a full stop."""
REASON_MAX_CHARS: Final = 500
