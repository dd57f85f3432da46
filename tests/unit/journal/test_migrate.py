"""Which migrations are due: each once, in order, and none passed over."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from vaka.errors import Setup
from vaka.journal.migrate import due

KNOWN = [(1, "pre", "a"), (2, "pre", "b"), (3, "post", "c"), (4, "pre", "d"), (5, "post", "e")]


def numbers(applied: Iterable[int], phase: str) -> list[int]:
    return [number for number, _ in due(KNOWN, set(applied), phase)]


def test_what_is_missing_of_a_phase_is_due_in_order() -> None:
    """Breaks if a migration runs twice, or never: one of ``post`` waits while later ones of ``pre`` run."""
    assert numbers([], "pre") == [1, 2, 4]
    assert numbers([1, 2, 4], "post") == [3, 5]
    assert numbers([1, 2, 3], "pre") == [4]
    assert numbers([1, 2, 3, 4], "post") == [5]
    assert numbers([1, 2, 3, 4, 5], "pre") == numbers([1, 2, 3, 4, 5], "post") == []


@pytest.mark.parametrize(("applied", "phase", "skipped"), [((1, 4), "pre", "2"), ((4,), "pre", "1, 2"), ((1, 3), "pre", "2"), ((1, 2, 4, 5), "post", "3")])  # fmt: skip
def test_one_that_was_passed_over_is_refused(applied: tuple[int, ...], phase: str, skipped: str) -> None:
    """Breaks if a release is served by a schema that lacks a part, after two lines of work met."""
    with pytest.raises(Setup, match=f"never had {skipped}$"):
        due(KNOWN, set(applied), phase)
