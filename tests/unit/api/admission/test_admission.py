"""The door as the application uses it: who waits gets a place or a refusal, once, and none is lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import cast

import pytest
from tests.unit.api.admission.callers import asks

from vaka import config
from vaka.api.admission import Admission, Class, Shed
from vaka.api.admission.door import Door, Others
from vaka.api.http import ClientGone
from vaka.api.http1 import Exchange

REQUEST = asks("/fhir/Observation/1")


def run(body: Callable[[Admission], Awaitable[None]]) -> None:
    async def main() -> None:
        admission = Admission()
        admission.start()
        try:
            await body(admission)
        finally:
            admission.close()

    asyncio.run(main())


def fill(admission: Admission, class_: Class) -> int:
    count = 0
    while admission.enter(class_, time.perf_counter()):
        count += 1
    return count


def leave(admission: Admission, class_: Class) -> None:
    admission.leave(class_, time.perf_counter(), REQUEST, REQUEST.path, 200)


def test_who_waits_gets_the_next_place() -> None:
    """Broken: a place that has become free stays so, and everybody waits until being refused."""

    async def body(admission: Admission) -> None:
        fill(admission, Class.READ)
        waiting = asyncio.ensure_future(admission.wait(Class.READ))
        await asyncio.sleep(0.03)
        assert not waiting.done()
        leave(admission, Class.READ)
        began = time.perf_counter()
        assert await waiting >= began - 0.01

    run(body)


def test_what_is_shown_again_takes_a_place_for_as_long_as_it_is_worked_for() -> None:
    """Broken: who waits stays where a sheet shown again has given its place back; or the next to nothing that it took is learned."""

    async def body(admission: Admission) -> None:
        fill(admission, Class.READ)
        waiting = asyncio.ensure_future(admission.wait(Class.READ))
        await asyncio.sleep(0)
        spent = list(admission.door.spent)
        admission.leave_again(Class.READ)
        await asyncio.wait_for(waiting, 1)
        assert admission.told()["classes"]["read"]["done"] == 1
        assert admission.door.spent == spent

    run(body)


def test_the_next_to_nothing_that_is_shown_again_is_not_what_an_answer_takes() -> None:
    """Broken: how quickly what is shown again is done is learned as how long an answer takes: once others are asked for, all of
    them seem slow, and fewer and fewer are let in."""
    door: Door[int] = Door(0.0)
    at_s = 0.0

    def window(again: int) -> None:
        nonlocal at_s
        for _ in range(20):
            assert door.enter(Class.READ, at_s)
            for _ in range(again):
                assert door.passes(Class.READ, at_s)
                assert door.enter(Class.READ, at_s)
                door.leave_at_once(Class.READ, at_s)
            door.leave(Class.READ, at_s - 0.02, at_s)
        at_s += 0.2
        door.tick(at_s, 0.0, Others(), 0.2)

    for _ in range(60):
        assert door.enter(Class.READ, at_s)  # so many are under way that the limit is learned
    limit = door.gradient.limit
    for again in (20, 0):
        for _ in range(25):
            window(again)
            assert door.gradient.limit >= limit
            limit = door.gradient.limit

    assert limit > config.ADMISSION_LIMIT


def test_who_passes_finds_a_place_as_who_enters_and_takes_none() -> None:
    """Broken: sheets shown again go past those who wait for their place; or each takes one away for good."""

    async def body(admission: Admission) -> None:
        places = 0
        while admission.passes(Class.READ, time.perf_counter()):
            assert admission.door.total == places
            assert admission.enter(Class.READ, time.perf_counter())
            places += 1
        assert not admission.enter(Class.READ, time.perf_counter())
        assert admission.passes(Class.URGENT, time.perf_counter())
        assert (admission.door.total, admission.door.within[Class.READ]) == (places, places)
        assert (admission.door.done[Class.READ], admission.door.done[Class.URGENT]) == (places, 1)

    run(body)


def test_urgent_care_finds_a_place_where_all_others_wait() -> None:
    """Broken: nothing is kept for class 0."""

    async def body(admission: Admission) -> None:
        for class_ in (Class.READ, Class.WRITE, Class.INTEGRATION, Class.BACKGROUND, Class.LOGIN):
            fill(admission, class_)
        assert fill(admission, Class.URGENT) >= 0.25 * config.ADMISSION_LIMIT

    run(body)


def test_a_refusal_says_when_to_come_back_and_not_to_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken: S19, what was typed is lost and nobody says so; or all who were refused come back in the same second."""
    monkeypatch.setattr("vaka.config.ADMISSION_WAITING_MAX", 0)

    async def body(admission: Admission) -> None:
        fill(admission, Class.WRITE)
        after = set()
        for _ in range(100):
            with pytest.raises(Shed) as refused:
                await admission.wait(Class.WRITE, writes=True)
            after.add(refused.value.retry_after_s)
            assert refused.value.status == 503
            assert "nothing of it was taken" in (refused.value.help or "")
        least, most = config.ADMISSION_RETRY_S[Class.WRITE]
        assert after == set(range(least, most + 1))

    run(body)


def test_nobody_waits_longer_than_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken: a server whose answers do not come keeps everybody for ever."""
    monkeypatch.setattr("vaka.config.ADMISSION_DEADLINES_S", (0.2,) * 6)

    async def body(admission: Admission) -> None:
        fill(admission, Class.URGENT)
        began = time.perf_counter()
        with pytest.raises(Shed):
            await admission.wait(Class.URGENT)
        assert time.perf_counter() - began > 0.05
        assert admission.door.shed[Class.URGENT] == 1

    run(body)


def test_who_leaves_while_waiting_takes_no_place() -> None:
    """Broken: each caller who hangs up while waiting, before or just after being let in, costs a place for good."""

    async def body(admission: Admission) -> None:
        places = fill(admission, Class.READ)
        gone = [asyncio.ensure_future(admission.wait(Class.READ)) for _ in range(20)]
        await asyncio.sleep(0.01)
        for one in gone[:10]:
            one.cancel()
        await asyncio.sleep(0)
        for _ in range(10):
            leave(admission, Class.READ)
        for one in gone[10:]:
            one.cancel()  # let in already, and has not run since
        await asyncio.gather(*gone, return_exceptions=True)
        for _ in range(places - 10):
            leave(admission, Class.READ)
        assert admission.door.total == 0
        assert fill(admission, Class.READ) == places

    run(body)


def test_who_hangs_up_leaves_the_line_at_once() -> None:
    """Broken: callers who have gone stay in line, hold a place in it, and are worked for when their turn comes."""

    class Caller:
        told: Callable[[], object] | None = None

        def when_lost(self, told: Callable[[], object] | None) -> None:
            self.told = told

    async def body(admission: Admission) -> None:
        fill(admission, Class.READ)
        callers = [Caller() for _ in range(3)]
        waiting = [
            asyncio.ensure_future(admission.wait(Class.READ, caller=cast("Exchange", caller))) for caller in callers
        ]
        await asyncio.sleep(0)
        queue = admission.door.queues[Class.READ]
        assert len(queue) == 3
        assert callers[0].told is not None
        callers[0].told()
        await asyncio.sleep(0)
        with pytest.raises(ClientGone):
            await waiting[0]
        assert len(queue) == 2
        assert callers[2].told is not None
        callers[2].told()
        leave(admission, Class.READ)  # in the same moment: the place goes to who is there
        await waiting[1]
        with pytest.raises(ClientGone):
            await waiting[2]
        assert len(queue) == 0
        assert [caller.told for caller in callers] == [None] * 3
        total = admission.door.total
        leave(admission, Class.READ)
        assert admission.door.total == total - 1

    run(body)


def test_a_place_that_nobody_takes_is_the_next_one_s() -> None:
    """Broken: a sheet's caller who hangs up while waiting keeps the place that comes free, and the next one waits."""

    async def body(admission: Admission) -> None:
        fill(admission, Class.READ)
        told: list[tuple[str, bool]] = []

        def has(name: str, admitted: bool, *, takes: bool) -> bool:
            told.append((name, admitted))
            return takes

        admission.line_up(Class.READ, lambda admitted: has("gone", admitted, takes=False))
        admission.line_up(Class.READ, lambda admitted: has("here", admitted, takes=True))
        total = admission.door.total
        leave(admission, Class.READ)
        assert told == [("gone", True), ("here", True)]
        assert admission.door.total == total

    run(body)


def test_what_waits_for_another_machine_takes_no_place() -> None:
    """Broken: the journal stops, and the writes that wait for it keep everybody from reading on the copy; or slow senders do."""

    async def body(admission: Admission) -> None:
        places = fill(admission, Class.WRITE)
        passed = asks("/fhir/Observation", "POST", "anna")
        passed.place, passed.lender = Class.WRITE, admission
        waiting = asyncio.ensure_future(admission.wait(Class.WRITE))
        await asyncio.sleep(0)
        with passed.elsewhere():
            await waiting
            await asyncio.sleep(0.3)
        assert admission.door.total == places + 1
        assert passed.elsewhere_s >= 0.3
        admission.leave(Class.WRITE, time.perf_counter() - passed.elsewhere_s, passed, passed.path, 201)
        assert admission.door.spent[Class.WRITE] < 0.3

    run(body)


def test_a_late_loop_lets_in_by_class() -> None:
    """Broken: what piled up before a blocked loop is served in its order, reports before a ward."""

    async def body(admission: Admission) -> None:
        await asyncio.sleep(0.15)
        time.sleep(0.6)
        now = time.perf_counter()
        assert not admission.enter(Class.BACKGROUND, now)
        assert not admission.enter(Class.READ, now)
        assert admission.enter(Class.URGENT, now)
        while not admission.enter(Class.BACKGROUND, time.perf_counter()):  # the loop is in time again, if not at once
            await asyncio.sleep(0.02)

    run(body)


def test_a_stop_refuses_who_waits() -> None:
    """Broken: a clean stop waits for those who wait."""

    async def body(admission: Admission) -> None:
        fill(admission, Class.INTEGRATION)
        waiting = asyncio.ensure_future(admission.wait(Class.INTEGRATION))
        await asyncio.sleep(0.01)
        admission.close()
        with pytest.raises(Shed):
            await waiting
        with pytest.raises(Shed):
            await admission.wait(Class.INTEGRATION)

    run(body)
