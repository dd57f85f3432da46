"""The one door to the record on PostgreSQL. Every read takes an access filter; every write returns after COMMIT.

Invariants
- Nothing is returned as written before its COMMIT succeeded; a COMMIT whose answer was lost is ``Unavailable``, and can be
  resolved by its idempotency key.
- Plain creations that wait while another batch commits go together in the next one (group commit); one that fails alone
  fails alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
import psycopg
from psycopg import errors as pg

from vaka import config, log
from vaka.access.filter import AccessFilter, system_filter
from vaka.access.law import NEEDS_PERMISSION, Act
from vaka.access.marks import actor_of
from vaka.errors import Busy, Conflict, Fault, Unavailable, Unprocessable
from vaka.fhir.criteria import Criterion, Query
from vaka.fhir.keys import resource_key
from vaka.journal import laboratory
from vaka.journal.access import gate, require_writing
from vaka.journal.aliases import Aliases
from vaka.journal.arrays import integers
from vaka.journal.feed import Feed
from vaka.journal.feed_rows import FeedRows
from vaka.journal.known import Known
from vaka.journal.marks import address, mark
from vaka.journal.owners import Owners
from vaka.journal.permission import hidden_from, known_to
from vaka.journal.pool import Connection, Pool
from vaka.journal.private import PrivateFeed
from vaka.journal.read import FLIGHTS_MAX, Reader
from vaka.journal.search import Match, Searcher
from vaka.journal.searches import Searches
from vaka.journal.statements import statements
from vaka.journal.write import Write, Writer, identity_keys
from vaka.store.codec import Codec
from vaka.store.granted import READING
from vaka.store.page import Page, Position
from vaka.store.seen import living_seen, page_seen, seen
from vaka.store.version import Version

T = TypeVar("T")
_RETRIES = 4
_BATCH_FLIGHTS = 2
_RECORDS = system_filter("records")
"""For what operations on records read of what their caller may not see, in ways that note nothing in a trail."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a keyed request did: a hash of the request, and (status, sequence or None, location or None) for each part."""

    request_hash: bytes
    parts: tuple[tuple[int, int | None, str | None], ...]


class Transaction:
    """One write transaction. Everything in it sees its own writes; all of it commits, or nothing."""

    def __init__(self, journal: Journal, connection: Connection, access: AccessFilter) -> None:
        self._journal = journal
        self.connection = connection
        self.access = access
        self.acted_us: int | None = None
        """When the person acted, where that was in a copy's reserve; None: now."""

    async def lock_identities(self, keys: Sequence[int]) -> None:
        """Before a conditional interaction looks: the next statement sees what other writers of these committed."""
        await self._journal.writer.lock_identities(self.connection, keys)

    async def match(
        self, types: tuple[str, ...], where: Criterion, *, identity: Criterion | None = None
    ) -> list[Match]:
        return await self._journal.searcher.matching(
            self.connection, types, where, access=self.access, identity=identity
        )

    async def current(self, type_: str, id_: str, *, lock: bool = False) -> Version | None:
        """The current version, a deletion included; ``lock``: nobody else changes it before this transaction ends."""
        rkey = resource_key(type_, id_)
        if lock:
            await self._journal.writer.lock(self.connection, [rkey], gate(self.access, letter=READING))
        found = (await self._journal.reader.current(self.connection, [rkey], access=self.access)).get(rkey)
        if found is None or (found.type, found.id) != (type_, id_):
            return None
        return await self._journal.reader.unmasked(found, self.access) or seen(self.access, found)

    async def version(self, type_: str, id_: str, version: int, epoch: int) -> Version | None:
        """An older version, as it was committed."""
        return await self._journal.reader.vread(type_, id_, version, epoch, access=self.access)

    missed = 0
    """As ``Searches``."""

    def together(self, keys: Sequence[int]) -> Sequence[int]:
        """Resource keys, with those of the Patients whose record is kept with one of them."""
        return self._journal.searcher.aliases.keys_together(keys)

    async def any_version(self, type_: str, id_: str, number: tuple[int, int] | None = None) -> Version | None:
        """The version of that number, or the current one, locked, whatever the caller may see: for what an operation must know to
        do its work, never to show."""
        if number is not None:
            return await self._journal.reader.vread(type_, id_, *number, access=system_filter("records"))
        found = await self.standing(type_, id_, reason="records")
        return found if found is not None and (found.type, found.id) == (type_, id_) else None

    async def any_current(self, keys: Sequence[int], *, lock: bool = True) -> list[Version]:
        """Living current versions by key, locked, whatever the caller may see, as ``any_version``."""
        if lock:
            await self._journal.writer.lock(self.connection, keys)
        found = await self._journal.reader.current(self.connection, keys, access=_RECORDS)
        return [found[key] for key in keys if key in found and not found[key].deleted]

    async def write(self, writes: Sequence[Write]) -> list[Version | None]:
        # What an operation on records may do, it has decided itself; what it changes of an entry is the person's to write too.
        asked = [w for w in writes if w.act is None or (w.act in NEEDS_PERMISSION and w.type != "Provenance")]
        writer, hidden = self._journal.writer, set[int]()
        alike: list[laboratory.Result] = []
        if bringing := laboratory.has_results(writes):
            await self.lock_identities([lock for write in writes for lock in identity_keys(write.resource)])
            alike = await laboratory.alike(self, writes)
        if asked and not self.access.full:
            decided = {write.rkey for write in writes} - {write.rkey for write in asked}
            locked = await writer.lock_all(self.connection, writes, known_to(self.access), decided=decided)
            hidden = await hidden_from(self.connection, self.access, asked, locked)
        made = await writer.write(self.connection, writes, access=self.access, hidden=hidden)
        if bringing:
            await laboratory.settle(self, alike, writes, made)
        return [seen(self.access, version) if version is not None else None for version in made]

    async def received_again(self, version: Version, other: Version) -> None:
        """Says of a new result that it is another of one that stands (S16)."""
        await mark(self, Act.SAME, version, actor_of(self.access), entities=[("source", address(other))])

    def resolve(self, patient: str) -> str:
        """The id under which this Patient's record goes on."""
        return self._journal.resolve(patient)

    async def amend(self, writes: Sequence[Write]) -> list[Version]:
        """Changes what stands on behalf of an operation that has decided by a rule of its own: owners stay as they are, and
        what the caller does not see can be changed. Who did it is the author all the same."""
        for write in writes:
            write.keep_owner = True
        made = await self._journal.writer.write(self.connection, writes, access=self.access)
        return [seen(self.access, version) for version in made if version is not None]

    async def standing(self, type_: str, id_: str, *, reason: str) -> Version | None:
        """The current version, locked, whoever may see it: for an operation that has decided by a rule of its own, named
        ``reason``. It is not given to the caller."""
        rkey = resource_key(type_, id_)
        await self._journal.writer.lock(self.connection, [rkey])
        return (await self._journal.reader.current(self.connection, [rkey], access=system_filter(reason))).get(rkey)

    async def living(self, references: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        """Those of these (type, id) that exist and are not deleted."""
        keys = sorted({resource_key(*reference) for reference in references})
        found = await self._journal.reader.current(self.connection, keys, access=self.access) if keys else {}
        return {(version.type, version.id) for version in found.values() if not version.deleted}

    async def search(self, query: Query, *, count: int, at: Position | None = None) -> Page:
        async with self._limited():
            page = await self._journal.searcher.page(self.connection, query, access=self.access, count=count, at=at)
        return page_seen(self.access, page)

    async def include(self, keys: Sequence[int], *, limit: int) -> list[Version]:
        async with self._limited():
            found = await self._journal.searcher.included(self.connection, keys, access=self.access, limit=limit)
        return [seen(self.access, version) for version in found]

    async def read_many(self, references: Sequence[tuple[str, str]]) -> list[Version]:
        keys = sorted({resource_key(*reference) for reference in references})
        found = await self._journal.reader.current(self.connection, keys, access=self.access)
        return living_seen(self.access, references, found)

    @asynccontextmanager
    async def _limited(self) -> AsyncIterator[None]:
        """Within, a statement is cancelled after the time that a search may take."""
        limit_ms = int(config.SEARCH_TIMEOUT_S * 1_000)
        await self.connection.execute(f"SET LOCAL statement_timeout = '{limit_ms}ms'")
        yield
        await self.connection.execute("SET LOCAL statement_timeout = 0")  # never over a COMMIT

    async def remember(self, key: str, result: Remembered) -> None:
        """Keeps the result of a keyed request with its writes. Conflict if the key is being used at this moment."""
        values = {
            "principal": self.access.principal,
            "key": key,
            "request_hash": result.request_hash,
            "result": orjson.dumps(result.parts).decode(),
        }
        await self.connection.execute(statements("write")["remember_result"], values)


class Journal(Known):
    """An open journal. Make it with ``Journal.open``."""

    def __init__(self, writing: Pool, reading: Pool, keyed: Pool, feeding: Pool, codec: Codec) -> None:
        self.pool = writing
        self.reading = reading
        self.keyed = keyed
        self.codec = codec
        self.reader = Reader(reading, keyed, codec)
        self.searcher = Searcher(codec)
        self.writer = Writer(codec, Owners(), writing.epoch)
        self.feed = Feed(feeding, FeedRows(codec))
        self.private = PrivateFeed(feeding)
        self._feeding = feeding
        for pool in (writing, reading, keyed, feeding):
            pool.on_epoch = self._begin_epoch
            self._begin_epoch(pool.epoch)
        self._queue: list[tuple[Write, AccessFilter, asyncio.Future[Version]]] = []
        self._flights = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._writes: set[asyncio.Task[Any]] = set()

    @classmethod
    async def open(cls, dsn: str) -> Journal:
        """Opens the journal at ``dsn``, whose schema is there already (``journal.migrate``)."""
        writing = Pool(dsn, size=config.CONNECTIONS_MAX // 2)
        reading = Pool(
            dsn, size=config.CONNECTIONS_MAX - config.CONNECTIONS_MAX // 2, timeout_s=config.SEARCH_TIMEOUT_S
        )
        feeding = Pool(dsn, size=config.FEED_CONNECTIONS, timeout_s=config.SEARCH_TIMEOUT_S)
        keyed = Pool(dsn, size=FLIGHTS_MAX, timeout_s=config.SEARCH_TIMEOUT_S, by_key=True)
        pools = (writing, reading, keyed, feeding)
        for pool in pools:
            await pool.open()
        try:
            async with reading.connection() as connection:
                if not reading.epoch:
                    raise Fault("the journal has no epoch: its schema was never brought up")
                rows = await (await connection.execute("SELECT dictionary, content FROM dictionary")).fetchall()
                aliases = Aliases()
                await aliases.read(connection)
        except BaseException:
            for pool in pools:
                await pool.close()
            raise
        journal = cls(writing, reading, keyed, feeding, Codec({number: bytes(content) for number, content in rows}))
        journal._know(aliases)
        return journal

    def _know(self, aliases: Aliases) -> None:
        """Which patients were merged, for who writes and who searches."""
        self.writer.aliases = self.searcher.aliases = aliases

    def same(self, patient: str) -> Sequence[str]:
        """All ids under which the record of this Patient is kept."""
        return self.searcher.aliases.together(patient)

    def resolve(self, patient: str) -> str:
        """The id under which this Patient's record goes on after merges."""
        return self.writer.aliases.resolve(patient)

    async def read(self, type_: str, id_: str, *, access: AccessFilter) -> Version | None:
        """The current version, a deletion included; None if there is none that ``access`` lets through."""
        return await self.reader.read(type_, id_, access=access)

    async def vread(self, type_: str, id_: str, version: int, epoch: int, *, access: AccessFilter) -> Version | None:
        """That version; None if there is none that ``access`` lets through."""
        return await self.reader.vread(type_, id_, version, epoch, access=access)

    @property
    def epoch(self) -> int:
        return self.writer.epoch

    def _begin_epoch(self, epoch: int) -> None:
        """Called by connections as they are made: after a failover or a restore the first one tells of the new epoch."""
        if epoch > self.writer.epoch:
            if self.writer.epoch:
                log.warning("epoch", began=epoch, ended=self.writer.epoch)
            self.writer.epoch = epoch

    async def close(self) -> bool:
        """Waits for writes under way, and closes. False if some still wait (for a standby): this process must then end
        without cancelling them, since a cancelled COMMIT would be told as done (S33)."""
        await self.feed.close()
        await self.private.close()
        await self._feeding.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=config.WRITE_TIMEOUT_S)
        if self._tasks:
            return False
        await self.pool.close()
        await self.reading.close()
        await self.keyed.close()
        return True

    async def create(self, write: Write, *, access: AccessFilter) -> Version:
        """Creates a resource under an id of our own making (``must_be_new``), together with whoever waits."""
        require_writing(access)
        future: asyncio.Future[Version] = asyncio.get_running_loop().create_future()
        self._queue.append((write, access, future))
        if self._flights < _BATCH_FLIGHTS:
            self._flights += 1
            task = asyncio.create_task(self._fly())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return seen(access, await asyncio.shield(future))

    async def _fly(self) -> None:
        try:
            while self._queue:
                access = self._queue[0][1]
                batch = [item for item in self._queue[: config.BATCH_MAX_WRITES] if item[1] == access]
                chosen = {id(item) for item in batch}
                self._queue = [item for item in self._queue if id(item) not in chosen]
                await self._commit_batch(batch, access)
        finally:
            self._flights -= 1

    async def _commit_batch(
        self, batch: list[tuple[Write, AccessFilter, asyncio.Future[Version]]], access: AccessFilter
    ) -> None:
        async def together(transaction: Transaction) -> list[Version | None]:
            return await transaction.write([write for write, _, _ in batch])

        looks = laboratory.has_results([write for write, _, _ in batch])  # before it writes, under locks
        try:
            made = await self.run(together, access=access, one_statement=not looks)
        except BaseException as error:
            if len(batch) > 1 and isinstance(error, Exception) and not isinstance(error, Unavailable):
                for item in batch:  # one of them is at fault: each alone, so that it fails alone
                    await self._commit_batch([item], access)
                return
            for _, _, future in batch:
                if not future.done():
                    future.set_exception(
                        error if isinstance(error, Exception) else Unavailable("the journal is stopping")
                    )
            if not isinstance(error, Exception):
                raise
            return
        for (_, its, future), version in zip(batch, made, strict=True):
            assert version is not None
            assert access.trail.wrote is not None
            its.trail.wrote_at(*access.trail.wrote[:2], version.seq)
            if not future.done():
                future.set_result(version)

    async def run(
        self, work: Callable[[Transaction], Awaitable[T]], *, access: AccessFilter, one_statement: bool = False
    ) -> T:
        """Runs ``work`` in a transaction and commits; again from the start where PostgreSQL asks for that (deadlock, two
        creators of one id). Busy when others hold what it needs for too long. ``one_statement``: all that ``work`` changes
        goes in one statement, which is its own transaction."""
        require_writing(access)
        for attempt in range(_RETRIES):
            try:
                return await self._unbroken(self._once(work, access, one_statement))
            except (pg.DeadlockDetected, pg.SerializationFailure, pg.UniqueViolation) as error:
                # Ids of what a keyed request creates follow from its key: an id that stays taken is another carrier of that key.
                taken = error.diag.table_name if isinstance(error, pg.UniqueViolation) else None
                if taken == "idempotency" or (taken == "resource" and attempt > 0):
                    raise Conflict(
                        "a request with this Idempotency-Key is being carried out",
                        help="send it again with the same key and body to get its result",
                    ) from error
                if attempt == _RETRIES - 1:
                    raise Busy("others are changing the same resources", retry_after_s=1) from error
            except (pg.LockNotAvailable, pg.QueryCanceled) as error:
                raise Busy("others are changing the same resources", retry_after_s=2) from error
            except (pg.DiskFull, pg.ReadOnlySqlTransaction) as error:
                raise Unavailable("the journal cannot be written now", retry_after_s=10) from error
            except pg.DataError as error:
                raise Unprocessable(f"a value cannot be stored: {error.diag.message_primary}") from error
        raise Fault("unreachable")

    async def _unbroken(self, writing: Coroutine[Any, Any, T]) -> T:
        """Carries a write through though its caller goes away or this process stops: nothing cancels a COMMIT (S33)."""
        task = asyncio.ensure_future(writing)
        for tasks in (self._tasks, self._writes):
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        return await asyncio.shield(task)

    async def _once(self, work: Callable[[Transaction], Awaitable[T]], access: AccessFilter, one_statement: bool) -> T:
        async with self.pool.connection() as connection:
            warned: list[str] = []

            def notice(diagnostic: psycopg.errors.Diagnostic) -> None:
                if diagnostic.sqlstate == "01000" and "replicated" in (diagnostic.message_detail or ""):
                    warned.append(diagnostic.message_primary or "")

            connection.add_notice_handler(notice)
            try:
                if not one_statement:
                    await connection.execute("BEGIN")
                try:
                    result = await work(Transaction(self, connection, access))
                except BaseException:
                    if not connection.closed and not one_statement:
                        await connection.execute("ROLLBACK")
                    raise
                if not one_statement:
                    await connection.execute("COMMIT")
            finally:
                connection.remove_notice_handler(notice)
            if warned:
                raise Unavailable(
                    "committed here, but it is not known whether the standby has it",
                    help="send it again with the same Idempotency-Key",
                    retry_after_s=2,
                )
            return result

    async def recall(self, key: str, *, access: AccessFilter) -> Remembered | None:
        """What the request with this key did, if it was carried out."""
        async with self.pool.connection() as connection:
            values = {"principal": access.principal, "key": key}
            row = await (await connection.execute(statements("write")["recall_result"], values)).fetchone()
            if row is None:
                return None
            seqs = integers([seq for _, seq, _ in row[1] if seq is not None])
            found = await connection.execute(statements("write")["places"], {"seqs": seqs})
            if (place := await found.fetchone()) is not None:
                access.trail.wrote_at(place[0], int(place[1]), place[2])
        return Remembered(bytes(row[0]), tuple((status, seq, location) for status, seq, location in row[1]))

    def searching(self, access: AccessFilter) -> Searches:
        """The door for searches on behalf of ``access``."""
        return Searches(self.reading, self.reader, self.searcher, access)

    async def carrying(self, type_: str, key: int, *, access: AccessFilter, limit: int) -> list[Version]:
        """At most ``limit`` living resources that stand under this key (``fhir.keys``)."""
        return await self.searching(access).include([key], limit=limit)

    async def read_aliases(self) -> None:
        """After a merge: which patients' records go on in others'. Returns when no write is under way that did not know of it."""
        aliases = Aliases()
        async with self.pool.connection() as connection:
            await aliases.read(connection)
        self._know(aliases)
        if self._writes:
            await asyncio.wait(self._writes.copy(), timeout=config.WRITE_TIMEOUT_S)

    async def by_seqs(self, seqs: Sequence[int], *, access: AccessFilter) -> dict[int, Version]:
        async with self.reading.connection() as connection:
            return await self.reader.by_seqs(connection, seqs, access=access)
