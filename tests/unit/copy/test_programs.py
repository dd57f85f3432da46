"""Programs that were turned away, and when they have sent what they kept (S35, ``copy.reserve.programs``)."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.copy.test_reserve_store import opened

from vaka.copy.reserve.programs import BUSY_US, RESTED_US, Program, Programs, from_wire

_SECOND_US = 1_000_000
_DAY_US = 86_400 * _SECOND_US


class Clock:
    """Microseconds that pass when told."""

    def __init__(self) -> None:
        self.now = 10 * _DAY_US

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def programs(clock: Clock) -> Programs:
    return _another(clock)


def _another(clock: Clock) -> Programs:
    found = opened(":memory:").programs
    found._clock_us = clock
    return found


def _told(programs: Programs) -> list[tuple[str, bool]]:
    return [(one.name, one.sends()) for one in programs.keeping()]


def test_who_was_turned_away_is_waited_for_until_it_has_sent_all_and_rests(programs: Programs, clock: Clock) -> None:
    """Would break S35: all would be said to be back with the first of a hundred messages that the laboratory kept."""
    programs.taken("laboratory")
    assert programs.known() == [], "who was never turned away is nothing to write of"
    programs.turned_away("laboratory")
    clock.now += 60 * _SECOND_US
    programs.turned_away("laboratory")
    assert _told(programs) == [("laboratory", False)]
    assert programs.keeping()[0].since_us == 10 * _DAY_US, "since the first time"
    for _ in range(100):
        clock.now += _SECOND_US
        programs.taken("laboratory")
        assert _told(programs) == [("laboratory", True)]
    clock.now += RESTED_US
    assert _told(programs) == []
    programs.taken("laboratory")
    assert _told(programs) == [], "what it sends from now on it has not kept"
    programs.turned_away("laboratory")
    assert _told(programs) == [("laboratory", False)]
    assert programs.keeping()[0].since_us == clock.now, "it is turned away anew"


def test_who_is_turned_away_while_it_sends_is_waited_for_anew(programs: Programs, clock: Clock) -> None:
    """Would break S35: a program that is turned away at a second stop, in the middle of what it kept of the first."""
    programs.turned_away("laboratory")
    clock.now += _SECOND_US
    programs.taken("laboratory")
    clock.now += _SECOND_US
    programs.turned_away("laboratory")
    clock.now += RESTED_US
    assert _told(programs) == [("laboratory", False)]
    assert programs.keeping()[0].since_us == 10 * _DAY_US


def test_who_never_rests_is_done_in_the_end_and_who_stays_away_is_gone(programs: Programs, clock: Clock) -> None:
    """Would break: all would never be back, for a laboratory that sends all day, or for a program that nobody runs any more."""
    programs.turned_away("laboratory")
    programs.turned_away("x-ray")
    for _ in range(BUSY_US // _SECOND_US - 1):
        clock.now += _SECOND_US
        programs.taken("laboratory")
        assert ("laboratory", True) in _told(programs)
    clock.now += _SECOND_US
    assert _told(programs) == [("x-ray", False)]
    clock.now += 3 * _DAY_US
    assert _told(programs) == []
    programs.turned_away("infusion")
    assert [one.name for one in programs.known()] == ["infusion"]
    clock.now -= 2 * _DAY_US
    assert [one.name for one in programs.known()] == ["infusion"], "what was gone for good is in the file no more"


def test_few_writes_are_made_of_a_program_that_sends_much(programs: Programs, clock: Clock) -> None:
    """Would break: each message of a queue that is sent would cost one more durable write."""
    programs.turned_away("laboratory")
    seen = set()
    for _ in range(1_000):
        clock.now += _SECOND_US // 100
        programs.taken("laboratory")
        seen.add(programs.known()[0].taken_us)
    assert 10 <= len(seen) <= 25


def test_a_program_comes_again_at_another_copy(programs: Programs, clock: Clock) -> None:
    """Would break S35: the copy that turned it away would name it for three days, and the other would say that all is back."""
    behind = Clock()
    south = _another(behind)
    behind.now -= 5 * _SECOND_US
    programs.turned_away("laboratory")
    south.learn(from_wire(orjson.loads(orjson.dumps(programs.wire()))))
    assert _told(south) == [("laboratory", False)]
    south.taken("laboratory")
    programs.learn(from_wire(south.wire()))
    assert _told(programs) == _told(south) == [("laboratory", True)]
    clock.now += RESTED_US + 1
    behind.now += RESTED_US + 1
    programs.learn(from_wire(south.wire()))
    assert _told(programs) == []
    behind.now += 5 * _SECOND_US
    assert _told(south) == []


@pytest.mark.parametrize(
    "told",
    [None, {}, "x", [None], [[]], [["x", 1, 2]], [["x", 1, 2, "3"]], [["x", 1, 2, -3]], [[1, 1, 2, 3]],
     [["x", 1, 2, 1 << 63]], [["x", True, 2, 3]]],
)  # fmt: skip
def test_what_no_copy_says_is_passed_over(told: object) -> None:
    """Would break: a copy of another release, or a damaged answer, would end the exchange between copies."""
    assert list(from_wire(told)) == []


_TIMES = st.integers(0, 50)


_programs = st.builds(Program, st.just("laboratory"), _TIMES, _TIMES, _TIMES)


@given(_programs, _programs, _programs)
def test_all_copies_end_with_the_same_whatever_the_order(a: Program, b: Program, c: Program) -> None:
    """Would break: copies would tell each other for ever, or say different things of one program."""
    assert a.joined(a) == a
    assert a.joined(b) == b.joined(a)
    assert a.joined(b).joined(c) == a.joined(b.joined(c))
