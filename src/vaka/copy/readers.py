"""The readers of one process: one on the event loop for look-ups by key, a few in threads for everything longer.

Invariants: a reader is used by one thread at a time; after the pointer to the seed has moved, none reads on in the old file (it
is closed at the next question by key, so that its room on the disk is free); a file that cannot be read is told, never answered
from.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol, TypeVar

import apsw

from vaka import config, log
from vaka.copy import engine
from vaka.copy.reader import Reader
from vaka.errors import Busy, OnlyJournal, Setup

T = TypeVar("T")
_UNREADABLE: Final = (
    apsw.CorruptError, apsw.NotADBError, apsw.IOError, apsw.CantOpenError, engine.Damaged, Setup
)  # fmt: skip


class Source(Protocol):
    """Where the followed record is. Called from several threads."""

    def seed(self) -> int:
        """The number of the seed in use. Cheap: asked at each question."""

    def open(self) -> Reader:
        """A reader of that seed."""

    def damaged(self, seed: int, what: str) -> None:
        """This seed's file could not be read."""


class _Trusted:
    """What ``Readers.trusted`` gives: a class, since each request enters it several times."""

    __slots__ = ("_source",)

    def __init__(self, source: Source) -> None:
        self._source = source

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, _UNREADABLE):
            seed = self._source.seed()
            log.error("record cannot be read", seed=seed, kind=type(error).__name__)
            self._source.damaged(seed, type(error).__name__)
            raise OnlyJournal("this copy's record cannot be read", help="try another copy, or the journal") from error


class Readers:
    """Opened as they are needed."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._here: Reader | None = None
        self._idle: list[Reader] = []
        self._threads = ThreadPoolExecutor(config.COPY_SEARCHERS, thread_name_prefix="copy-search")
        self._waiting = 0
        self._trusted = _Trusted(source)

    def here(self) -> Reader:
        """The event loop's own."""
        if self._here is None or self._here.seed != self._source.seed():
            old, self._here = self._here, None
            if old is not None:
                old.close()
            self._let_go()
            with self.trusted():
                self._here = self._source.open()
        return self._here

    async def run(self, work: Callable[[Reader], T]) -> T:
        """``work`` in a thread, with a reader of its own. Busy when too much waits."""
        if self._waiting >= config.COPY_SEARCHES_WAITING:
            raise Busy("too many searches wait on this copy", help="try again in a moment")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._work, work)
        finally:
            self._waiting -= 1

    def _work(self, work: Callable[[Reader], T]) -> T:
        reader = self._idle.pop() if self._idle else None
        with self.trusted():
            if reader is None or reader.seed != self._source.seed():
                if reader is not None:
                    reader.close()
                reader = self._source.open()
            try:
                return work(reader)
            finally:
                self._idle.append(reader)

    def trusted(self) -> _Trusted:
        """Within, a file that cannot be read is told of, and the journal is asked instead."""
        return self._trusted

    def _let_go(self) -> None:
        """Closes those that nobody uses now and that are of another seed."""
        seed, kept = self._source.seed(), []
        while self._idle:
            reader = self._idle.pop()
            if reader.seed == seed:
                kept.append(reader)
            else:
                reader.close()
        self._idle += kept

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
        for reader in self._idle:
            reader.close()
        if self._here is not None:
            self._here.close()
