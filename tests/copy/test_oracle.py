"""The questions of tests/access, asked of a copy, against the same oracle."""

from __future__ import annotations

import pytest
from tests.access.test_oracle import _run
from tests.client import Api
from tests.copy.conftest import Copied

PAIRS, WORLDS = 2_000, 4


@pytest.mark.timeout(900)
def test_people_see_on_a_copy_what_the_rules_say(journal: Copied, api: Api) -> None:
    """Breaks if a copy shows more, or less, than the oracle allows; or if it passes on what it has to answer."""
    before = journal.copy.answered.copy()
    _run(journal, api, PAIRS, WORLDS)
    answered = journal.copy.answered - before
    assert answered["copy"] > 2 * answered["journal"], answered


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_people_see_on_a_copy_what_the_rules_say_at_length(journal: Copied, api: Api) -> None:
    """Breaks as above, in rarer cases: a tenth of the journal's questions."""
    _run(journal, api, PAIRS * 5, WORLDS * 5)
