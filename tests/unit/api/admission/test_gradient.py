"""The limit: down where answers take longer than usual, up where they do not and more is asked; never out of its bounds."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from vaka.api.admission.gradient import Gradient

QUICK = [(100, 0.3), (0, 0.0)]  # 3 ms each
SLOW = [(100, 1.2), (0, 0.0)]


def settled(samples: list[tuple[int, float]], windows: int = 50) -> Gradient:
    found = Gradient(100, 20, 300, 2)
    for _ in range(windows):
        found.update(samples, 0, waiting=False)
    return found


def test_it_falls_when_answers_take_longer_and_rises_again() -> None:
    """Broken: an overload is not noticed, or its limit stays for good."""
    one = settled(QUICK)
    assert one.limit == 100
    for _ in range(30):
        one.update(SLOW, 100, waiting=True)
    low = one.limit
    assert low < 50
    for _ in range(50):
        one.update(QUICK, 100, waiting=False)
    assert one.limit > low + 30


def test_it_does_not_grow_while_few_are_under_way() -> None:
    """Broken: a quiet night lifts the limit to where it is none."""
    one = settled(QUICK)
    for _ in range(100):
        one.update(QUICK, 10, waiting=False)
    assert one.limit == 100


def test_a_long_overload_does_not_become_what_is_usual() -> None:
    """Broken: after ten minutes of overload its delays count as normal, and the limit drifts up."""
    one = settled(QUICK)
    for _ in range(3_000):  # five minutes
        one.update(SLOW, int(one.limit), waiting=True)
    assert one.limit < 50


def test_another_mix_is_no_overload() -> None:
    """Broken: a morning of searches, each slower than a read but no slower than searches are, halves the limit."""
    one = Gradient(100, 20, 300, 2)
    for _ in range(50):
        one.update([(100, 0.3), (10, 3.0)], 0, waiting=False)
    for _ in range(50):
        one.update([(10, 0.03), (100, 30.0)], 100, waiting=False)
    assert one.limit >= 100


def test_a_start_into_an_overload_finds_the_limit_by_the_loop() -> None:
    """Broken: who starts while all ask takes the overload's delays for what is usual."""
    one = Gradient(100, 20, 300, 2)
    for _ in range(50):
        one.update(SLOW, 100, waiting=True, lag_s=0.1)
    assert one.limit < 30


def test_slow_urgent_care_lowers_it_whatever_is_usual() -> None:
    """Broken: where answers have always taken half a second under load, urgent care takes half a second."""
    one = Gradient(100, 20, 300, 2)
    for _ in range(50):
        one.update([(10, 2.0), (100, 20.0)], 100, waiting=True)
    assert one.limit < 30
    other = Gradient(100, 20, 300, 2)
    for _ in range(50):
        other.update([(0, 0.0), (100, 20.0)], 100, waiting=True)
    assert other.limit > 100


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 10_000), st.floats(0, 100), st.integers(0, 1_000), st.booleans(), st.floats(0, 60)),
        max_size=60,
    )
)
def test_it_stays_within_its_bounds(windows: list[tuple[int, float, int, bool, float]]) -> None:
    """Broken: a strange window (no time at all, a clock that stood) makes it nothing, or no number."""
    one = Gradient(100, 20, 300, 2)
    for count, seconds, under_way, waiting, lag_s in windows:
        one.update([(count, seconds), (0, 0.0)], under_way, waiting=waiting, lag_s=lag_s)
        assert 20 <= one.limit <= 300
