"""Puts resources in the place of what stands, with all that is derived from them, inside a transaction that is open.

Invariants: index and access rows are those of what the row says now; what an old version was found by is taken out by making
its rows again, and only what differs is written. What cannot be interpreted is kept, found by nothing, and set aside (S4).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import apsw
import orjson

from vaka import log
from vaka.access.facts import TYPES
from vaka.copy.filling import Filling, Pair
from vaka.copy.rows import NOTHING, Made, Rows, rows_of
from vaka.copy.statements import statements
from vaka.fhir.definitions import type_number
from vaka.fhir.keys import reference_key, resource_key
from vaka.store.codec import Codec
from vaka.store.said import NO_FACTS, Place, Said, say

_FACT_NUMBERS = frozenset(type_number(name) for name in TYPES)
_ORGANIZATION = type_number("Organization")
_CONSENT = type_number("Consent")


class Row(NamedTuple):
    """A row of ``resource``, with the columns of its statements in apply.sql."""

    rkey: int
    type: int
    id: str
    version: int
    epoch: int
    updated_us: int
    created: int
    seq: int
    xid: int
    patient: int | None
    owner: int
    action: int
    deleted: int
    redacted: int
    pending: int
    indexed: int
    hash: bytes
    dictionary: int
    body: bytes | None

    @property
    def order(self) -> tuple[int, int]:
        """The one with the higher is the newer version."""
        return self.epoch, self.version


@dataclass(frozen=True, slots=True)
class Change:
    """``before``: the row that stands, None for none; ``after``: what stands then, None where it is taken out. ``body``: of
    ``after``, uncompressed; ``patient``: the id of its home patient; ``made``: what follows from the body, where it was made
    ahead."""

    before: Row | None
    after: Row | None
    body: bytes | None = None
    patient: str | None = None
    made: Made | None = None

    @property
    def row(self) -> Row:
        row = self.after or self.before
        assert row is not None
        return row


class Home(NamedTuple):
    """Whose a resource is: key of the home patient, number of the owner."""

    patient: int | None
    owner: int


@dataclass(frozen=True, slots=True)
class Changed:
    """One resource that is another now. ``before``, ``after``: whose; None where it is not, or no longer, in the record.
    ``body``: of what stands now; None where there is none, or it must be looked up."""

    rkey: int
    type: int
    before: Home | None
    after: Home | None
    body: bytes | None = None


OnChanged: TypeAlias = Callable[[apsw.Connection, Collection[Changed]], Collection[int]]
"""Gives the patients (keys) of whom something else is another now."""
_Prepared: TypeAlias = tuple[Change, Rows, Rows]


@dataclass(slots=True)
class _Tokens:
    """(key, rkey): of resources that are new, and what differs of the others."""

    came: list[Pair] = field(default_factory=list)
    gone: list[Pair] = field(default_factory=list)
    again: list[Pair] = field(default_factory=list)


class Putter:
    """Of one writing connection."""

    def __init__(self, connection: apsw.Connection, codec: Codec, on_changed: OnChanged | None = None) -> None:
        self._connection = connection
        self._codec = codec
        self.on_changed = on_changed
        self.touched: set[int | None] = set()
        """Whose record was changed since it was told of; None: of anybody."""
        self._sql = statements("apply")
        self.filling: Filling | None = None

    def standing(self, keys: Iterable[int], *, name: str = "standing") -> dict[int, Row]:
        rows = self._connection.execute(self._sql[name], (orjson.dumps(list(keys)).decode(),))
        return {row[0]: Row(*row) for row in rows}

    def put(self, changes: Sequence[Change]) -> list[tuple[Change, str]]:
        """Does all ``changes``, each of a resource of its own; those that could not be interpreted, and why."""
        if not changes:
            return []
        changes = sorted(changes, key=lambda change: change.row.rkey)  # the order of the tables
        self._touch(changes)
        into = self._merges()
        more = self._more([c.before.rkey for c in changes if c.before is not None and c.before.indexed])
        prepared: list[_Prepared] = []
        failed: list[tuple[Change, str]] = []
        for change in changes:
            old = self._old(change.before, more)
            try:
                new = _new(change, into)
            except Exception as error:  # whatever a hostile or newer resource makes of our code
                log.error("a resource cannot be interpreted", exception=error, key=change.row.rkey)
                failed.append((change, type(error).__name__))
                new = NOTHING
                assert change.after is not None
                change = Change(change.before, change.after._replace(indexed=0), change.body, change.patient)
            prepared.append((change, old, new))
        self._resources(prepared)
        self._index(prepared)
        self._facts(prepared)
        if self.on_changed is not None:
            self.touched.update(self.on_changed(self._connection, [_changed(change) for change in changes]))
        return failed

    def superseded(self, rkey: int, id_: str, order: tuple[int, int]) -> None:
        """A version of ``order`` was set aside: what is made of an older one that stands is made again, to say so (S4)."""
        row = self.standing([rkey]).get(rkey)
        if row is None or row.id != id_ or row.order >= order:
            return
        self._touch([Change(row, row)])
        if self.on_changed is not None:
            self.touched.update(self.on_changed(self._connection, [_changed(Change(row, row))]))

    def _touch(self, changes: Sequence[Change]) -> None:
        for change in changes:
            for row in (change.before, change.after):
                if row is not None and row.patient is not None:
                    self.touched.add(row.patient)
            if change.row.type == _ORGANIZATION:  # units by name, and blocks of units that were not known
                self.touched.add(None)

    def _many(self, name: str, values: Iterable[Sequence[Any]]) -> None:
        self._connection.executemany(self._sql[name], values)

    def _merges(self) -> Callable[[str], str] | None:
        """Where a merged patient's record goes on, as far as the private feed has told."""
        found: Mapping[str, str] = dict(self._connection.execute(self._sql["aliases"]))
        if not found:
            return None

        def into(patient: str) -> str:
            seen = {patient}
            while (following := found.get(patient)) is not None and following not in seen:
                patient = following
                seen.add(patient)
            return patient

        return into

    def _more(self, keys: Sequence[int]) -> dict[int, tuple[int, ...]]:
        found: dict[int, tuple[int, ...]] = {}
        for rkey, key in self._connection.execute(self._sql["more_of"], (orjson.dumps(keys).decode(),)):
            found[rkey] = (*found.get(rkey, ()), key)
        return found

    def _old(self, row: Row | None, more: Mapping[int, tuple[int, ...]]) -> Rows:
        """What a row put into the index."""
        if row is None or row.body is None or not row.indexed:
            return NOTHING
        made = rows_of(self._codec.decompress(row.dictionary, row.body), None, None)
        return Rows(made.index, more.get(row.rkey, ()), made.facts)

    def _resources(self, prepared: Sequence[_Prepared]) -> None:
        self._many("put", [change.after for change, _, _ in prepared if change.after is not None])
        self._many("drop", [(change.row.rkey,) for change, _, _ in prepared if change.after is None])

    def _index(self, prepared: Sequence[_Prepared]) -> None:
        self._tokens(prepared)
        pairs = [(change.row.rkey, old, new) for change, old, new in prepared]
        self._many("no_more", [(k,) for k, old, new in pairs if old.more and old.more != new.more])
        self._many("more", [(k, key) for k, old, new in pairs if old.more != new.more for key in new.more])
        for column, put, take in (
            ("dates", "date", "no_date"), ("quantities", "quantity", "no_quantity"), ("strings", "string", "no_string"),
        ):  # fmt: skip
            differing = [
                (k, was, now) for k, old, new in pairs
                if (was := getattr(old.index, column)) != (now := getattr(new.index, column))
            ]  # fmt: skip
            self._many(take, [(k,) for k, was, _ in differing if was])
            self._many(put, [(k, *one) for k, _, now in differing for one in now])
        differing_words = [(k, old.lexemes, new.lexemes) for k, old, new in pairs if old.index.words != new.index.words]
        self._many("no_words", [(k, was) for k, was, _ in differing_words if was])
        # In the order of their numbers, as they come here: FTS5 writes out what it has gathered at each one that goes back.
        self._many("words", [(k, now) for k, _, now in differing_words if now])

    def _tokens(self, prepared: Sequence[_Prepared]) -> None:
        """Those of Consents are looked for by ``_say_again``: they are never gathered."""
        at_once = _Tokens()
        gathered = _Tokens()
        for change, old, new in prepared:
            rkey = change.row.rkey
            tokens = gathered if self.filling is not None and change.row.type != _CONSENT else at_once
            if change.before is None and not new.more:
                tokens.came += [(key, rkey) for key in new.index.tokens]
                continue
            before = {*old.index.tokens, *old.more}
            after = {*new.index.tokens, *new.more}
            tokens.gone += [(key, rkey) for key in before - after]
            tokens.again += [(key, rkey) for key in after - before]
        self._many("untoken", at_once.gone)
        self._many("token", sorted(at_once.came + at_once.again))  # the order of the table: pages are met once
        if self.filling is not None:
            self.filling.put(gathered.came, gone=gathered.gone, again=gathered.again)

    def _facts(self, prepared: Sequence[_Prepared]) -> None:
        """What these resources say about access now; and blocks of before that name an Organization which is only now known."""
        saying = [(change, new) for change, _, new in prepared if change.row.type in _FACT_NUMBERS]
        self._forget([change.row.rkey for change, _ in saying if change.before is not None])
        told = [(change.after, new) for change, new in saying if change.after is not None and new.facts is not NO_FACTS]
        self._say(told)
        new_places = [
            change.row.id for change, _, _ in prepared
            if change.row.type == _ORGANIZATION and change.after is not None and not change.after.deleted
            and (change.before is None or change.before.deleted)
        ]  # fmt: skip
        if new_places:
            self._say_again(new_places, {change.row.rkey for change, _ in saying})

    def _say_again(self, organizations: Sequence[str], done: Collection[int]) -> None:
        keys = [reference_key("Consent.organization", "Organization", id_) for id_ in organizations]
        found = self._connection.execute(self._sql["found_by"], (orjson.dumps(keys).decode(),))
        consents = self.standing({row[0] for row in found} - set(done))
        again = []
        for row in consents.values():
            if row.body is not None and row.indexed:
                again.append((row, self._old(row, {})))
        self._forget([row.rkey for row, _ in again])
        self._say(again)

    def _forget(self, keys: Sequence[int]) -> None:
        for name in ("no_relation", "no_block", "no_consent", "no_protected"):
            self._many(name, [(key,) for key in keys])

    def _say(self, told: Sequence[tuple[Row, Rows]]) -> None:
        if not told:
            return
        names = {name for _, new in told for name in new.facts.organizations}
        places = self._places({resource_key("Organization", name) for name in names} | {row.rkey for row, _ in told})
        known = {n: places[k] for n in names if (k := resource_key("Organization", n)) in places}
        rows = Said()
        protected: list[tuple[int, int]] = []
        for row, new in told:
            if row.patient is None or row.deleted:
                continue
            rows.protected.clear()
            say(rows, row.rkey, row.patient, places[row.rkey], new.facts, known)
            protected += [(patient, row.rkey) for patient in rows.protected]
        self._many("relation", rows.relations)
        self._many("block", rows.blocks)
        self._many("consent", rows.consents)
        self._many("protect", protected)

    def _places(self, keys: Iterable[int]) -> dict[int, Place]:
        rows = self._connection.execute(self._sql["places"], (orjson.dumps(list(keys)).decode(),))
        return {rkey: (unit, provider) for rkey, unit, provider in rows}


def _new(change: Change, into: Callable[[str], str] | None) -> Rows:
    if change.body is None:
        return NOTHING
    ahead = change.made.rows_with(into) if change.made is not None else None
    return ahead or rows_of(change.body, change.patient, into)


def _changed(change: Change) -> Changed:
    return Changed(change.row.rkey, change.row.type, _home(change.before), _home(change.after), change.body)


def _home(row: Row | None) -> Home | None:
    return Home(row.patient, row.owner) if row is not None and not row.deleted else None
