"""Where a log goes beside its files: the journal's tables, or on a copy the journal itself (``accesslog.remote``).

Invariant of every store: a block is in it once, whoever brings it and however often; what a method has returned is durable there.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from vaka.accesslog import tables
from vaka.accesslog.codec import Described
from vaka.accesslog.runs import Run
from vaka.accesslog.tables import Connect


class LogStore(Protocol):
    """Asks and tells of one stream at a time. Any error of a method: nothing may be counted on, and it is tried again."""

    @property
    def may_be_away(self) -> bool:
        """Whether a log is opened without it, too."""

    async def prepare(self, now: datetime) -> None:
        """Makes room for this month and the next."""

    async def newest(self, stream: str) -> tuple[int, bytes] | None:
        """(number, hash) of the newest block that is known there, by head or by run."""

    async def described(self, stream: str, chapter: int) -> dict[int, Described]:
        """What is known there of a chapter's numbers."""

    async def covered(self, stream: str, *, first: int, last: int | None = None) -> list[tuple[int, int]]:
        """(first, last) of each run that has blocks from ``first`` on (to ``last``), in order."""

    async def put_run(self, run: Run) -> int:
        """Puts what is not there yet; how many blocks that were."""

    async def put_head(self, stream: str, system: str, block: int, hash_: bytes) -> None:
        """Tells that ``block`` is durable here."""


class TableStore:
    """The journal's own tables (``accesslog.tables``)."""

    may_be_away = False

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    async def prepare(self, now: datetime) -> None:
        async with self._connect() as connection:
            await tables.make_partitions(connection, now)

    async def newest(self, stream: str) -> tuple[int, bytes] | None:
        async with self._connect() as connection:
            return await tables.newest(connection, stream)

    async def described(self, stream: str, chapter: int) -> dict[int, Described]:
        async with self._connect() as connection:
            return await tables.described(connection, stream, chapter)

    async def covered(self, stream: str, *, first: int, last: int | None = None) -> list[tuple[int, int]]:
        async with self._connect() as connection:
            return await tables.covered_blocks(connection, stream, first=first, last=last)

    async def put_run(self, run: Run) -> int:
        async with self._connect() as connection:
            return await tables.put_run(connection, run)

    async def put_head(self, stream: str, system: str, block: int, hash_: bytes) -> None:
        async with self._connect() as connection:
            await tables.put_head(connection, stream, system, block, hash_)
