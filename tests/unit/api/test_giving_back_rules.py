"""What is done with a version that the journal lost: the rule, from every state that the journal can be in."""

from __future__ import annotations

import pytest

from vaka.api.reserve.giving_back import Standing, Step, decide


def standing(number: int, epoch: int = 1, *, same: bool = False, given_back: bool = False) -> Standing:
    return Standing(number, epoch, same, given_back)


@pytest.mark.parametrize(
    ("found", "step"),
    [
        (None, Step.WRITE),
        (standing(2), Step.WRITE),
        (standing(4), Step.HELD),
        (standing(3, same=True), Step.HELD),
        (standing(3), Step.TASK),
        (standing(2, 2), Step.TASK),
        (standing(9, 2), Step.TASK),
        (standing(9, 2, same=True), Step.HELD),
        (standing(3, 2, given_back=True), Step.HELD),
        (standing(4, 2, given_back=True), Step.HELD),
        (standing(2, 2, given_back=True), Step.WRITE),
    ],
)
def test_version_3_of_epoch_1_overwrites_nothing_that_was_written_since(found: Standing | None, step: Step) -> None:
    """Would break: what a copy gives back would replace what somebody has written after the restore, or be written twice."""
    assert decide(3, 1, found) is step
