"""The tests of tests/api/test_merged.py, asked of a copy."""

from tests.api import test_merged
from tests.copied import asked_of_a_copy

globals().update(asked_of_a_copy(test_merged))
