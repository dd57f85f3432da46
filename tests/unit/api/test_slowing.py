"""Slowing down who fails: how much, whom, and for how long it is remembered."""

from __future__ import annotations

import asyncio
import time

import pytest

from vaka.api import slowing
from vaka.api.slowing import DELAY_FIRST_S, DELAY_MAX_S, FREE_FAILURES, SOURCES_MAX, WAITING_MAX, Slowing
from vaka.errors import Busy


def test_delays_grow_and_end() -> None:
    """Broken: guessing goes on at full speed, a delay has no end, or somebody else pays for it."""
    one = Slowing()
    told = []
    for _ in range(FREE_FAILURES + 10):
        told.append(one.delay_s("10.0.0.1", "lab"))
        one.failed("10.0.0.1", "lab")
    assert told[: FREE_FAILURES + 2] == [*[0.0] * FREE_FAILURES, DELAY_FIRST_S, DELAY_FIRST_S * 2]
    assert max(told) == DELAY_MAX_S
    assert one.delay_s("10.0.0.1", "pharmacy") == 0.0
    assert one.delay_s("10.0.0.2", "lab") == 0.0
    one.succeeded("10.0.0.1", "lab")
    assert one.delay_s("10.0.0.1", "lab") == 0.0


def test_it_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken: what is remembered grows without end, or a failure of last week still counts."""
    now = 1_000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    one = Slowing()
    for _ in range(9):
        one.failed("10.0.0.1", "lab")
    now += slowing.REMEMBERED_S
    assert one.delay_s("10.0.0.1", "lab") == 0.0
    for n in range(SOURCES_MAX + 50):
        one.failed(str(n), "lab")
    assert len(one._failures) <= SOURCES_MAX


def test_few_wait_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken: those who wait fill the memory."""
    monkeypatch.setattr(slowing, "DELAY_MAX_S", 0.05)
    one = Slowing()
    for _ in range(99):
        one.failed("10.0.0.1", "lab")

    async def crowd() -> list[object]:
        return await asyncio.gather(
            *[one.wait("10.0.0.1", "lab") for _ in range(WAITING_MAX + 5)], return_exceptions=True
        )

    told = asyncio.run(crowd())
    assert sum(isinstance(answer, Busy) for answer in told) == 5
    asyncio.run(one.wait("10.0.0.1", "pharmacy"))
