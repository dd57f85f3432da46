"""A record that is filled before anybody reads it: workers beside the follower, tokens gathered; nothing of it shows afterwards."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.copy.fake import journal
from tests.copy.feedlines import KEY, contents, mark, read_all, record, version
from tests.copy.following import following

from vaka import config
from vaka.copy import apply, beside, engine, filling
from vaka.copy.ahead import ahead
from vaka.copy.apply import Applier
from vaka.copy.filling import Filling
from vaka.copy.lines import Broken, Line, Version
from vaka.copy.workers import Workers

pytestmark = pytest.mark.anyio
COUNT = 1_500


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def lines(count: int, seed: int, first: int = 1) -> list[bytes]:
    """Creations, changes that take out and put back, and deletions; the Organizations of the blocks come after them."""
    chance = random.Random(seed)
    numbers: dict[str, int] = {}
    made = []
    for seq in range(first, first + count):
        id_ = f"n{chance.randrange(count // 2)}"
        number = numbers[id_] = numbers.get(id_, 0) + 1
        resource: dict[str, Any] = {
            "resourceType": "Observation", "id": id_, "status": chance.choice(["final", "amended"]),
            "code": {"text": f"ord{chance.randrange(9)}", "coding": [{"system": "http://loinc.org", "code": f"c{chance.randrange(9)}"}]},
            "subject": {"reference": f"Patient/p{chance.randrange(9)}"}, "effectiveDateTime": f"2026-0{1 + seq % 9}-01",
            "valueQuantity": {"value": chance.randrange(9), "unit": "mg"},
        }  # fmt: skip
        action = "delete" if number > 1 and chance.random() < 0.2 else None
        made.append(version(resource, number, xid=seq, seq=seq, action=action))
    return made


def whole(path: Path, lines_: list[Line], *, gathers: bool, by: int = 100) -> dict[str, Any]:
    """What a record holds that these lines were applied to; ``gathers``: as one that is filled."""
    path.mkdir()
    connection = record(path)
    applier = Applier(connection, path / "record.db")
    beside.prepare(applier)
    if gathers:
        engine.fill(connection)
        applier.putter.filling = Filling(connection)
    for start in range(0, len(lines_), by):
        applier.apply(lines_[start : start + by])
    applier.putter.filling = None
    filling.end(connection)
    engine.filled(connection)
    tables = connection.execute("SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY 1")
    found = {**contents(connection), "schema": tables.fetchall()}
    for table in ("fragment", "worklist"):
        found[table] = sorted(connection.execute(f"SELECT * FROM {table}"), key=repr)
    found["words"] = [
        connection.execute("SELECT rowid FROM words WHERE words MATCH ?", (f"ord{n}",)).fetchall() for n in range(9)
    ]
    engine.check(connection, path)
    connection.close()
    return found


@pytest.mark.parametrize("seed", range(3))
def test_a_filled_record_is_that_of_a_follower(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken: a seed is found by what it no longer says, or not by what it says."""
    monkeypatch.setattr(config, "COPY_FILL_TOKENS", 2_000)
    read = read_all(*lines(COUNT, seed))
    assert whole(tmp_path / "a", read, gathers=True) == whole(tmp_path / "b", read, gathers=False, by=37)


def test_what_was_gathered_outlives_a_stop(tmp_path: Path) -> None:
    """Broken: a copy that was killed while it was filled lacks the tokens of before."""
    read = read_all(*lines(COUNT, 5))
    path = tmp_path / "a"
    path.mkdir()
    for start in (0, COUNT // 2):
        connection = engine.writer(path / "record.db", KEY)
        apply.make(connection)
        applier = Applier(connection, path / "record.db")
        applier.putter.filling = Filling(connection)
        applier.apply(read[start : start + COUNT // 2])
        connection.close()
    connection = engine.writer(path / "record.db", KEY)
    filling.end(connection)
    straight = record(tmp_path)
    Applier(straight, tmp_path / "record.db").apply(read)
    assert contents(connection) == contents(straight)


def test_what_fails_is_not_gathered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken: a commit that was undone leaves tokens of rows that are not there."""
    connection = record(tmp_path)
    applier = Applier(connection, tmp_path / "record.db")
    applier.putter.filling = Filling(connection)
    read = read_all(*lines(200, 7))
    with monkeypatch.context() as broken:
        broken.setattr(applier, "_move", lambda at: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            applier.apply(read)
    applier.apply(read)
    filling.end(connection)
    (tmp_path / "b").mkdir()
    straight = record(tmp_path / "b")
    Applier(straight, tmp_path / "b" / "record.db").apply(read)
    assert contents(connection) == contents(straight)


def test_what_was_gathered_leaves_no_room_behind(tmp_path: Path) -> None:
    """Broken: a seed takes up half as much again as what it holds."""
    read = read_all(*lines(COUNT, 5))
    sizes = []
    for name in ("filled", "followed"):
        path = tmp_path / f"{name}.db"
        connection = engine.writer(path, KEY, shrinks=True)
        apply.make(connection)
        applier = Applier(connection, path)
        if name == "filled":
            engine.fill(connection)
            applier.putter.filling = Filling(connection)
        applier.apply(read)
        applier.putter.filling = None
        filling.end(connection)
        engine.filled(connection)
        assert connection.pragma("freelist_count") == 0
        sizes.append(path.stat().st_size)
        connection.close()
    assert sizes[0] <= sizes[1] * 1.05, sizes


async def _coming(texts: list[bytes]) -> AsyncIterator[bytes]:
    for text in texts:
        yield text.rstrip(b"\n")


async def _by_workers(workers: Workers, texts: list[bytes]) -> list[Line]:
    async with ahead(_coming(texts)) as coming:
        return [line async for line in workers.read(coming)]


async def test_workers_make_what_the_follower_makes(tmp_path: Path) -> None:
    """Broken: lines out of their order, or a seed with other rows than a follower's."""
    workers = Workers(apply.dictionaries(record(tmp_path)))
    texts = [*lines(COUNT, 3), mark(9_999, f"1.{COUNT}.{COUNT}")]
    made = await _by_workers(workers, texts)
    workers.close()
    plain = read_all(*texts)
    assert any(isinstance(one, Version) and one.made is not None for one in made)
    assert [one.cursor for one in made] == [one.cursor for one in plain]
    assert whole(tmp_path / "a", made, gathers=True) == whole(tmp_path / "b", plain, gathers=False)


async def _until_broken(lines_: AsyncIterator[Line], read: list[Line]) -> None:
    async for line in lines_:
        read.append(line)


async def test_a_line_that_is_none_ends_the_answer(tmp_path: Path) -> None:
    """Broken: what follows a broken line is used."""
    workers = Workers(apply.dictionaries(record(tmp_path)))
    texts = lines(50, 3)
    read: list[Line] = []
    async with ahead(_coming([*texts[:20], b"{", *texts[20:]])) as coming:
        with pytest.raises(Broken):
            await _until_broken(workers.read(coming), read)
    workers.close()
    assert [one.cursor for one in read] == [one.cursor for one in read_all(*texts[:20])]


async def test_without_workers_the_follower_does_it(tmp_path: Path) -> None:
    """Broken: a seed stands still, or loses lines, because a worker was killed."""
    workers = Workers(apply.dictionaries(record(tmp_path)))
    texts = lines(COUNT, 4)
    await _by_workers(workers, texts[:1])
    for child in psutil.Process().children():
        if "spawn_main" in " ".join(child.cmdline()):
            os.kill(child.pid, signal.SIGKILL)
    made = await _by_workers(workers, texts)
    workers.close()
    assert [one.cursor for one in made] == [one.cursor for one in read_all(*texts)]


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_follower_killed_while_it_fills(tmp_path: Path) -> None:
    """Broken: a stop in the middle of a seed loses or doubles something, or leaves workers behind."""
    count = config.COPY_WORKERS_AFTER_LINES * 5
    texts = lines(count, 11)
    chance = random.Random(11)
    async with journal() as fake:
        fake.add(*texts)
        with following(tmp_path / "copy", fake.url, "token", start=False) as copy:
            for _ in range(4):
                copy.start()
                assert copy.process is not None
                await asyncio.sleep(chance.uniform(2.0, 6.0))
                children = psutil.Process(copy.process.pid).children()
                await asyncio.to_thread(copy.kill)
                _, alive = await asyncio.to_thread(psutil.wait_procs, children, 10)
                assert not alive
            copy.start()
            await asyncio.to_thread(copy.until, lambda s: s["whole"] and s["cursor"].endswith(f".{count}"), 300)
            found = copy.reader()
            straight = record(tmp_path)
            Applier(straight, tmp_path / "record.db").apply(read_all(*texts))
            assert contents(found) == contents(straight)
            engine.check(found, tmp_path)
