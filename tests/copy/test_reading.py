"""The tests of tests/api/test_reading.py, asked of a copy."""

from tests.api import test_reading
from tests.copied import asked_of_a_copy

globals().update(asked_of_a_copy(test_reading))
