"""The tests of tests/access/test_opening.py, asked of a copy."""

from tests.access import test_opening
from tests.copied import asked_of_a_copy

_BUT = {
    "test_an_emergency_needs_both_reasons_and_ends": "it changes the database, unseen by the copy under test",
}
globals().update(asked_of_a_copy(test_opening, but=_BUT))
