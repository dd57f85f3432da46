"""A copy's access log tells by which rule what it gave out was permitted."""

from __future__ import annotations

import httpx
from tests.access.test_permitted import last_rule, require_rules
from tests.access.wards import Ward, ward
from tests.copied import ANSWERED_BY
from tests.on_copy.conftest import Copied

from vaka.api.accesses import Address, record_of

__all__ = ["ward"]


def test_the_rules_of_lists_are_in_the_log(ward: Ward, journal: Copied) -> None:
    """Breaks if a reviewer cannot see on what ground somebody has searched at a copy."""
    here = 0

    def logged(answer: httpx.Response) -> str:
        nonlocal here
        if answer.headers.get(ANSWERED_BY) != "copy":
            return last_rule(ward)  # who answers, logs
        here += 1
        return record_of("GET", Address("/fhir"), 200, journal.copy.asked, 1).rule

    require_rules(ward, logged)
    assert here > 6
