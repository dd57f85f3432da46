"""The tests of tests/access/test_settings.py, asked of a copy."""

from tests.access import test_settings
from tests.copied import asked_of_a_copy

globals().update(asked_of_a_copy(test_settings))
