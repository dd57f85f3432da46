"""The tests of tests/api/test_merged.py, asked of a copy."""

from tests.api import test_merged
from tests.copied import asked_of_a_copy

_BUT = {
    "test_the_log_is_asked_for_both_ids": "it reads the journal's log",
    "test_a_long_answer_counts_for_whom_it_can_have_been_about": "it reads the journal's log",
}
globals().update(asked_of_a_copy(test_merged, but=_BUT))
