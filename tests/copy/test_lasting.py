"""Files of a copy that nothing can make again: own.db, reserve.db, lost.db, damaged."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from tests.copy.fake import copy, journal
from tests.copy.feedlines import KEY
from tests.copy.test_bad_feed import notes

from vaka.copy import engine, files
from vaka.copy.files import Folder
from vaka.copy.lost import LostFile
from vaka.copy.own import Own
from vaka.copy.reserve.opening import open_reserve

PAGE = 4_096


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def filled(path: Path) -> Path:
    connection = engine.lasting(path, KEY)
    connection.execute("CREATE TABLE t (x TEXT); CREATE INDEX i ON t (x)")
    with engine.transaction(connection):
        connection.executemany("INSERT INTO t VALUES (?)", [(f"{n:0500}",) for n in range(200)])
    connection.close()
    return path


@pytest.mark.parametrize(
    ("how", "told"),
    [("empty", "is empty"), ("first page", "is damaged"), ("a page", "is damaged"), ("cut", "is damaged")],
)
def test_a_damaged_one_is_told_and_left_as_it_is(
    tmp_path: Path, how: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken: an emptied reserve is taken for a new one, and what was written in a stop is gone in silence; or the message says that
    it is seeded again by itself."""
    monkeypatch.setattr(engine, "_EMPTY_WAIT_S", 0.1)
    path = filled(tmp_path / "reserve.db")
    content = bytearray(path.read_bytes())
    if how == "empty":
        content = bytearray()
    elif how == "cut":
        content = content[: len(content) // 2 // PAGE * PAGE]
    else:
        content[(0 if how == "first page" else 20 * PAGE) + 200] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(engine.Lasting, match=told) as raised:
        engine.lasting(path, KEY)
    assert "remove nothing" in str(raised.value.help)
    assert path.read_bytes() == content


def test_each_of_them_is_opened_as_one_that_lasts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken: one of the three begins anew where it was emptied."""
    monkeypatch.setattr(engine, "_EMPTY_WAIT_S", 0.1)
    folder = Folder(tmp_path)
    folder.establish("http://x")
    key = files.key(folder)
    LostFile(folder.lost, key).close()
    open_reserve(folder).close()
    for path in (folder.lost, folder.reserve):
        assert path.stat().st_size
        os.truncate(path, 0)
    with pytest.raises(engine.Lasting, match=r"lost\.db is empty"):
        LostFile(folder.lost, key)
    with pytest.raises(engine.Lasting, match=r"reserve\.db is empty"):
        open_reserve(folder)


def test_damage_that_is_met_later_is_told_alike(tmp_path: Path) -> None:
    """Broken: it passes for damage of the record, which is seeded again for nothing, again and again."""
    own = Own(connection := engine.lasting(tmp_path / "own.db", KEY))
    own.see("x", 1)
    connection.close()
    content = bytearray((tmp_path / "own.db").read_bytes())
    again = engine.lasting(tmp_path / "own.db", KEY)
    for place in range(PAGE, len(content), PAGE):
        content[place + 100] ^= 0xFF
    (tmp_path / "own.db").write_bytes(content)
    again.release_memory()
    with pytest.raises(engine.Lasting, match=r"own\.db is damaged"):
        Own(again).see("y", 2)


@pytest.mark.anyio
async def test_the_record_is_not_seeded_again_for_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken: a damaged lost.db makes the copy throw its whole record away, each time it meets it; or it is "journal away"."""

    def fails(_: object) -> None:
        raise engine._lasts(tmp_path / "lost.db", "is damaged")

    async def follows() -> None:
        async with copy(tmp_path, fake.url) as made:
            await made.whole(5)
            monkeypatch.setattr(made.follower.applier, "_put", fails)
            fake.add(*notes(1, 6))
            await asyncio.sleep(0.5)

    async with journal() as fake:
        fake.lines = notes(5)
        with pytest.raises(engine.Lasting):
            await follows()
        assert [one.name for one in Folder(tmp_path).seeds.iterdir()] == ["0001"]
