"""reserve.db: the entries taken here and those held for other copies, the mode, the numbers given, drafts. Several processes
write to it.

Invariants: what a method has returned is on disk (WAL, synchronous FULL); a key of one asker is one entry, whoever
else takes it at the
same moment; a state that is over changes no more, but by a person; a number is recorded before it is given out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, NamedTuple

import apsw
import orjson
import zstandard

from vaka import config
from vaka.copy import engine
from vaka.copy.reserve.drafts import Drafts
from vaka.copy.reserve.entry import OPEN, Entry, State, from_wire, wire
from vaka.copy.reserve.mode import Event, Mode, Standing, after
from vaka.copy.reserve.programs import Programs
from vaka.copy.statements import statements

_UNFINISHED: Final = frozenset({State.UNHELD, State.WAITING, State.REFUSED})
_BUSY_MS: Final = 10_000


def _sql() -> Mapping[str, str]:
    return statements("reserve")


def now_us() -> int:
    return time.time_ns() // 1_000


def clock_s() -> float:
    """Seconds of a clock that never goes back and is the same for all processes of this machine."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Number(NamedTuple):
    """A number that was given. ``ground``: what it rests on (``copy.reserve.giving``)."""

    kind: str
    value: str
    at_us: int
    by: str
    ground: dict[str, Any]


class ReserveStore:
    """The reserve on an open connection of its own (``copy.engine`` opens it with key and pragmas). ``origin``: id of
    this copy."""

    def __init__(self, connection: apsw.Connection, origin: str) -> None:
        self.origin = origin
        self._db = connection
        self._lock = threading.RLock()
        connection.set_busy_timeout(_BUSY_MS)
        connection.execute("PRAGMA journal_mode = wal; PRAGMA synchronous = full")
        with self._writing():
            connection.execute(_sql()["schema"])
        self.drafts = Drafts(connection, self._lock, self._writing, self._revision)
        self.programs = Programs(self._rows, self._writing, now_us)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._lock, engine.kept(self._db):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                if self._db.in_transaction:  # SQLite has ended it already where the file is damaged
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _rows(self, name: str, /, **values: Any) -> list[tuple[Any, ...]]:
        with self._lock, engine.kept(self._db):
            return list(self._db.execute(_sql()[name], values))

    def _one(self, name: str, /, **values: Any) -> tuple[Any, ...] | None:
        return next(iter(self._rows(name, **values)), None)

    def _revision(self) -> int:
        (found,) = self._rows("revise")
        return int(found[0])

    # What is taken

    def add(self, entry: Entry) -> tuple[Entry, bool]:
        """The entry with its number, and whether it is new: of one key (or id) there is one, and the one before is
        returned."""
        with self._writing():
            row = self._one("by_key", principal=entry.principal, key=entry.key) or self._one("by_id", id=entry.id)
            if row is not None:
                return _entry(row), False
            made = self._one(
                "add", id=entry.id, origin=entry.origin, principal=entry.principal, key=entry.key, state=int(entry.state),
                revision=self._revision(), recorded_us=entry.recorded_us, copies=entry.copies, reason=entry.reason,
                result=orjson.dumps(entry.result).decode(), content=zstandard.compress(wire(entry)),
            )  # fmt: skip
            assert made is not None
            number = int(made[0])
            for patient in entry.patients:
                self._rows("add_patient", patient=patient, number=number)
            for name in entry.makes:
                self._rows("add_resource", name=name, number=number)
            return replace(entry, number=number), True

    def hold(self, entry: Entry) -> Entry:
        """Keeps an entry of another copy, or what has become of it since; what is over here stays so, but for what a
        person did there."""
        kept, new = self.add(entry)
        if kept.origin == self.origin and kept.state is State.UNHELD and entry.state is not State.WITHDRAWN:
            self.held(kept.number, 2)  # the other copy has it, and may have acknowledged it
            return self.get(kept.number) or kept
        settled = entry.state is State.SETTLED and kept.state is State.REFUSED and kept.digest == entry.digest
        if not new and settled:  # it may be both copies'
            self.become(kept.number, entry.state, entry.reason, entry.result)
            return self.get(kept.number) or kept
        if new or kept.origin == self.origin:
            return kept
        with self._writing():
            if entry.state is State.SETTLED or kept.state in _UNFINISHED:
                self._become(kept.number, entry.state, entry.reason, entry.result, _UNFINISHED)
            if entry.copies > kept.copies:
                self._rows("held", number=kept.number, copies=entry.copies, revision=self._revision())
        return self.get(kept.number) or kept

    def adopt(self, entry: Entry) -> Entry:
        """An entry of another copy whose sender came here too: acknowledged here, it is handed over from here as well."""
        if entry.origin == self.origin:
            return entry
        with self._writing():
            self._rows("adopt", number=entry.number, origin=self.origin, revision=self._revision())
        return self.get(entry.number) or entry

    def take_over(self, entry: Entry) -> Entry:
        """An entry of a copy that has gone dark, handed over from here. One that is here already, or over, is there once."""
        kept, _ = self.add(entry)
        with self._writing():
            self._rows("take_over", number=kept.number, origin=self.origin, revision=self._revision())
        return self.get(kept.number) or kept

    def held(self, number: int, copies: int) -> bool:
        """``copies`` machines hold the entry: whether it may be acknowledged. Not so where it was withdrawn while it was being
        held, or is over otherwise: its key is free, and its sender has to come again."""
        with self._writing():
            self._rows("held", number=number, copies=copies, revision=self._revision())
            return bool(self._db.changes())

    def become(
        self, number: int, state: State, reason: str = "", result: Mapping[str, Any] | None = None,
        *, only_from: Iterable[State] = _UNFINISHED,
    ) -> bool:  # fmt: skip
        """Sets the state of an entry, if it is one of ``only_from``; whether it was."""
        with self._writing():
            return self._become(number, state, reason, result or {}, only_from)

    def _become(
        self, number: int, state: State, reason: str, result: Mapping[str, Any], only_from: Iterable[State]
    ) -> bool:
        closed = now_us() if state not in (State.UNHELD, *OPEN) else None
        self._rows(
            "become", number=number, state=int(state), reason=reason, result=orjson.dumps(result).decode(),
            revision=self._revision(), closed_us=closed, **{"from": _numbers(only_from)},
        )  # fmt: skip
        return bool(self._db.changes())

    def fault(self, number: int) -> int:
        """Counts a fault of the journal on an entry; how many there were."""
        with self._writing():
            row = self._one("fault", number=number)
        return int(row[0]) if row is not None else 0

    def withdraw_unheld(self, older_than_s: float) -> None:
        """What was stored by a process that then died, and never acknowledged."""
        if not self.has((State.UNHELD,)):
            return
        with self._writing():
            before = now_us() - int(older_than_s * 1e6)
            while True:
                values = {"before_us": before, "closed_us": now_us(), "revision": self._revision()}
                self._rows("withdraw_unheld", origin=self.origin, **values)
                if not self._db.changes():
                    return

    # What is there

    def by_key(self, principal: str, key: str) -> Entry | None:
        row = self._one("by_key", principal=principal, key=key)
        return _entry(row) if row is not None else None

    def by_id(self, id_: str) -> Entry | None:
        row = self._one("by_id", id=id_)
        return _entry(row) if row is not None else None

    def get(self, number: int) -> Entry | None:
        row = self._one("by_number", number=number)
        return _entry(row) if row is not None else None

    def open(
        self, states: Iterable[State] = OPEN, *, after: int = 0, limit: int = config.RESERVE_LOOK_MAX
    ) -> list[Entry]:
        """What the journal does not show, in the order in which it came in: all that is rebuilt after a seed, or
        handed over."""
        return [_entry(row) for row in self._rows("open", states=_numbers(states), after=after, limit=limit)]

    def open_numbers(self, limit: int) -> list[tuple[int, str, State]]:
        """(number, origin, state) of what the journal does not have or has refused, in the order in which it came in."""
        rows = self._rows("open_numbers", limit=limit)
        return [(int(number), str(origin), State(state)) for number, origin, state in rows]

    def open_beside(self, whose: Iterable[str], limit: int) -> list[tuple[int, str, State]]:
        """The same of the first ``limit`` that wait, of ``whose`` (ids of copies), and of what they may have to wait for."""
        rows = self._rows("open_beside", whose=orjson.dumps(list(whose)).decode(), limit=limit)
        return [(int(number), str(origin), State(state)) for number, origin, state in rows]

    def has(self, states: Iterable[State]) -> bool:
        """Whether there is an entry in one of these states."""
        return bool(self._rows("has", states=_numbers(states))[0][0])

    def listed(self, states: Iterable[State], *, after: int = 0, limit: int = config.RESERVE_LOOK_MAX) -> list[Entry]:
        return [_entry(row) for row in self._rows("listed", states=_numbers(states), after=after, limit=limit)]

    def shown_of(self, type_: str, id_: str) -> Entry | None:
        """The newest entry that creates or changes a resource, and that the journal does not have."""
        row = self._one("newest_of_resource", name=f"{type_}/{id_}")
        return _entry(row) if row is not None else None

    def open_of(self, name: str) -> Iterator[Entry]:
        """All entries that create or change a resource (``Type/id``), and that the journal does not have, newest first."""
        return map(_entry, self._rows("open_of_resource", name=name))

    def waits(self, patients: Iterable[str]) -> bool:
        """Whether something of one of these patients waits to be handed over."""
        row = self._one("waits", patients=orjson.dumps(list(patients)).decode())
        return row is not None and bool(row[0])

    def shows(self, patient: str) -> bool:
        """Whether something of this patient is shown that the journal does not have: what waits, and what it refused."""
        row = self._one("shows", patient=patient)
        return row is not None and bool(row[0])

    def counts(self) -> dict[State, int]:
        return {State(row[0]): int(row[1]) for row in self._rows("count_states")}

    def forget(self) -> None:
        """Drops what has been over for ``RESERVE_KEEP_DAYS``, and drafts that are too old."""
        with self._writing():
            self._rows("forget", before_us=now_us() - config.RESERVE_KEEP_DAYS * 86_400 * 1_000_000)
            self._rows("forget_of")
            self._rows("forget_resources")
            self.drafts.forget(now_us())

    # What other copies are told

    def untold(self, peer: str, limit: int = config.RESERVE_EXCHANGE_MAX) -> list[tuple[int, Entry]]:
        """(revision, entry) of what was taken here and ``peer`` has not been told, oldest change first."""
        row = self._one("told", peer=peer)
        rows = self._rows("changed_since", origin=self.origin, told=int(row[0]) if row is not None else 0, limit=limit)
        return [(int(found[-1]), _entry(found[:-1])) for found in rows]

    def told(self, peer: str, revision: int) -> None:
        with self._writing():
            self._rows("keep_told", peer=peer, told=revision, now_us=now_us())

    def heard(self) -> dict[str, int]:
        """When each peer was last reached, microseconds since 1970."""
        return {row[0]: int(row[2] or 0) for row in self._rows("peers")}

    # Mode

    def standing(self) -> Standing:
        row = self._one("mode")
        return Standing() if row is None else Standing(Mode(row[0]), *row[1:])

    def happened(self, event: Event) -> Standing:
        """The mode after ``event``. A change is recorded with who and why."""
        before = self.standing()
        if after(before, event, clock_s()) is before:  # nearly always: no write
            return before
        with self._writing():
            before = self.standing()
            now = after(before, event, clock_s())
            if now is not before:
                self._rows(
                    "set_mode", mode=now.mode.value, since_s=now.since_s, good_since_s=now.good_since_s,
                    good_s=now.good_s, by=now.by, reason=now.reason,
                )  # fmt: skip
            if now.mode is not before.mode:
                self._rows("note_mode", at_us=now_us(), mode=now.mode.value, by=now.by, reason=now.reason)
        return now

    def note(self, what: str, by: str, reason: str) -> None:
        """Keeps what a person did with this reserve, beside the changes of its mode."""
        with self._writing():
            self._rows("note_mode", at_us=now_us(), mode=what, by=by, reason=reason)

    def mode_changes(self, limit: int = 100) -> list[tuple[int, str, str, str]]:
        """(when, mode, by whom, why), newest first."""
        return [(int(row[0]), row[1], row[2], row[3]) for row in self._rows("mode_changes", limit=limit)]

    # Numbers

    def range(self) -> int | None:
        """This copy's number for reserve numbers, as the journal gave it."""
        row = self._one("range", kind="copy")
        return int(row[0]) if row is not None else None

    def set_range(self, copy: int) -> None:
        with self._writing():
            self._rows("set_range", kind="copy", copy=copy)

    def give(self, copy: int, kind: str, make: Any, *, by: str, ground: str) -> str:
        """The next number of ``kind``, recorded. ``make``: (copy, serial) → its text."""
        with self._writing():
            row = self._one("last_given", copy=copy, kind=kind)
            serial = 0 if row is None or row[0] is None else int(row[0]) + 1
            value = str(make(copy, serial))
            self._rows("give", copy=copy, kind=kind, serial=serial, value=value, at_us=now_us(), by=by, ground=ground)
        return value

    def given(self, kind: str, by: str, key: str) -> tuple[str, str] | None:
        """(number, what was known) of the number that was given for this key."""
        row = self._one("given", kind=kind, by=by, key=key)
        return (str(row[0]), str(row[1])) if row is not None else None

    def numbers(self, by: str | None, since_us: int, limit: int) -> list[Number]:
        """Those that were given since, to ``by`` (None: to anybody), the newest first."""
        return [
            Number(str(row[0]), str(row[1]), int(row[2]), str(row[3]), orjson.loads(row[4]))
            for row in self._rows("numbers", by=by, since_us=since_us, limit=limit)
        ]


def _numbers(states: Iterable[State]) -> str:
    return orjson.dumps([int(state) for state in states]).decode()


def _entry(row: Sequence[Any]) -> Entry:
    number, origin, state, copies, reason, result, content = row
    entry = from_wire(zstandard.decompress(content))
    return replace(
        entry, number=int(number), origin=str(origin), state=State(state), copies=int(copies), reason=str(reason),
        result=orjson.loads(result),
    )  # fmt: skip
