"""How a copy that is far behind catches up, and how far it has come.

Invariants: a record that was whole once is followed line by line, in this process; before that, whoever reads much gets workers,
and larger commits, until the record is whole.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass

from vaka import config, log
from vaka.copy import lines
from vaka.copy.ahead import Ahead
from vaka.copy.apply import Applied
from vaka.copy.board import Board, Field
from vaka.copy.buffer import Buffer
from vaka.copy.lines import Line
from vaka.copy.workers import Workers


@dataclass(slots=True)
class Rate:
    """Versions applied, and how long it took: ``per_second`` of the work alone."""

    versions: int = 0
    seconds: float = 0.0

    def add(self, applied: Applied) -> None:
        self.versions += applied.versions
        self.seconds += applied.seconds

    @property
    def per_second(self) -> float:
        return self.versions / self.seconds if self.seconds else 0.0


class CatchingUp:
    """Of one follower. ``horizon_xid``: how far the feed goes, None where the journal does not tell."""

    def __init__(self, buffer: Buffer) -> None:
        self.horizon_xid: int | None = None
        self._buffer = buffer
        self._workers: Workers | None = None
        self._read = 0
        self._told = 0.0

    async def read(self, coming: Ahead, dictionaries: Mapping[int, bytes] | None) -> AsyncIterator[Line]:
        """The lines that come, in their order. ``dictionaries``: of the file, where it was not whole yet; else None."""
        async for text in coming:
            yield lines.read(text)
            self._read += 1
            if dictionaries is not None and self._read > config.COPY_WORKERS_AFTER_LINES:
                if self._workers is None or self._workers.ended:
                    self._workers = Workers(dictionaries)
                    self._buffer.lines_max, self._buffer.bytes_max = config.COPY_FILL_LINES, config.COPY_FILL_BYTES
                async with aclosing(self._workers.read(coming)) as read:  # type: ignore[type-var]
                    async for line in read:
                        yield line
                if self._workers is None:  # it is whole
                    dictionaries = None

    def end(self) -> None:
        """The record is whole, or the follower stops."""
        self._read = 0
        if self._workers is not None:
            self._workers.close()
            self._workers = None
            self._buffer.lines_max, self._buffer.bytes_max = config.COPY_BATCH_LINES, config.COPY_BATCH_BYTES

    def part(self, board: Board) -> float | None:
        """Of the feed that is applied, by its transactions; None where that is not known."""
        if board[Field.WHOLE]:
            return 1.0
        return round(min(board[Field.XID] / self.horizon_xid, 1.0), 3) if self.horizon_xid else None

    def tell(self, board: Board, rate: Rate) -> None:
        """A seed takes minutes: the log tells now and then how far it is."""
        if not board[Field.WHOLE] and time.monotonic() - self._told >= config.COPY_PROGRESS_EVERY_S:
            log.info("catching up", versions=rate.versions, per_second=round(rate.per_second), part=self.part(board))
            self._told = time.monotonic()
