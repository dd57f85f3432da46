"""The tests of tests/api/test_merged_openings.py, asked of a copy."""

from tests.api import test_merged_openings
from tests.copied import asked_of_a_copy

_BUT = {
    "test_a_merge_that_is_too_large_is_refused_whole": "it merges beside the journal's API, unseen by the copy under test",
}
globals().update(asked_of_a_copy(test_merged_openings, but=_BUT))
