"""The tests of tests/access/test_refusals.py, asked of a copy."""

from tests.access import test_refusals
from tests.copied import asked_of_a_copy

globals().update(asked_of_a_copy(test_refusals))
