"""Which seed of the record is followed, and how another takes its place (traps: Reseeding).

Invariants: a seed is made in a directory of its own and named in ``current`` only when it is whole, so readers always have one to
read; where there was none, the first is filled from the feed; what derives from the reserve is rebuilt in a new seed before it
is used; a damaged one is read by nobody, also after a restart, and is kept aside as evidence once the next is used.
"""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from vaka import log
from vaka.copy import apply, engine, filling, seed
from vaka.copy.apply import Applier
from vaka.copy.changes import Changes
from vaka.copy.files import Folder
from vaka.copy.filling import Filling
from vaka.copy.lost import LostFile
from vaka.copy.pending import withdraw_all
from vaka.copy.put import OnChanged
from vaka.copy.scope import REGION, Scope
from vaka.errors import Unavailable, VakaError

if TYPE_CHECKING:
    import httpx

_T = TypeVar("_T")


class Run(Protocol):
    """Does work on the record's writing connection, in its thread."""

    def __call__(self, work: Callable[[], _T]) -> Awaitable[_T]: ...


class Reserve(Protocol):
    """The reserve, as the follower shows it. Called in the writer's thread, outside a transaction."""

    def apply(self, applier: Applier, number: int) -> None:
        """Shows the entry ``number`` (``copy.pending.show``); nothing where it is shown already."""

    def rebuild(self, applier: Applier) -> None:
        """Shows all that waits, in a record that shows nothing of it."""


class Seeds:
    """Of one copy: the record that is followed."""

    def __init__(
        self,
        folder: Folder,
        key: bytes,
        lost: LostFile,
        *,
        on_changed: OnChanged | None = None,
        prepare: Callable[[Applier], None] | None = None,
        reserve: Reserve | None = None,
        neighbours: Sequence[str] = (),
        http: httpx.AsyncClient | None = None,
        scope: Scope | None = None,
        changes: Changes | None = None,
    ) -> None:
        self.folder = folder
        self.reserve = reserve
        self._key = key
        self._lost = lost
        self._on_changed = on_changed
        self._prepare = prepare
        self._neighbours = neighbours
        self._http = http
        self.scope = scope
        self._changes = changes
        self._applier: Applier | None = None
        self._number = 0
        self._damaged: int | None = None

    @property
    def applier(self) -> Applier:
        if self._applier is None:
            raise Unavailable("the record is being seeded")
        return self._applier

    @property
    def is_open(self) -> bool:
        """Whether there is a record to write to."""
        return self._applier is not None

    @property
    def is_gone(self) -> bool:
        """Whether somebody has removed the file that is written to: who has it open goes on, and nobody else finds it."""
        return self._applier is not None and not self._applier.path.exists()

    @property
    def damaged(self) -> int:
        """The number of the seed in use where it is damaged and another is being made in its place; else 0."""
        return self._damaged if self._damaged is not None and self._damaged == self.folder.current() else 0

    @property
    def in_use(self) -> bool:
        """Whether readers read what is followed: not while another seed is being filled."""
        return self.folder.current() == self._number

    @property
    def current(self) -> int | None:
        """The seed that readers use; None: none is whole yet."""
        return self.folder.current()

    async def open(self, run: Run) -> None:
        """The seed in use, else the newest that is being filled, else a new one; none that is of another release."""
        number = await run(self._chosen)
        if number is None:
            await self.again(run, damaged=False, anew=False)
        else:
            await run(lambda: self._open(number))
        if (held := self.applier.intake.scope if self.applier.intake is not None else None) != self.scope:
            log.warning(
                "the scope of this copy is another: it is seeded anew",
                before=held.text if held is not None else REGION, now=self.scope.text if self.scope is not None else REGION,
            )  # fmt: skip
            await self.again(run, damaged=False, anew=False)

    def mark_damaged(self) -> None:
        """The seed in use is read by nobody any more, after a restart neither."""
        number = self.folder.current()
        if number is None:
            return
        try:
            self.folder.mark_damaged(number)
        except OSError as error:  # it is known as long as this process runs
            log.error("that a seed is damaged could not be kept", number=number, errno=error.errno)

    def _chosen(self) -> int | None:
        used = self.folder.current()
        self._damaged = self.folder.damaged()
        if used is not None and used == self._damaged:
            log.warning("the record was found damaged before: another is made, or gone on with", number=used)
        elif used is not None and self._is_ours(used, filled=True):
            return used
        elif used is not None:
            log.warning("the record is of another release: it is seeded anew", number=used)
        begun = [one for one in self.folder.numbers() if one != used and self.folder.record(one).exists()]
        return begun[-1] if begun and self._is_ours(begun[-1]) else None

    def _is_ours(self, number: int, *, filled: bool = False) -> bool:
        connection = engine.reader(self.folder.record(number), self._key)
        try:
            if filled:
                engine.require_filled(connection, self.folder.record(number))
            with engine.told(self.folder.record(number)):
                return apply.is_ours(connection)
        finally:
            connection.close()

    def _open(self, number: int) -> None:
        path = self.folder.record(number)
        connection = engine.writer(path, self._key, shrinks=True)
        try:
            apply.make(connection, self.scope)
            # Who is in a scope is looked up in what a filled file has at its end only.
            fills = self.folder.current() != number and self.scope is None
            if fills:
                engine.fill(connection)
            applier = Applier(connection, path, on_changed=self._on_changed, changes=self._changes)
            if fills:
                applier.putter.filling = Filling(connection)
            applier.on_lost = lambda rows: self._lost.add(connection, applier.codec, rows)
            if self._prepare is not None:
                self._prepare(applier)
        except BaseException:
            connection.close()
            raise
        self._applier, self._number = applier, number
        applier.tell([None])

    def close(self) -> None:
        if self._applier is not None:
            self._applier.connection.close()
            self._applier = None

    def check(self, number: int) -> None:
        """Damaged, WrongKey: that seed is not whole. On a connection of its own, beside all else."""
        path = self.folder.record(number)
        connection = engine.reader(path, self._key)
        try:
            engine.check(connection, path)
        finally:
            connection.close()

    def done(self) -> None:
        """The record is whole: it is the one to use from now on. Not before all who are in its scope are whole too."""
        if self.in_use or (self.applier.intake is not None and self.applier.intake.waiting):
            return
        if self.applier.putter.filling is not None:
            with engine.told(self.applier.path):
                self.applier.putter.filling = None
                filling.end(self.applier.connection)
                engine.filled(self.applier.connection)
        if self.reserve is not None:
            self.reserve.rebuild(self.applier)
        self.folder.use(self._number)
        self.applier.tell([None])
        log.info("a new seed is used", number=self._number)
        if self._damaged is not None and self.folder.seed(self._damaged).is_dir():
            self.folder.set_aside(self._damaged)
            self._damaged = None
        self.folder.clear()

    async def again(self, run: Run, *, damaged: bool, anew: bool) -> None:
        """Begins another seed: from a neighbour where one gives it, else from the beginning of the feed. ``anew``: of another
        journal, which a neighbour may not have seen yet."""
        if damaged:
            self._damaged = self.folder.current() or self._number
        await run(self.close)
        number = await run(self.folder.make_seed)
        await run(lambda: self.folder.clear(number, self._damaged))  # what was begun before and is not gone on with
        if not anew and not await self._from_neighbour(number, run):
            log.info("seeding from the beginning of the feed", number=number)
        await run(lambda: self._open(number))
        if await run(lambda: self.applier.at.whole):
            await run(self.done)

    async def _from_neighbour(self, number: int, run: Run) -> bool:
        if self.scope is not None:
            return False  # what a neighbour holds is another's scope: bytes that must not come here
        directory = self.folder.seed(number)
        for neighbour in self._neighbours if self._http is not None else ():
            assert self._http is not None
            try:
                sent_key = await seed.fetch(self._http, neighbour, directory)
                await run(lambda: seed.adopt(directory, sent_key, self._key))  # noqa: B023  it runs at once
                await run(lambda: self._strip(number))
                log.info("seeded from a neighbour", neighbour=neighbour, number=number)
                return True
            except VakaError as error:
                log.warning("no seed from a neighbour", neighbour=neighbour, reason=error.message)
                shutil.rmtree(directory)
                directory.mkdir(mode=0o700)
        return False

    def _strip(self, number: int) -> None:
        """What the neighbour showed of its reserve is not ours to show: the exchange of entries brings it."""
        self._open(number)
        withdraw_all(self.applier)
        self.close()
