"""Runs: consecutive blocks of one chapter and one month, as they go to wherever the log is kept in the end."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Final

import zstandard

from vaka import config
from vaka.accesslog.blocks import Block
from vaka.accesslog.codec import Contents, Described

_LEVEL: Final = 6
_TURN_S: Final = 0.001
_RUN_MAX_BYTES: Final = 1 << 30


def when(time_us: int) -> datetime:
    """An aware time, to the microsecond."""
    return datetime.fromtimestamp(time_us // 1_000_000, UTC).replace(microsecond=time_us % 1_000_000)


def microseconds(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000 + at.microsecond


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive blocks of one chapter and one month. ``described``: all that its chapter has described before; ``put_run`` adds
    what these blocks describe."""

    stream: str
    blocks: Sequence[Block]
    described: dict[int, Described]


def take(blocks: Sequence[Block]) -> int:
    """How many of ``blocks`` make a run: of one chapter and month, consecutive, not over the limits."""
    size, count = 0, 0
    for count, block in enumerate(blocks):
        if count and (
            block.chapter != blocks[0].chapter
            or block.number != blocks[0].number + count
            or when(block.time_us).date().replace(day=1) != when(blocks[0].time_us).date().replace(day=1)
            or size >= config.LOG_RUN_BYTES
            or count >= config.LOG_RUN_MAX_BLOCKS
        ):
            return count
        size += len(block.bare)
    return count + 1 if blocks else 0


def row(
    stream: str, blocks: Sequence[Block], told: Sequence[Contents], described: Mapping[int, Described]
) -> dict[str, Any]:
    """A run as the table holds it. ``told``: the contents of each block."""
    actors = set(chain.from_iterable(one.actors for one in told))
    first, last = blocks[0], blocks[-1]
    content = zstandard.ZstdCompressor(level=_LEVEL).compress(b"".join(block.bare for block in blocks))
    return {
        "stream": stream, "first": first.number, "last": last.number, "chapter": first.chapter,
        "records": sum(one.records for one in told),
        "began": when(min(block.time_us for block in blocks)), "ended": when(max(block.time_us for block in blocks)),
        "before": first.before, "hash": last.hash,
        "patients": sorted(set(chain.from_iterable(one.patients for one in told))),
        "persons": sorted({described[actor].actor().key for actor in actors if actor in described}),
        "content": content,
    }  # fmt: skip


def unpacked(content: bytes) -> bytes:
    """The blocks of a row. ValueError where they cannot be had."""
    try:
        return zstandard.ZstdDecompressor().decompress(content, max_output_size=_RUN_MAX_BYTES)
    except zstandard.ZstdError as error:
        raise ValueError(f"the run cannot be unpacked: {error}") from error


class Turns:
    """Of long work in a thread: after each ``_TURN_S`` of it the thread rests for ``pause_s``, where others wait for this
    interpreter; 0: never."""

    def __init__(self, pause_s: float) -> None:
        self._pause_s, self._rested = pause_s, time.perf_counter()

    def rest(self) -> None:
        """Between two pieces of the work."""
        if self._pause_s and time.perf_counter() - self._rested > _TURN_S:
            time.sleep(self._pause_s)
            self._rested = time.perf_counter()


def told(blocks: Sequence[Block], pause_s: float = 0.0) -> dict[int, Contents]:
    """The contents of each block by its number. Damaged."""
    found, turns = {}, Turns(pause_s)
    for block in blocks:
        found[block.number] = block.contents()
        turns.rest()
    return found
