"""How much is shown: less soon, more late, a step at a time."""

from __future__ import annotations

from vaka.api.admission.ladder import Ladder, Step


def walk(ladder: Ladder, begins: float, seconds: float, *, refused: bool = False, late: bool = False) -> list[Step]:
    return [
        ladder.look(begins + n * 0.1, reads_refused=refused, urgent_late=late) for n in range(round(seconds * 10) + 1)
    ]


def test_less_is_shown_after_half_a_second_and_more_after_five() -> None:
    """Broken: one refused read makes the record small; or it grows and shrinks each second."""
    ladder = Ladder()
    assert walk(ladder, 0.0, 0.3, refused=True)[-1] == Step.FULL
    assert walk(ladder, 0.4, 0.3)[-1] == Step.FULL
    assert walk(ladder, 1.0, 0.6, refused=True)[-1] == Step.SHEET
    assert walk(ladder, 2.0, 4.5)[-1] == Step.SHEET
    assert walk(ladder, 6.6, 1.0)[-1] == Step.FULL


def test_where_urgent_care_waits_the_card_is_left() -> None:
    """Broken: with urgent care late, sheets are still rendered."""
    ladder = Ladder()
    steps = walk(ladder, 0.0, 2.0, late=True)
    assert steps[-1] == Step.CARD
    assert Step.SHEET in steps
    assert walk(ladder, 2.1, 5.2, refused=True)[-1] == Step.SHEET
