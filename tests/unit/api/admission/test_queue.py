"""Who waits: a burst is no overload, the newest goes first in one, nobody is served after the deadline."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from vaka.api.admission.queue import Entry, Queue

TARGET, INTERVAL, DEADLINE, HELD = 0.005, 0.1, 1.0, 2.0


def queue(target_s: float | None = TARGET, most: int = 1_000) -> Queue[int]:
    return Queue(1, target_s=target_s, interval_s=INTERVAL, deadline_s=DEADLINE, held_s=HELD, most=most)


def put(one: Queue[int], *times: float) -> list[Entry[int]]:
    made = [one.put(n, at) for n, at in enumerate(times)]
    assert None not in made
    return [entry for entry in made if entry is not None]


def test_a_burst_is_served_in_order_and_nobody_is_condemned() -> None:
    """Broken: a ward round that opens twenty tabs is taken for an overload."""
    one = queue()
    put(one, *[0.0] * 20)
    assert one.refused(0.09, 0.0, may=100) == []
    assert [entry.who for n in range(20) if (entry := one.take(0.001 * n)) is not None] == list(range(20))


def test_a_queue_that_does_not_drain_is_served_newest_first() -> None:
    """Broken: everybody is served after having given up."""
    one = queue()
    put(one, 0.0, 0.05, 0.1, 0.15)
    one.backlogged(0.006)
    assert one.backlogged(0.16)
    taken = [one.take(0.16), one.take(0.16)]
    assert [entry.who for entry in taken if entry is not None] == [3, 2]


def test_the_condemned_leave_oldest_first_as_fast_as_they_may() -> None:
    """Broken: all refusals of an overload leave at once, and their callers come back at once."""
    one = queue()
    put(one, *[n * 0.01 for n in range(20)])
    one.backlogged(0.006)
    assert [entry.who for entry in one.refused(0.2, 0.0, may=3)] == [0, 1, 2]
    assert len(one) == 17


def test_a_condemned_one_gets_a_place_that_nobody_newer_wants() -> None:
    """Broken: the server is idle, and refuses."""
    one = queue()
    put(one, 0.0, 0.01)
    one.backlogged(0.006)
    assert one.backlogged(0.5)
    assert (entry := one.take(0.5)) is not None
    assert entry.who == 1
    assert (entry := one.take(0.5)) is not None
    assert entry.who == 0


def test_who_cannot_be_answered_in_time_is_refused_and_never_served() -> None:
    """Broken: work is done for somebody who has gone."""
    one = queue()
    put(one, 0.0)
    assert one.take(DEADLINE) is None
    assert [entry.who for entry in one.refused(DEADLINE - 0.2, 0.3, may=1)] == [0]


def test_urgent_care_is_not_condemned_for_waiting() -> None:
    """Broken: controlled delay sheds what matters most."""
    one = queue(target_s=None)
    put(one, 0.0)
    assert not one.backlogged(0.9)
    assert one.refused(0.9, 0.0, may=10) == []


def test_a_full_queue_takes_nobody() -> None:
    """Broken: memory is the limit."""
    one = queue(most=2)
    put(one, 0.0, 0.0)
    assert one.put(3, 0.0) is None


def test_who_came_together_does_not_leave_together() -> None:
    """Broken: a thousand refusals held back leave in one moment, and the loop stands still for it."""
    one = queue()
    put(one, *[0.0] * 500)
    assert len(one.refused(HELD + 1, 0.0, may=0)) <= 10
    left = sum(len(one.refused(HELD + 1 + n * 0.01, 0.0, may=0)) for n in range(1, 400))
    assert left > 480


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("ptrg"), st.floats(0.0, 0.3)), max_size=80),
    st.sampled_from([None, TARGET]),
)
def test_each_leaves_once_and_in_time(steps: list[tuple[str, float]], target_s: float | None) -> None:
    """Broken: a request is answered twice, or never, or long after its deadline."""
    one, now, number = queue(target_s), 0.0, 0
    left: list[int] = []
    inside: dict[int, Entry[int]] = {}
    for step, pause in steps:
        now += pause
        if step == "p":
            entry = one.put(number, now)
            assert entry is not None
            inside[number] = entry
            number += 1
        elif step == "t" and (entry := one.take(now)) is not None:
            assert now - entry.at < DEADLINE
            left.append(entry.who)
            del inside[entry.who]
        elif step == "r":
            for entry in one.refused(now, 0.0, may=1_000):
                left.append(entry.who)
                del inside[entry.who]
            assert all(now - entry.at < DEADLINE for entry in inside.values())
        elif step == "g" and inside:
            who, entry = inside.popitem()
            entry.gone = True
            left.append(who)
    rest = [entry.who for entry in one.clear()]
    assert sorted(left + rest) == list(range(number))


def test_who_hangs_up_counts_no_more_and_holds_nobody_out() -> None:
    """Broken: a queue is full of callers who have gone, and refuses those who are there; or it grows with them."""
    one = queue(most=4)
    entries = put(one, 0.0, 0.0, 0.0, 0.0)
    assert one.put(4, 0.0) is None
    for entry in (entries[1], entries[1], entries[2]):
        one.leave(entry)
    assert len(one) == 2
    assert one.put(4, 0.0) is not None
    taken = [one.take(0.001) for _ in range(5)]
    assert [entry.who for entry in taken if entry is not None] == [0, 3, 4]
    one.leave(entries[0])  # has its place already
    assert len(one) == 0


@given(
    st.lists(st.tuples(st.sampled_from(["put", "leave", "take", "refused", "clear"]), st.integers(0, 30)), max_size=60)
)
def test_the_count_is_that_of_who_is_there(steps: list[tuple[str, int]]) -> None:
    """Broken: places in line are lost, or given twice, whatever the order in which callers come, go and are served."""
    one, here, all_ = queue(most=8), set[int](), list[Entry[int]]()
    now = 0.0
    for what, number in steps:
        now += 0.01
        if what == "put":
            made = one.put(len(all_), now)
            assert (made is None) == (len(here) >= 8)
            if made is not None:
                here.add(made.who)
                all_.append(made)
        elif what == "leave" and all_:
            one.leave(all_[number % len(all_)])
            here.discard(all_[number % len(all_)].who)
        elif what == "take" and (taken := one.take(now)) is not None:
            here.remove(taken.who)
        elif what == "refused":
            here -= {entry.who for entry in one.refused(now, 0.0, may=2)}
        elif what == "clear":
            assert {entry.who for entry in one.clear()} == here
            here = set()
        assert len(one) == len(here)
