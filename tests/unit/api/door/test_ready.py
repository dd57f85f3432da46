"""What /ready of a copy says of where a write would stand."""

from __future__ import annotations

import pytest

from vaka.api.door.door import Safety
from vaka.api.door.ready import reserve


@pytest.mark.parametrize(
    ("safety", "words"),
    [
        (Safety(1, "people", alone=True), ("this copy is alone", "programs get 503", "copies=1")),
        (Safety(1, "nobody", alone=True), ("this copy is alone", "nothing can be written", "copies=1")),
        (Safety(1, "all", alone=False), ("no neighbour of this copy can be reached", "this disk alone", "copies=1")),
    ],
)
def test_a_copy_that_is_alone_says_so(safety: Safety, words: tuple[str, ...]) -> None:
    """Would break S15: who runs a site learns only during a stop that what is written there stands on one disk."""
    told = reserve(safety)
    assert (told["copies"], told["takes"], told["alone"]) == (1, safety.takes, safety.alone)
    assert all(word in told["says"] for word in words)


def test_with_a_neighbour_there_is_nothing_to_say() -> None:
    """Would break: a warning that always stands is read by nobody."""
    assert reserve(Safety(2, "all", alone=False)) == {"copies": 2, "takes": "all", "alone": False}
