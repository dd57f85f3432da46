"""The tests of tests/api/test_differential.py, asked of a copy."""

from tests.api import test_differential
from tests.copied import asked_of_a_copy

globals().update(asked_of_a_copy(test_differential))
