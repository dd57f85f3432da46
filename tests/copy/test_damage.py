"""A file of the followed record that was cut off, removed, or begun and not gone on with."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import apsw
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
            await made.until(lambda: made.follower.damaged is not None)
            fake.add(*notes(1, 6))  # what the feed says next ends the wait for it
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


async def test_a_restart_goes_on_with_what_replaces_a_damaged_record(tmp_path: Path) -> None:
    """Broken: after a restart in the middle the damaged record is read again until it is found once more, and filling begins anew."""
    async with journal() as fake:
        fake.lines = notes(200)
        async with copy(tmp_path, fake.url) as made:
            await made.whole(200)
            fake.status = 503
            made.follower.found_damaged("a test")
            await made.until(lambda: made.folder.record(2).exists() and made.follower.opened)
        for _ in range(2):  # the machine starts again, too: nothing is left but what is on the disk
            made.folder.board.unlink()
            async with copy(tmp_path, fake.url) as made:
                await made.until(lambda: made.follower.opened)
                assert made.follower.applier.path == made.folder.record(2)
                assert made.follower.seeds.damaged == 1
                told = Told(made.folder.board)
                assert told.seed == 1
                assert not told.readable
                assert directories(made) == ["0001", "0002"]
        fake.status = 200
        async with copy(tmp_path, fake.url) as made:
            await made.until(lambda: made.folder.current() == 2)
            await made.whole(200)
            await made.until(lambda: Told(made.folder.board).readable)
            assert directories(made) == ["0001-damaged", "0002"]
        async with copy(tmp_path, fake.url) as made:
            await made.until(lambda: made.follower.opened)
            assert made.follower.seeds.damaged == 0
            assert Told(made.folder.board).readable


async def test_a_restart_before_another_was_begun_begins_one(tmp_path: Path) -> None:
    """Broken: killed between finding damage and beginning anew, a copy reads the damaged record."""
    async with journal() as fake:
        fake.lines = notes(5)
        async with copy(tmp_path, fake.url) as made:
            await made.whole(5)
        made.folder.mark_damaged(1)
        async with copy(tmp_path, fake.url) as made:
            await made.until(lambda: made.folder.current() == 2)
            await made.whole(5)
            assert directories(made) == ["0001-damaged", "0002"]


def bad_sector() -> apsw.IOError:
    error = apsw.IOError("a bad sector")
    error.extendedresult = apsw.SQLITE_IOERR_READ  # type: ignore[attr-defined]
    return error


class _Sectors(apsw.VFSFile):
    """Those from the 20th page on cannot be read."""

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        if amount == 4_096 and offset >= 20 * 4_096:
            raise bad_sector()
        return super().xRead(amount, offset)


class _Failing(apsw.VFS):
    def __init__(self) -> None:
        self.base = apsw.vfs_names()[0]
        super().__init__("failing", base=self.base)

    def xOpen(self, name: apsw.URIFilename | str | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        return _Sectors(self.base, name, flags)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Files (paths) of which readers cannot read all sectors."""
    files: list[str] = []
    vfs, real = _Failing(), apsw.Connection

    def opened(path: str, *, flags: int) -> apsw.Connection:
        fails = path in files and flags & apsw.SQLITE_OPEN_READONLY
        return real(path, flags=flags, vfs="failing") if fails else real(path, flags=flags)

    monkeypatch.setattr(apsw, "Connection", opened)
    yield files
    vfs.unregister()


async def test_sectors_that_cannot_be_read_are_damage(
    tmp_path: Path, failing: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken: a record on a disk that fails to read is followed into for ever: nobody seeds it again."""
    monkeypatch.setattr(config, "COPY_CHECK_AFTER_S", 0.0)
    async with journal() as fake:
        fake.lines = notes(300)
        async with copy(tmp_path, fake.url) as made:
            await made.whole(300)
            failing.append(str(made.folder.record(1)))
            with pytest.raises(engine.Damaged, match="its disk fails"):
                made.follower.seeds.check(1)
            looking = asyncio.create_task(look_for_damage(made.follower))
            await made.until(lambda: made.folder.current() == 2)
            await made.whole(300)
            assert directories(made) == ["0001-damaged", "0002"]
            looking.cancel()


async def test_a_sector_that_the_follower_cannot_read_is_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken: it ends, and is started again on the same file, for ever."""

    def fails(_: object) -> None:
        raise bad_sector()

    async with journal() as fake:
        fake.lines = notes(5)
        async with copy(tmp_path, fake.url) as made:
            await made.whole(5)
            monkeypatch.setattr(made.follower.applier, "_put", fails)
            fake.add(*notes(1, 6))
            await made.until(lambda: made.folder.current() == 2)
            await made.whole(6)


async def test_a_disk_that_takes_no_other_record_is_not_tried_without_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken: where the new record fails as well, the copy makes and removes files as fast as it can."""
    async with journal() as fake:
        fake.lines = notes(5)
        async with copy(tmp_path, fake.url) as made:
            await made.whole(5)
            tries = []

            def fails(number: int) -> None:
                tries.append(number)
                with engine.told(made.folder.record(number)):
                    raise bad_sector()

            monkeypatch.setattr(made.follower.seeds, "_open", fails)
            made.follower.found_damaged("a test")
            fake.add(*notes(1, 6))
            await asyncio.sleep(1.5)
            assert 1 < len(tries) < 12
            monkeypatch.undo()
            await made.whole(6)


def test_a_first_sector_that_cannot_be_read_is_damage() -> None:
    """Broken: the process ends where the beginning of its record cannot be read."""
    path = Path("/proc/self/mem")  # reading at its beginning is an input/output error
    with pytest.raises(engine.Damaged, match="its disk fails"):
        engine.reader(path, bytes(32))
