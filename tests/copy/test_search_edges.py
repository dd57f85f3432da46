"""The tests of tests/api/test_search_edges.py, asked of a copy."""

from tests.api import test_search_edges
from tests.copied import asked_of_a_copy

globals().update(asked_of_a_copy(test_search_edges))
