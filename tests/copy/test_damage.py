"""A file of the followed record that was cut off, removed, or begun and not gone on with."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest
from tests.copy.fake import Copy, copy, journal
from tests.copy.test_bad_feed import notes

from vaka import config
from vaka.api.door import opening
from vaka.api.door.told import Told
from vaka.copy import engine
from vaka.copy.running import Words, look_for_damage
from vaka.copy.store import CopyStore
from vaka.errors import OnlyJournal

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def directories(made: Copy) -> list[str]:
    return sorted(entry.name for entry in made.folder.seeds.iterdir())


async def test_a_record_that_was_cut_off_at_its_beginning_is_no_empty_record(tmp_path: Path) -> None:
    """Broken: after a power cut the copy says of everybody that there is nothing, since an empty file opens with any key (S3)."""
    async with journal() as fake:
        fake.lines = notes(30)
        async with copy(tmp_path, fake.url) as made:
            await made.whole(30)
        os.truncate(made.folder.record(1), 0)
        told = Told(made.folder.board)
        store = CopyStore(opening._Source(made.folder, made.key, told))
        with pytest.raises(OnlyJournal):
            store.readers.here()
        store.close()
        fake.status = 503
        async with copy(tmp_path, fake.url) as made:
            await made.until(lambda: "0002" in directories(made))
            await made.until(lambda: made.follower.opened)
            assert not Told(made.folder.board).readable
            fake.status = 200
            await made.whole(30)
            assert directories(made) == ["0001-damaged", "0002"]
            os.truncate(made.folder.record(2), 0)
            os.truncate(f"{made.folder.record(2)}-wal", 0)
            with pytest.raises(engine.Damaged):
                made.follower.seeds.check(2)


@pytest.mark.parametrize("whole", [False, True])
async def test_a_record_that_somebody_has_removed_is_seeded_again(tmp_path: Path, whole: bool) -> None:
    """Broken: who removes DIR/seeds of a copy that runs has one that reads nothing until it is restarted."""
    async with journal() as fake:
        fake.lines = notes(5)
        async with copy(tmp_path, fake.url) as made:
            looking = asyncio.create_task(look_for_damage(made.follower))
            await made.whole(5)
            if whole:
                shutil.rmtree(made.folder.seeds)
                made.folder.seeds.mkdir()
            else:
                made.folder.record(1).unlink()
            fake.add(*notes(1, 6))
            await made.until(lambda: made.folder.current() == 2)
            await made.whole(6)
            assert await made.row("Observation", "n1") is not None
            looking.cancel()


async def test_seeds_that_are_begun_again_and_again_fill_no_disk(tmp_path: Path) -> None:
    """Broken: each start on a damaged file begins another seed, and the ones that were begun before stay beside it."""
    async with journal() as fake:
        fake.lines = notes(5)
        async with copy(tmp_path, fake.url) as made:
            await made.whole(5)
        fake.status = 503
        async with copy(tmp_path, fake.url) as made:
            for number in (2, 3, 4):
                await made.until(lambda: made.follower.opened)
                made.follower.found_damaged("a test")
                await made.until(lambda number=number: directories(made) == ["0001", f"{number:04}"])  # type: ignore[misc]
            assert made.folder.current() == 1
            fake.status = 200
            await made.until(lambda: directories(made) == ["0001-damaged", "0004"])


async def test_a_damaged_record_is_read_by_nobody_and_another_is_begun_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken: while another is filled from the feed, which takes minutes, the damaged one is served; and each look at it, or a
    reader that meets the page, begins anew with filling, so that none is ever whole."""
    monkeypatch.setattr(config, "COPY_CHECK_AFTER_S", 0.0)
    async with journal() as fake:
        fake.lines = notes(200)
        async with copy(tmp_path, fake.url) as made:
            await made.whole(200)
        path = made.folder.record(1)
        content = bytearray(path.read_bytes())
        for place in range(20 * 4_096 + 100, len(content), 4_096):
            content[place] ^= 0xFF
        path.write_bytes(content)
        fake.status = 503
        async with copy(tmp_path, fake.url) as made:
            looking = asyncio.create_task(look_for_damage(made.follower))
            told, words = Told(made.folder.board), Words(made.follower, None).words  # type: ignore[arg-type]
            await made.until(lambda: "0002" in directories(made))
            await made.until(lambda: made.follower.opened)
            for _ in range(3):
                assert await words["damaged"](1, {}) == {"damaged": True}
                await asyncio.sleep(1)
                assert not told.readable
                assert directories(made) == ["0001", "0002"]
            fake.status = 200
            await made.until(lambda: made.folder.current() == 2)
            await made.until(lambda: told.readable)
            assert directories(made) == ["0001-damaged", "0002"]
            looking.cancel()
