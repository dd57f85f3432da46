"""A copy's access log tells by which rule what it gave out was permitted."""

from __future__ import annotations

from tests.access.test_permitted import require_rules
from tests.access.wards import Ward, ward
from tests.on_copy.conftest import Copied

from vaka.api.accesses import Address, record_of

__all__ = ["ward"]


def test_the_rules_of_lists_are_in_the_log(ward: Ward, journal: Copied) -> None:
    """Breaks if a reviewer cannot see on what ground somebody has searched at a copy."""
    require_rules(ward, lambda _: record_of("GET", Address("/fhir"), 200, journal.copy.asked, 1).rule)
