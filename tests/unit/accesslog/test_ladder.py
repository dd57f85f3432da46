"""Where a copy's log goes while its own file cannot be written: who is asked, and who is waited for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

import pytest

from vaka import config
from vaka.accesslog.codec import Described
from vaka.accesslog.ladder import Ladder
from vaka.accesslog.runs import Run

pytestmark = pytest.mark.anyio
RUN = Run("0" * 32, [], {})


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Step:
    """One that takes runs, is frozen (answers nothing), or is away."""

    how: str
    asked: int = 0
    took: list[Run] = field(default_factory=list)
    may_be_away = True

    async def put_run(self, run: Run) -> int:
        self.asked += 1
        if self.how == "frozen":
            await asyncio.Event().wait()
        if self.how == "away":
            raise ConnectionRefusedError
        self.took.append(run)
        return 1

    async def prepare(self, now: datetime) -> None:
        raise NotImplementedError

    async def newest(self, stream: str) -> tuple[int, bytes] | None:
        raise NotImplementedError

    async def described(self, stream: str, chapter: int) -> dict[int, Described]:
        raise NotImplementedError

    async def covered(self, stream: str, *, first: int, last: int | None = None) -> list[tuple[int, int]]:
        raise NotImplementedError

    async def put_head(self, stream: str, system: str, block: int, hash_: bytes) -> None:
        raise NotImplementedError


async def test_a_frozen_journal_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken: each reader in turn waits for a journal that was heard a moment ago and is frozen now."""
    monkeypatch.setattr(config, "LOG_JOURNAL_FIRST_S", 0.01)
    journal, neighbour = Step("frozen"), Step("well")
    ladder = Ladder(journal, neighbour, lambda: True)
    for _ in range(5):
        assert await ladder.put_run(RUN) == 1
    assert (journal.asked, len(neighbour.took)) == (1, 5)
    monkeypatch.setattr(config, "LOG_JOURNAL_AGAIN_S", 0.0)
    ladder = Ladder(journal, neighbour, lambda: True)
    await ladder.put_run(RUN)
    journal.how = "well"
    await ladder.put_run(RUN)
    assert journal.took == [RUN], "it is asked again"


async def test_a_journal_that_was_passed_over_is_asked_where_no_neighbour_takes_it() -> None:
    """Broken: nothing is read though the journal is back."""
    journal, neighbour = Step("away"), Step("well")
    ladder = Ladder(journal, neighbour, lambda: True)
    await ladder.put_run(RUN)
    journal.how, neighbour.how = "well", "away"
    assert await ladder.put_run(RUN) == 1
    assert journal.took == [RUN]


async def test_nobody_takes_it() -> None:
    """Broken: an access counts as logged that nobody has."""
    journal = Step("away")
    for heard, asked in ((True, 1), (False, 1)):
        with pytest.raises(ConnectionRefusedError):
            await Ladder(journal, Step("away"), lambda heard=heard: heard).put_run(RUN)  # type: ignore[misc]
        assert journal.asked == asked, "one that is not heard is not asked"
