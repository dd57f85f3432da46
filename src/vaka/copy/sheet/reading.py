"""What one reader may see of a patient's fragments, decided one by one before anything is joined.

Invariants: the rules are those that every read takes (``access.decision``; of a program with narrower scopes the gate itself,
asked of each resource); what is hidden changes nothing but ``Hidden``, and what of it may be told (S21) is the rules' to say;
whatever is shown is noted for the access log.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Final, NamedTuple

from vaka import __version__, config
from vaka.access.filter import AccessFilter
from vaka.access.trail import Touched
from vaka.copy.gate import gate
from vaka.copy.reader import Reader as Connection
from vaka.copy.reader import Row
from vaka.copy.sheet import kept, page
from vaka.copy.sheet.aside import NOTHING_ASIDE, TYPE_NUMBERS, Aside, aside_of
from vaka.copy.sheet.deciding import Decided, Decisions
from vaka.copy.sheet.entry import Entry, unnamed
from vaka.copy.sheet.fragment import Facts, Fragment, Piece, facts_of, fragment, pieces_of
from vaka.copy.sheet.fragment import facts as facts_in
from vaka.copy.sheet.kept import Group
from vaka.copy.sheet.page import Body, Hidden, Owned
from vaka.copy.sheet.sections import CARD_KINDS
from vaka.copy.statements import statements
from vaka.fhir.definitions import type_name
from vaka.fhir.keys import resource_key
from vaka.store.gate import Gate as Through
from vaka.store.through import now_us

ANOTHER_UNIT: Final = "*"
"""Stands for a unit that is not named: it would tell where somebody has been whose identity is protected (S24)."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A joined body, and the versions in it."""

    body: Body
    touched: tuple[Touched, ...]


class Made(NamedTuple):
    """``aside``: how many entries that the reader may see have a version that could not be interpreted; ``until_us``: when it may
    be decided otherwise, if nothing changes."""

    body: Body
    aside: int
    until_us: int


@dataclass(slots=True)
class Names:
    """Names of units, looked up again after ``config.UNIT_NAME_KEPT_S``."""

    _known: dict[str, tuple[str, float]] = field(default_factory=dict)

    def of(self, reader: Connection, unit: str) -> str:
        if not unit:
            return ""
        known = self._known.get(unit)
        now = time.monotonic()
        if known is None or now > known[1]:
            name = kept.name_of(reader.connection, reader.codec, f"Organization/{unit}") or unit
            self._known[unit] = known = (name, now + config.UNIT_NAME_KEPT_S)
        return known[0]


class Bodies:
    """Bodies that were joined lately, at most ``size_bytes`` of them, the longest unused dropped first."""

    def __init__(self, size_bytes: int = config.SHEET_CACHE_BYTES) -> None:
        self._kept: OrderedDict[object, Shown] = OrderedDict()
        self._left = size_bytes
        self._lock = Lock()

    def get(self, key: object, now: int) -> Shown | None:
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            if found.body.until_us <= now:
                self._drop(key)
                return None
            self._kept.move_to_end(key)
            return found

    def put(self, key: object, shown: Shown) -> None:
        size = shown.body.size_bytes
        with self._lock:
            self._drop(key)
            while self._kept and self._left < size:
                self._drop(next(iter(self._kept)))
            if self._left >= size:
                self._kept[key] = shown
                self._left -= size

    def _drop(self, key: object) -> None:
        dropped = self._kept.pop(key, None)
        if dropped is not None:
            self._left += dropped.body.size_bytes


class Sheets:
    """Makes bodies for readers. One for each worker; its threads may share it. ``alone``: as ``page.body``."""

    def __init__(self, *, alone: bool = False) -> None:
        self._alone = alone
        self.names = Names()
        self._bodies = Bodies()
        self._decisions = Decisions()
        self._sql = statements("sheet")

    def body(
        self, reader: Connection, access: AccessFilter, id_: str, form: str, *, aged: bool = False, ready: bool = False,
        card: bool = False,
    ) -> Made | None:  # fmt: skip
        """The body of the sheet of the Patient ``id_`` as ``form``. What it shows is noted. ``ready``: None where something would
        have to be made first; ``card``: as ``page.body``. Forbidden for who may not read."""
        patient, now = resource_key("Patient", id_), now_us()
        through = gate(access, aged=aged)
        if access.session is None and not through.everything:
            if ready:
                return None
            aside, closed = self._visible_aside(reader, through, patient)
            shown: Shown | None = self._by_entries(
                reader,
                through.on("r"),
                through.values,
                patient,
                id_,
                form,
                now,
                card=card,
                aside=aside,
                withheld=closed,
            )
            until_us = now
        else:
            rows = reader.rows(self._sql["fragments"], {"patient": patient, "release": __version__})
            decided = self._decisions.of(reader, access, patient, rows, now, aged=aged)
            aside, until_us = NOTHING_ASIDE, decided.until_us
            if decided.aside:
                aside, decided = self._aside(reader, access, patient, now, decided, aged=aged)
            shown = self._by_owners(
                reader, access, patient, id_, form, now, rows, decided, ready=ready, card=card, aside=aside
            )
            access.trail.rules |= decided.rules if shown is not None else 0
        if shown is None:
            return None
        access.trail.touched.extend(shown.touched)
        return Made(shown.body, aside.told, min(until_us, shown.body.until_us))

    def _aside(
        self, reader: Connection, access: AccessFilter, patient: int, now: int, decided: Decided, *, aged: bool
    ) -> tuple[Aside, Decided]:
        """What the reader is told of what was set aside; ``decided`` with what of it is withheld."""
        rows = reader.rows(self._sql["aside_of"], {"patient": patient})
        found = self._decisions.of(reader, access, patient, rows, now, aged=aged)
        # Whose a line is that could not be read may not be known; that there is one must be.
        told = [row[3] for n, row in enumerate(rows) if n in found.seen or not (row[1] or found.hidden.closed)]
        owned = [row for row in rows if row[1]]
        withheld = self._decisions.of(reader, access, patient, owned, now, aged=aged).hidden.withheld
        hidden = replace(decided.hidden, withheld=decided.hidden.withheld | withheld)
        return aside_of(told), replace(decided, hidden=hidden)

    def _visible_aside(self, reader: Connection, through: Through, patient: int) -> tuple[Aside, frozenset[str]]:
        """For a program: what it is told of what was set aside, and the kinds of the rest."""
        values = {"patient": patient, "types": TYPE_NUMBERS, **dict(through.values)}
        rows = reader.rows(through.into(self._sql["visible_aside"]), values)
        return aside_of(type_ for type_, _, lets in rows if lets), frozenset(kind for _, kind, lets in rows if not lets)

    def _by_owners(
        self, reader: Connection, access: AccessFilter, patient: int, id_: str, form: str, now: int, rows: Sequence[Row],
        decided: Decided, *, ready: bool, card: bool, aside: Aside,
    ) -> Shown | None:  # fmt: skip
        seen = [rows[place] for place in decided.seen if not card or rows[place][0] in CARD_KINDS]
        numbers = tuple(row[3] for row in seen)
        if ready and None in numbers:
            return None
        own = access.session.assignment.unit if access.session is not None else ""
        masked = decided.protected
        labels = tuple(
            ANOTHER_UNIT if masked and row[2] != own else self.names.of(reader, row[2] or row[1]) for row in seen
        )
        key = (form, id_, own, numbers, decided.hidden, labels, card, aside)
        if None not in numbers and (known := self._bodies.get(key, now)) is not None:
            return known
        owned, touched = [], []
        for (kind, provider, unit, number, newest), label in zip(seen, labels, strict=True):
            group = Group(patient, kind, provider, unit)
            found = _kept(reader, number, form) if number is not None else None
            if found is None:
                made = kept.of_group(reader.connection, reader.codec, group)
                if made is None:
                    continue
                found, newest = _of(made, form), kept.newest(made)
            pieces, facts, versions = found
            owned.append(_owned(group, label, pieces, facts, own=bool(own) and unit == own, newest=newest))
            touched += [Touched(type_name(t), rkey, seq, patient, owner) for t, rkey, seq, owner in versions]
        shown = _shown(form, id_, owned, decided.hidden, now, tuple(touched), alone=self._alone, card=card, aside=aside)
        if None not in numbers:
            self._bodies.put(key, shown)
        return shown

    def _by_entries(
        self, reader: Connection, condition: str, values: Iterable[tuple[str, object]], patient: int, id_: str, form: str,
        now: int, *, card: bool, aside: Aside, withheld: frozenset[str],
    ) -> Shown:  # fmt: skip
        """For a program whose scopes are asked of each resource: from what it sees alone, made for it."""
        text = statements("sheet")["visible_entries"].replace("{access}", condition)
        rows = reader.rows(text, {"patient": patient, "limit": 4 * config.SHEET_ENTRIES_MAX, **dict(values)})
        groups: dict[Group, list[Entry]] = {}
        hidden = set(withheld)
        for row in rows:
            entry = kept.entry_of(reader.codec, row)
            kind, provider, unit, lets = row[9:]
            if entry is None:
                continue
            if lets:
                groups.setdefault(Group(patient, kind, provider or "", unit or ""), []).append(entry)
            else:
                hidden.add(kind)
        return shown_anew(
            form, id_, groups, Hidden(frozenset(hidden)), now,
            label=lambda group: self.names.of(reader, group.unit or group.provider), card=card, aside=aside,
        )  # fmt: skip


_Found = tuple[Sequence[Piece], Facts, Sequence[Sequence[int]]]
"""Pieces; what else is kept of them; versions."""


def shown_anew(
    form: str, id_: str, groups: Mapping[Group, Sequence[Entry]], hidden: Hidden, now: int, *, label: Callable[[Group], str],
    own: str = "", names: Callable[[str], str] = unnamed, card: bool = False, aside: Aside = NOTHING_ASIDE,
) -> Shown:  # fmt: skip
    """A sheet of ``groups`` that the reader sees, each made in memory. ``label``: the name of a group's owner; ``own``: the
    reader's unit; ``names``: of places by their references; ``card``, ``aside``: as ``page.body``."""
    owned, touched = [], []
    for group, entries in sorted(groups.items()):
        if card and group.kind not in CARD_KINDS:
            continue
        made = fragment(entries, names=names)
        pieces, facts, versions = _of(made, form)
        mine = bool(own) and group.unit == own
        owned.append(_owned(group, label(group), pieces, facts, own=mine, newest=kept.newest(made)))
        touched += [Touched(type_name(t), rkey, seq, group.patient, owner) for t, rkey, seq, owner in versions]
    return _shown(form, id_, owned, hidden, now, tuple(touched), card=card, aside=aside)


def _kept(reader: Connection, number: int, form: str) -> _Found | None:
    rows = reader.rows(statements("sheet")[f"body_{form}"], {"number": number})
    if not rows:
        return None
    facts, body = rows[0]
    try:
        told, seen = facts_of(facts)
        return pieces_of(body), told, seen
    except (ValueError, IndexError, TypeError):  # of another release, or damaged: made anew in memory
        return None


def _of(made: Fragment, form: str) -> _Found:
    return made.pieces[form], facts_in(made), made.seen


def _owned(group: Group, label: str, pieces: Sequence[Piece], facts: Facts, *, newest: int, own: bool = False) -> Owned:
    named = label != ANOTHER_UNIT
    return Owned(
        group.unit or None if named else None, group.provider or None if named else None, group.kind, label, pieces,
        *facts, own=own, newest=newest,
    )  # fmt: skip


def _shown(
    form: str,
    id_: str,
    owned: Sequence[Owned],
    hidden: Hidden,
    now: int,
    touched: tuple[Touched, ...],
    *,
    alone: bool = False,
    card: bool = False,
    aside: Aside = NOTHING_ASIDE,
) -> Shown:
    made = (
        page.json_body(owned, hidden, now, card=card, aside=aside)
        if form == "json"
        else page.body(form, id_, owned, hidden, now, alone=alone, card=card, aside=aside)
    )
    made = replace(made, until_us=min(made.until_us, now + config.SHEET_KEPT_US))
    return Shown(made, touched)
