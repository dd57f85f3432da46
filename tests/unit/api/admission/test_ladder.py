"""How much is shown: less soon, more late, a step at a time."""

from __future__ import annotations

from collections import deque

from vaka.api.admission.classes import URGENT
from vaka.api.admission.door import Door, Others
from vaka.api.admission.ladder import Ladder, Step
from vaka.api.admission.queue import Entry


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


def test_urgent_care_that_waits_for_a_moment_is_not_late() -> None:
    """Broken: as soon as all places are taken every sheet is a card, though each is answered within the tenth of a second."""
    door = Door[None](0.0)
    while door.enter(URGENT, 0.0):
        pass
    now = 0.0

    def ticks(seconds: float, *, waits_s: float) -> Step:
        nonlocal now
        until, lined_up = now + seconds, deque[tuple[float, Entry[None]]]()
        while now < until:
            now += 0.01
            if (entry := door.wait(URGENT, now, None)) is not None:
                lined_up.append((now, entry))
            while lined_up and now - lined_up[0][0] >= waits_s:
                door.withdraw(lined_up.popleft()[1])  # its place has come, as it were
            door.tick(now, 0.0, Others(), 0.01)
        for _, entry in lined_up:
            door.withdraw(entry)
        return door.step

    assert ticks(3.0, waits_s=0.05) is Step.FULL
    assert ticks(1.5, waits_s=0.3) is Step.CARD
    assert ticks(11.0, waits_s=0.0) is Step.FULL
