"""What the reserve shows in the followed record: the follower's ``Reserve`` (``copy.seeds``).

Called in the writer's thread, once for each entry that was taken, held or has become something else, and for all of them
after a seed.
Invariants: what the record shows of the reserve can be made again from the reserve; what is changed keeps its owner, what a
program
made has that of its encounter, as at the journal; taking one entry back shows again what an earlier one made of the same
resource; an entry that is told again, or refused, covers nothing that was made on it or came after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from vaka.access.ownership import inherits_from
from vaka.copy import lines, pending
from vaka.copy.apply import Applier
from vaka.copy.lines import Owner, Version
from vaka.copy.pending import Pending
from vaka.copy.reserve.entry import LOST, Entry, State, version_made
from vaka.copy.reserve.shown import Shown, shown
from vaka.copy.reserve.store import ReserveStore
from vaka.copy.statements import statements
from vaka.fhir.keys import resource_key
from vaka.store.version import parse_version_id


class InRecord:
    """Shows the entries of ``store``."""

    def __init__(self, store: ReserveStore) -> None:
        self._store = store

    def apply(self, applier: Applier, number: int) -> None:
        """Shows what the entry ``number`` makes now, or takes it back."""
        entry = self._store.get(number)
        if entry is None:
            return
        if entry.state is State.DONE:
            pending.withdraw(applier, number, _over(applier, entry))
            return
        if rows := self._held(applier, entry):
            pending.show(applier, _pending(applier, [row for row in rows if not self._is_under(applier, entry, row)]))
            return
        pending.withdraw(applier, number)
        for name in sorted(entry.makes):
            for earlier in self._store.open_of(name):
                if rows := tuple(row for row in shown(earlier) if f"{row.type}/{row.id}" == name):
                    pending.show(applier, _pending(applier, rows))
                    break

    def rebuild(self, applier: Applier) -> None:
        """Shows all that the journal does not have yet, in order."""
        after = 0
        while entries := self._store.open(after=after):
            for entry in entries:
                rows = [row for row in self._held(applier, entry) if not self._is_under(applier, entry, row)]
                pending.show(applier, _pending(applier, rows))
            after = entries[-1].number

    def _is_under(self, applier: Applier, entry: Entry, row: Shown) -> bool:
        """Whether something newer than ``row`` is shown: the feed's, or an entry's that was made on it, or came later."""
        if _stands(applier, entry, row):
            return True
        key, name = resource_key(row.type, row.id), f"{row.type}/{row.id}"
        stands = applier.putter.standing([key]).get(key)
        if stands is not None and not stands.pending and entry.state is State.REFUSED:
            return stands.order > self._made_on(entry, name)
        other = self._store.get(stands.pending) if stands is not None and stands.pending else None
        if other is None or other.number == entry.number or name not in other.makes:
            return False
        if self._is_on(other, name, entry.id):
            return True
        return other.number > entry.number and not self._is_on(entry, name, other.id)

    def _made_on(self, entry: Entry, name: str) -> tuple[int, int]:
        """The place of the journal's version that an entry changes; before all others where there is none."""
        base = next((part.base for part in entry.parts if part.name == name), None)
        before = self._store.by_id(base.entry) if base is not None and base.entry is not None else None
        version = (
            version_made(before.result, name) if before is not None else base.version_id if base is not None else None
        )
        number = parse_version_id(version) if version is not None else None
        return number[::-1] if number is not None else (0, 0)

    def _is_on(self, entry: Entry | None, name: str, other: str) -> bool:
        """Whether ``entry`` changes what the entry ``other`` made of a resource, itself or through others."""
        seen: set[str] = set()
        while entry is not None and entry.id not in seen:
            seen.add(entry.id)
            base = next((part.base for part in entry.parts if part.name == name), None)
            if base is None or base.entry is None:
                return False
            if base.entry == other:
                return True
            entry = self._store.by_id(base.entry)
        return False

    def _held(self, applier: Applier, entry: Entry) -> Sequence[Shown]:
        """What the entry shows; on a copy of some units' patients, of them alone. Who is made on this copy is one of them, and
        all that there is of this patient is here."""
        rows, intake = shown(entry), applier.intake
        if intake is None:
            return rows
        for row in rows:
            if row.type == "Patient" and row.new and entry.origin == self._store.origin:
                intake.enter(row.id, whole=True)
        return [row for row in rows if row.patient is None or intake.known.get(row.patient)]


def _over(applier: Applier, entry: Entry) -> set[int]:
    """Keys of what an entry that is done shows no more: the feed has brought it, or a condition found another in its place. What
    the feed is still to bring stays to be seen until then."""
    if not isinstance(entry.result.get("made"), list):
        return set()
    keys = {part.name: resource_key(part.type, part.id) for part in entry.parts}
    beneath = applier.putter.standing(list(keys.values()), name="beneath")
    over = set()
    for name, key in keys.items():
        made, brought = version_made(entry.result, name), beneath.get(key)
        number = parse_version_id(made) if made is not None else None
        if number is None or (brought is not None and brought.order >= number[::-1]):
            over.add(key)
    return over


def _stands(applier: Applier, entry: Entry, row: Shown) -> bool:
    """Whether what is given back stands here as the feed told it, or something newer: then that is shown."""
    if entry.method != LOST:
        return False
    line = lines.read(entry.body)
    known = applier.putter.standing([resource_key(row.type, row.id)]).get(resource_key(row.type, row.id))
    return isinstance(line, Version) and known is not None and known.order >= (line.cursor.epoch, line.number)


def _pending(applier: Applier, rows: Sequence[Shown]) -> list[Pending]:
    owners: dict[int, Owner] = {}
    made = []
    for row in sorted(rows, key=lambda one: one.type != "Encounter"):  # what others inherit from
        rkey = resource_key(row.type, row.id)
        owner = owners[rkey] = _standing(applier, rkey) or _inherited(applier, row, owners)
        made.append(Pending(row.number, row.type, row.id, row.body, owner, row.patient, row.updated_us))
    return made


def _inherited(applier: Applier, row: Shown, owners: dict[int, Owner]) -> Owner:
    unit, provider = row.owner.unit, row.owner.provider
    if provider is None and (parent := inherits_from(orjson.loads(row.body))) is not None:
        key = resource_key(*parent)
        found = owners.get(key) or _standing(applier, key)
        if found is not None:
            unit, provider = found.unit, found.provider
    return Owner(None, unit, provider, row.owner.kind, row.owner.author, row.owner.source)


def _standing(applier: Applier, rkey: int) -> Owner | None:
    """Whose it is that stands under a key."""
    row = applier.putter.standing([rkey]).get(rkey)
    if row is None:
        return None
    found: Any = applier.connection.execute(statements("apply")["owner"], (row.owner,)).get
    return Owner(row.owner if row.owner > 0 else None, *found)
