"""The tests of tests/access/test_leaks.py, asked of a copy."""

from tests.access import test_leaks
from tests.copied import asked_of_a_copy

globals().update(asked_of_a_copy(test_leaks))
