"""What the door is for, in virtual time: a server that is asked for more than it can do goes on doing as much as it can, and
answers urgent care in time."""

from __future__ import annotations

import pytest
from tests.unit.api.admission.virtual import CAPACITY, Seen, World

from vaka.api.admission.classes import Class
from vaka.api.admission.door import Others
from vaka.api.admission.ladder import Step

URGENT_PART = 0.2
# Of what is not urgent: reads, writes, integrations, background.
REST = (0.5, 0.15, 0.25, 0.1)
CONNECTIONS = (100, 200, 80, 120, 60, 0)
SECONDS, COUNTED_FROM = 7.0, 2.0


def offered(times: float) -> list[float]:
    """How many a second of each class, ``times`` the capacity in all; urgent care is the same part of the capacity always."""
    return [URGENT_PART * CAPACITY, *(part * (times - URGENT_PART) * CAPACITY for part in REST), 0.0]


def goodput(world: World) -> float:
    return sum(len(seen.answered) for seen in world.seen) / (SECONDS - COUNTED_FROM)


def run(times: float, connections: tuple[int, ...] = CONNECTIONS, seed: int = 1) -> World:
    world = World(offered(times), connections, seed=seed, counted_from=COUNTED_FROM)
    world.run(SECONDS)
    return world


@pytest.mark.parametrize("times", [1, 2, 5, 10])
@pytest.mark.parametrize("seed", [1, 2])
def test_goodput_holds_and_urgent_care_is_answered(times: float, seed: int) -> None:
    """Broken: an overload takes the whole down, or what matters most with it."""
    world = run(times, seed=seed)
    assert goodput(world) >= 0.9 * CAPACITY
    assert world.seen[Class.URGENT].within(0.25) >= 0.999
    assert world.seen[Class.URGENT].asked > 900


def test_without_a_door_the_same_load_takes_it_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken: the simulation is too kind, and shows nothing of the door."""
    world = World(offered(10), CONNECTIONS, counted_from=COUNTED_FROM)
    monkeypatch.setattr(world.door, "_fast", [1e9] * 6)
    monkeypatch.setattr(world.door, "_open", lambda others: None)
    world.run(SECONDS)
    assert world.seen[Class.URGENT].within(0.25) < 0.5


def test_below_its_capacity_nobody_is_refused_or_waits_long() -> None:
    """Broken: the door stands in the way of ordinary days."""
    world = run(0.7)
    assert [seen.refused + seen.turned_away for seen in world.seen] == [0] * 6
    assert world.door.step == Step.FULL
    assert max(max(seen.answered, default=0.0) for seen in world.seen) < 0.1


def test_the_less_important_is_shed_first() -> None:
    """Broken: reports are answered while a ward waits."""
    parts = [part(seen) for seen in run(3).seen]
    assert parts[Class.URGENT] == 1.0
    assert parts[Class.URGENT] > parts[Class.READ] > parts[Class.BACKGROUND]
    assert parts[Class.BACKGROUND] < 0.02


def part(seen: Seen) -> float:
    return len(seen.answered) / seen.asked if seen.asked else 1.0


def test_what_has_a_floor_never_stops() -> None:
    """Broken: as long as many read, no result of a laboratory comes in, nothing can be written, nobody can log in."""
    world = World([200, 8_000, 200, 200, 0, 200], [100, 400, 60, 60, 0, 60], counted_from=COUNTED_FROM)
    world.run(SECONDS)
    for class_ in (Class.WRITE, Class.INTEGRATION, Class.LOGIN):
        assert len(world.seen[class_].answered) / (SECONDS - COUNTED_FROM) > 0.04 * CAPACITY, class_
    assert world.seen[Class.URGENT].within(0.25) >= 0.999


def test_a_wave_of_logins_after_a_stop_leaves_room_and_goes_on() -> None:
    """Broken: everybody who logs in again at once keeps those out who are in, or nobody ever gets in."""
    world = World([200, 300, 50, 100, 50, 4_000], [100, 200, 80, 120, 60, 800], counted_from=COUNTED_FROM)
    world.run(SECONDS)
    assert part(world.seen[Class.READ]) == 1.0
    assert world.seen[Class.URGENT].within(0.25) >= 0.999
    assert len(world.seen[Class.LOGIN].answered) / (SECONDS - COUNTED_FROM) > 0.1 * CAPACITY
    assert goodput(world) >= 0.85 * CAPACITY


def test_as_many_callers_as_a_listener_takes_cost_no_more() -> None:
    """Broken: refusals are the work: each of two thousand callers is refused at once, and comes back at once."""
    world = run(10, (100, 1_200, 200, 300, 200, 0))
    assert goodput(world) >= 0.9 * CAPACITY
    assert world.seen[Class.URGENT].within(0.25) >= 0.999


def test_after_a_held_up_loop_urgent_care_is_first() -> None:
    """Broken: what came in while the loop was blocked is worked off in its order, reports before a ward."""
    world = World(offered(2), CONNECTIONS, counted_from=COUNTED_FROM, stalls=[(4.0, 0.5)])
    world.run(SECONDS)
    late = sum(one > 0.25 for one in world.seen[Class.URGENT].answered)
    assert late <= URGENT_PART * CAPACITY * 0.7  # those that came within the half second, and little more
    assert goodput(world) >= 0.85 * CAPACITY


def test_what_is_shown_shrinks_in_an_overload_and_comes_back() -> None:
    """Broken: all is rendered while reads are refused; or the record stays small for good."""
    world = run(5)
    assert world.door.step >= Step.SHEET
    for n in range(2_500):
        now = SECONDS + n * 0.01
        world.door.tick(now, 0.0, Others(), 0.01)
    assert world.door.step == Step.FULL
