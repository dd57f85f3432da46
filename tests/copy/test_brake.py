"""The brake, and a copy that is held back, in what a restart, a full disk or a wrong clock makes of them (S30)."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path
from typing import Any

import pytest
from tests.copy.fake import copy, journal
from tests.copy.feedlines import NOW_US, version
from tests.copy.test_bad_feed import note, notes

from vaka import config
from vaka.copy import hold
from vaka.copy.board import Field
from vaka.copy.brake import Limits
from vaka.store.version import instant

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_the_brake_counts_after_a_stop_in_the_middle_of_what_is_behind(tmp_path: Path) -> None:
    """Broken: a copy that is restarted while it catches up lets a mass deletion through, since its record is not whole (S30)."""
    limits = Limits(deletes=10)
    async with journal() as fake:
        fake.lines = notes(20)
        async with copy(tmp_path, fake.url, limits=limits) as made:
            await made.whole(20)
        fake.lines += notes(config.COPY_BATCH_LINES, 21)
        fake.spoil = lambda content: b"".join(content.splitlines(True)[: config.COPY_BATCH_LINES])
        async with copy(tmp_path, fake.url, limits=limits) as made:
            await made.until(lambda: made.board[Field.SEQ] >= config.COPY_BATCH_LINES)
            assert not made.board[Field.WHOLE]
        fake.spoil = None
        fake.lines += [version(note(f"n{n}"), 2, xid=9_000 + n, seq=9_000 + n, action="delete") for n in range(1, 20)]
        async with copy(tmp_path, fake.url, limits=limits) as made:
            await made.until(lambda: made.board[Field.BRAKED] or made.board[Field.WHOLE])
            assert made.board[Field.BRAKED]
            row = await made.row("Observation", "n1")
            assert row is not None and not row["deleted"]


async def test_the_brake_holds_where_there_is_no_room_to_keep_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken: with a full disk a mass deletion ends the follower, which cannot start again there (S30)."""

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(config, "COPY_DISK_RETRY_S", 0.05)
    async with journal() as fake:
        fake.lines = notes(20)
        async with copy(tmp_path, fake.url, limits=Limits(deletes=10)) as made:
            await made.whole(20)
            with monkeypatch.context() as patched:
                patched.setattr(hold, "replace", full)
                fake.add(*(version(note(f"n{n}"), 2, xid=50 + n, seq=50 + n, action="delete") for n in range(1, 21)))
                await made.until(lambda: made.board[Field.DISK_FULL])
                assert made.board[Field.SEQ] == 20
            await made.until(lambda: made.board[Field.BRAKED])
            assert made.board[Field.SEQ] == 20


async def test_a_clock_that_runs_ahead_takes_nothing_from_what_is_held_back(tmp_path: Path) -> None:
    """Broken: the copy that was to be an hour behind is not, since its clock is set wrong (S6, S30)."""
    async with journal() as fake:
        fake.lines, fake.began = notes(5), instant(NOW_US + 60_000_000)  # by this machine's clock, long ago
        async with copy(tmp_path, fake.url, hold_back_s=3_600) as made:
            await asyncio.sleep(1)
            assert await made.row("Observation", "n1") is None
            fake.began = instant(NOW_US + 3_700_000_000)
            await made.whole(5)
