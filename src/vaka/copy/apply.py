"""Applies lines of the feed: rows, what is derived from them, and the cursor, in one durable commit.

Invariants (traps: Feed)
- A version becomes current only if (epoch, number) is higher than that of what stands, so lines that come again, late or in
  another order change nothing.
- When ``apply`` has returned, its lines are on the disk; when it raises, none is.
- A redaction takes the body out, and the log that still holds it is emptied at once (S26). A deletion keeps its row.
- A row that shows a reserve entry (``pending``) goes when the feed's version is at least its own; what the feed says meanwhile is
  kept beneath it.
- A version of ours that another of a later epoch replaces without having followed it was lost by the journal: it is given to
  ``on_lost`` before the commit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import apsw
import zstandard

from vaka import config
from vaka.copy import engine, intake, private
from vaka.copy.changes import Changes
from vaka.copy.held import scope_of
from vaka.copy.intake import Intake
from vaka.copy.lines import Heartbeat, Line, Mark, Unread, Version
from vaka.copy.owners import Owners
from vaka.copy.put import Change, OnChanged, Putter, Row
from vaka.copy.rows import home
from vaka.copy.scope import Scope
from vaka.copy.statements import statements
from vaka.fhir.definitions import type_number
from vaka.store.codec import CURRENT, Codec, packaged_dictionary
from vaka.store.cursor import Cursor

SCHEMA = 1
"""The form of record.db: raised with each change of it. A file of another is not read from, and the copy is seeded anew."""
_EMPTY_WAIT_MS = 50
OnLost: TypeAlias = Callable[[Sequence[Row]], None]


@dataclass(frozen=True, slots=True)
class At:
    """How far the feed is applied. ``hash``: of the version at the cursor, None before the first. ``whole``: all below the
    horizon is here, as of ``horizon_us`` on the journal's clock."""

    cursor: Cursor
    hash: bytes | None
    horizon_xid: int
    horizon_us: int
    whole: bool


@dataclass(frozen=True, slots=True)
class Applied:
    """What one commit did. ``versions``: lines of versions; ``current``: resources that are others now; ``conflicting``: lines
    with the number of a version that stands here with another hash."""

    at: At
    versions: int
    current: int
    aside: int
    conflicting: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Versions a second."""
        return self.versions / self.seconds if self.seconds else 0.0


def make(connection: apsw.Connection, scope: Scope | None = None) -> None:
    """The schema, in a file that is new. ``scope``: whose record it is to hold; None: the region's."""
    with engine.transaction(connection):
        if connection.execute("SELECT count(*) FROM sqlite_schema").get:
            return
        connection.execute(statements("record")["schema"])
        private.create(connection)
        connection.execute("INSERT INTO dictionary VALUES (?, ?)", (CURRENT, packaged_dictionary()))
        connection.execute("INSERT INTO fact VALUES ('schema', ?)", (str(SCHEMA),))
        if scope is not None:
            intake.make(connection, scope)


def is_ours(connection: apsw.Connection) -> bool:
    """Whether this release reads and writes such a file: one of its own form, or an empty one."""
    if not connection.execute("SELECT count(*) FROM sqlite_schema").get:
        return True
    return bool(connection.execute(statements("apply")["fact"], ("schema",)).get == str(SCHEMA))


def dictionaries(connection: apsw.Connection) -> dict[int, bytes]:
    """What the bodies of this file are compressed with, by number."""
    return dict(connection.execute("SELECT dictionary, content FROM dictionary"))


def codec(connection: apsw.Connection) -> Codec:
    """For the bodies of this file."""
    return Codec(dictionaries(connection))


class Applier:
    """Of one record.db and its only writing connection."""

    def __init__(
        self,
        connection: apsw.Connection,
        path: Path,
        *,
        on_changed: OnChanged | None = None,
        on_lost: OnLost | None = None,
        changes: Changes | None = None,
    ) -> None:
        self.connection = connection
        self.path = path
        self._sql = statements("apply")
        self.on_lost = on_lost
        self.changes = changes
        self._log_is_due = False
        self.codec = codec(connection)
        self.owners = Owners(connection)
        self.putter = Putter(connection, self.codec, on_changed)
        scope = scope_of(connection)
        self.intake = Intake(connection, scope) if scope is not None else None

    @property
    def dictionaries(self) -> dict[int, bytes]:
        return dictionaries(self.connection)

    @property
    def at(self) -> At:
        row: Any = self.connection.execute(self._sql["cursor"]).get
        return At(Cursor(*row[:3]), row[3], row[4], row[5], bool(row[6]))

    def apply(self, lines: Sequence[Line]) -> Applied:
        """Applies ``lines`` in one commit; the record is whole if they end with a mark. DiskFull, Damaged: none was applied."""
        began = time.perf_counter()
        versions = [line for line in lines if isinstance(line, Version | Unread)]
        try:
            with engine.told(self.path), engine.transaction(self.connection):
                kept, gone = self.intake.sift(versions) if self.intake is not None else (versions, ())
                self._take_out(gone)
                batch, current, redacted = self._put(kept)
                at = self._moved(lines, versions)
                self._move(at)
                aside: Any = self.connection.execute(self._sql["count_aside"]).get
        except BaseException:
            self._forget()
            raise
        self.tell()
        if redacted or self._log_is_due:
            self.empty_log()
        return Applied(at, len(versions), current, aside, batch.conflicting, time.perf_counter() - began)

    def take_in(self, patient: str) -> None:
        """What waits for a patient stands in the record from now on, whole, in one commit. DiskFull, Damaged: nothing does."""
        assert self.intake is not None
        redacted = False
        try:
            with engine.told(self.path), engine.transaction(self.connection):
                for part in self.intake.staged(patient):
                    redacted |= self._put(part)[2]
                self.intake.make_whole(patient)
        except BaseException:
            self._forget()
            raise
        self.tell()
        if redacted or self._log_is_due:
            self.empty_log()

    def let_go(self, keys: Callable[[], Sequence[int]]) -> None:
        """What ``keys`` gives, inside the transaction, stands here no more, in one commit, nor in the log. DiskFull, Damaged:
        nothing was taken out."""
        try:
            with engine.told(self.path), engine.transaction(self.connection):
                self._take_out(keys())
        except BaseException:
            self._forget()
            raise
        self.tell()
        self.empty_log()

    def _put(self, versions: Sequence[Version | Unread]) -> tuple[_Batch, int, bool]:
        """The batch, how many resources are others now, and whether something was redacted."""
        batch = _Batch(self, [one for one in versions if isinstance(one, Version)])
        current, redacted = batch.run()
        for one in versions:
            if isinstance(one, Unread):
                self._set_aside(one, None, one.reason)
        if self.on_lost is not None and batch.lost:
            self.on_lost(list(batch.lost.values()))
        return batch, current, redacted

    def _take_out(self, keys: Sequence[int]) -> None:
        """What is no longer of anybody who is held. A reserve entry of it stays shown until it is settled."""
        if not keys:
            return
        standing = self.putter.standing(keys).values()
        self.putter.put([Change(row, None) for row in standing if not row.pending])
        self.connection.executemany(self._sql["drop_beneath"], [(row.rkey,) for row in standing if row.pending])
        self.connection.executemany(statements("scope")["no_aside"], [(key,) for key in keys])

    def _forget(self) -> None:
        """After a rollback."""
        self.owners.forget()
        if self.putter.filling is not None:
            self.putter.filling.forget()
        if self.intake is not None:
            self.intake.forget()

    def tell(self, also: Iterable[int | None] = ()) -> None:
        """Tells all readers whose record was changed: called after each commit. ``also``: beside what was put (None: all)."""
        touched = self.putter.touched
        touched.update(also)
        if self.changes is not None and touched:
            self.changes.tell(touched)
        touched.clear()

    def empty_log(self) -> None:
        """Nothing of what was taken out stays in the write-ahead log. Where somebody reads in it, the next commit does it."""
        self.connection.set_busy_timeout(_EMPTY_WAIT_MS)
        try:
            with engine.told(self.path):
                self.connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            self._log_is_due = False
        except apsw.BusyError:
            self._log_is_due = True
        finally:
            self.connection.set_busy_timeout(config.COPY_BUSY_TIMEOUT_MS)

    def go_back(self, cursor: Cursor, row_hash: bytes | None) -> None:
        """The feed is asked on from ``cursor``: what was held beyond it comes again, or does not (feed.md, 5)."""
        with engine.told(self.path), engine.transaction(self.connection):
            self._move(At(cursor, row_hash, 0, self.at.horizon_us, False))
            if self.intake is not None:
                self.intake.begin_anew()

    def _moved(self, lines: Sequence[Line], versions: Sequence[Version | Unread]) -> At:
        before = self.at
        cursor, digest = before.cursor, before.hash
        for one in versions:
            if (one.cursor.xid, one.cursor.seq) >= (cursor.xid, cursor.seq):
                cursor, digest = one.cursor, one.hash
        marks = [line for line in lines if isinstance(line, Mark)]
        whole = before.whole if not versions and not marks else isinstance(lines[-1], Mark | Heartbeat) and bool(marks)
        if not marks:
            return At(cursor, digest, before.horizon_xid, before.horizon_us, whole)
        if not cursor.seq:
            cursor = marks[-1].cursor
        return At(cursor, digest, marks[-1].xid, marks[-1].at_us, whole)

    def _move(self, at: At) -> None:
        c = at.cursor
        values = (c.epoch, c.xid, c.seq, at.hash, at.horizon_xid, at.horizon_us, int(at.whole))
        self.connection.execute(self._sql["move"], values)

    def _set_aside(self, line: Version | Unread, owner: int | None, reason: str) -> None:
        packed = zstandard.compress(line.line) if len(line.line) <= config.COPY_LINE_MAX_BYTES else None
        values = (
            line.rkey,
            line.type,
            line.id,
            line.number,
            line.cursor.epoch,
            home(line.patient),
            owner,
            reason,
            packed,
        )
        self.connection.execute(self._sql["put_aside"], values)
        self.putter.touched.add(home(line.patient))
        self.putter.superseded(line.rkey, line.id, (line.cursor.epoch, line.number))

    def set_aside_all(self, failed: Sequence[tuple[Version, int, str]]) -> None:
        for line, owner, reason in failed:
            self._set_aside(line, owner, reason)


class _Batch:
    """The versions of one commit: for each resource what stands, and what of the lines comes to stand."""

    def __init__(self, applier: Applier, lines: Sequence[Version]) -> None:
        self._applier = applier
        self._lines = lines
        self.lost: dict[int, Row] = {}
        self.conflicting = 0
        self._stands: dict[int, Row] = {}
        self._beneath: dict[int, Row] = {}
        self._newest: dict[int, Version] = {}
        self._created: dict[int, int] = {}

    def run(self) -> tuple[int, bool]:
        """How many resources are others now, and whether something was redacted."""
        keys = {line.rkey for line in self._lines}
        if not keys:
            return 0, False
        putter, connection, sql = self._applier.putter, self._applier.connection, self._applier._sql
        self._stands = putter.standing(keys)
        if pending := [row.rkey for row in self._stands.values() if row.pending]:
            self._beneath = putter.standing(pending, name="beneath")
        for line in self._lines:
            self._take(line)
        changes: list[Change] = []
        by_key: dict[int, Version] = {}
        unknown: list[tuple[Version, int, str]] = []
        for rkey, line in self._newest.items():
            owner = self._applier.owners.number(line.owner)
            stands = self._stands.get(rkey)
            created = self._created[rkey]
            try:
                number = type_number(line.type)
            except KeyError:  # of a journal that knows more than this copy
                unknown.append((line, owner, "unknown type"))
                continue
            if stands is not None and (stands.type, stands.id) != (number, line.id):
                unknown.append((line, owner, "its key is another's"))
                continue
            packed = self._packed(line)
            row = Row(
                rkey, number, line.id, line.number, line.cursor.epoch, line.updated_us, created, line.cursor.seq,
                line.cursor.xid, home(line.patient), owner, int(line.action), int(line.deleted), int(line.redacted), 0, 1,
                line.hash, *packed,
            )  # fmt: skip
            if stands is not None and stands.pending and stands.order > row.order:
                connection.execute(sql["put_beneath"], row)
                continue
            if stands is not None and stands.pending:
                connection.execute(sql["drop_beneath"], (rkey,))
            changes.append(Change(stands, row, line.body, line.patient, line.made))
            by_key[rkey] = line
        failed = putter.put(changes)
        broken = {change.row.rkey for change, _ in failed}
        applied = [(c.row.rkey, c.row.epoch, c.row.version) for c in changes if c.row.rkey not in broken]
        connection.executemany(sql["no_aside"], applied)
        self._applier.set_aside_all([
            *unknown, *((by_key[change.row.rkey], change.row.owner, reason) for change, reason in failed)
        ])  # fmt: skip
        older = [(k, c) for k, c in self._created.items() if k not in by_key and k in self._stands]
        connection.executemany(sql["set_created"], [(k, c) for k, c in older if c < self._stands[k].created])
        redacted = any(line.redacted and line.rkey in self._stands for line in by_key.values())
        return len(changes), redacted

    def _packed(self, line: Version) -> tuple[int, bytes | None]:
        if line.body is None:
            return 0, None
        return line.made.packed if line.made is not None else self._applier.codec.compress(line.body)

    def _take(self, line: Version) -> None:
        rkey = line.rkey
        stands = self._stands.get(rkey)
        known = self._beneath.get(rkey) if stands is not None and stands.pending else stands
        first = self._created.get(rkey, known.created if known is not None else line.cursor.seq)
        self._created[rkey] = min(first, line.cursor.seq)
        order = (line.cursor.epoch, line.number)
        if known is not None:
            other = order == known.order and not line.redacted and not known.redacted and line.hash != known.hash
            if order <= known.order and not other:
                return
            if other or line.number <= known.version:  # of a history, or a later epoch, that did not know this one
                self.lost[rkey] = known
            if other:
                self.conflicting += 1
        newest = self._newest.get(rkey)
        if newest is None or order > (newest.cursor.epoch, newest.number):
            self._newest[rkey] = line
