"""The tests of tests/api/test_paging.py, asked of a copy."""

from tests.api import test_paging
from tests.copied import asked_of_a_copy

globals().update(asked_of_a_copy(test_paging))
