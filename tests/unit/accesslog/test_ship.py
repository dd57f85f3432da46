"""What is shipped of the log's files: each block once, and little of it in memory, however long the store is away."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from vaka import config
from vaka.accesslog import blocks, runs
from vaka.accesslog.files import Segment
from vaka.accesslog.runs import Run
from vaka.accesslog.ship import Shipper

STREAM = "0123456789abcdef" * 2
KEY = bytes(range(32))


class Store:
    """Takes runs, unless it is away."""

    def __init__(self) -> None:
        self.away = True
        self.numbers: list[int] = []

    async def described(self, stream: str, chapter: int) -> dict[int, Any]:
        return {}

    async def put_run(self, run: Run) -> int:
        if self.away:
            raise ConnectionRefusedError
        self.numbers += [block.number for block in run.blocks]
        return len(run.blocks)

    async def covered(self, stream: str, *, first: int, last: int | None = None) -> list[tuple[int, int]]:
        return [(1, len(self.numbers))]


def _write(folder: Path, segment: int, first: int, count: int, before: bytes) -> bytes:
    """A segment of as many blocks; the hash of the last."""
    open_ = Segment.create(folder, segment, STREAM, first, before, size=config.LOG_SEGMENT_BYTES)
    for number in range(first, first + count):
        block = blocks.make(number, 1, 1_700_000_000_000_000 + number, b"p" * 200, before)
        open_.append(blocks.sealed(block, KEY))
        before = block.hash
    open_.close()
    return before


def test_a_store_that_is_away_fills_no_memory_and_then_has_all_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken: the whole log of a stop that lasts for weeks stands in the memory of the process that answers; or what was not read
    then is passed over."""
    monkeypatch.setattr(config, "LOG_RUN_BYTES", 10_000)
    (tmp_path / "stream").write_text(STREAM)
    before = blocks.genesis(STREAM)
    for segment in range(3):
        before = _write(tmp_path, segment + 1, 1 + segment * 300, 300, before)
    store = Store()

    async def body() -> None:
        shipper = Shipper(tmp_path, cast("Any", store), KEY)
        for _ in range(20):
            with pytest.raises(ConnectionRefusedError):
                await shipper.ship()
        assert len(shipper._waiting) < 100
        store.away = False
        assert await shipper.ship(everything=True) == 900
        assert store.numbers == list(range(1, 901))
        assert await shipper.ship(everything=True) == 0

    asyncio.run(body())


def test_who_is_answered_goes_before_what_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken: while a run is read, whoever is answered by the same process waits for it."""
    (tmp_path / "stream").write_text(STREAM)
    _write(tmp_path, 1, 1, 600, blocks.genesis(STREAM))
    rests: list[float] = []
    monkeypatch.setattr("vaka.accesslog.runs.time.sleep", rests.append)
    monkeypatch.setattr("vaka.accesslog.runs._TURN_S", 0.0)
    for pause_s, times in ((0.0, 0), (0.002, 600)):
        store = Store()
        store.away = False
        assert asyncio.run(Shipper(tmp_path, cast("Any", store), KEY, pause_s=pause_s).ship(everything=True)) == 600
        assert rests == [pause_s] * times
        rests.clear()
        told = [SimpleNamespace(number=number, contents=lambda: None) for number in range(600)]
        assert len(runs.told(cast("Any", told), pause_s)) == 600
        assert rests == [pause_s] * times
        rests.clear()
