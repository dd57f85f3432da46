"""Work beside the answers that goes on all the time: it does not end, or not in silence."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from vaka import config, log
from vaka.access.session import Assignment, Session
from vaka.api import listen
from vaka.api.admission import Admission
from vaka.api.door import serve
from vaka.api.revocations import Revocations
from vaka.api.server import Server
from vaka.errors import Unauthenticated
from vaka.store.accounts import Accounts, Revocation
from vaka.store.through import now_us


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was told as an error."""
    events: list[str] = []
    monkeypatch.setattr(log, "error", lambda event, **_: events.append(event))
    return events


@contextmanager
def every(monkeypatch: pytest.MonkeyPatch, where: Any, name: str, seconds: float) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setattr(where, name, seconds)
        yield


def test_who_was_ended_is_heard_of_after_any_error(monkeypatch: pytest.MonkeyPatch, told: list[str]) -> None:
    """Would break: one error of the file, and sessions that were ended elsewhere stay good here until a restart."""

    class Failing:
        tries = 0

        async def revocations(self, start: str) -> tuple[Sequence[Revocation], str]:
            self.tries += 1
            if self.tries < 4:
                raise OSError("disk I/O error")
            return [Revocation("s1", "P", now_us(), now_us() + 10**9)], start

    session = Session("s1", "P", "p", "", Assignment("a", "u", "v"), now_us(), now_us() + 10**9, "demo")

    async def work() -> None:
        found = Revocations(cast(Accounts, Failing()))
        following = asyncio.create_task(found.follow())
        found.check(session)
        async with asyncio.timeout(10):
            while not found.ended(session):
                await asyncio.sleep(0.001)
        following.cancel()
        with pytest.raises(Unauthenticated):
            found.check(session)

    with every(monkeypatch, config, "REVOCATIONS_POLL_S", 0.001):
        asyncio.run(work())
    assert told == ["revocations cannot be read"], "told once, not at each try"


def test_a_copy_that_cannot_answer_yet_tries_again_and_says_why(
    monkeypatch: pytest.MonkeyPatch, told: list[str]
) -> None:
    """Would break: something that fails once at a start leaves a copy that passes all on until it is restarted, and says nothing."""
    made, tries = cast(Server, object()), []

    async def complete() -> Server:
        tries.append(1)
        if len(tries) < 3:
            raise RuntimeError("not yet")
        return made

    with every(monkeypatch, serve, "_COMPLETED_AGAIN_S", 0.001):
        assert asyncio.run(serve._completed(complete)) is made
    assert told == ["this copy cannot answer by itself"] * 2


def test_work_that_ends_is_told(told: list[str]) -> None:
    """Would break: a part of a process has died, which serves on without it, and no log says so."""

    async def serving() -> None:
        await asyncio.sleep(60)

    async def fails() -> None:
        raise RuntimeError("died")

    async def stop() -> None:
        await asyncio.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(60)

    async def work() -> None:
        task = asyncio.ensure_future(serving())
        listeners = SimpleNamespace(serve=lambda: task, stop=task.cancel)
        await listen.until_stopped(cast(Any, listeners), (fails(), stop()), Admission())

    asyncio.run(work())
    assert told == ["work beside has ended"]
