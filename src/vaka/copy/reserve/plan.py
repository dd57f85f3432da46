"""What is handed over next. Pure.

Invariants: entries of one patient go one after the other, in the order in which they came in; an entry goes after
those that it
refers to or was made on; what the journal refused holds back only what refers to it, directly or through others that
it holds back;
everything else goes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from vaka.copy.reserve.entry import Entry, State


@dataclass(frozen=True, slots=True)
class Plan:
    """``ready``: entries that can be handed over now, at the same time; ``held_back``: number of an entry → the
    refused entry that it
    waits for, by number."""

    ready: tuple[Entry, ...]
    held_back: dict[int, int]


def plan(entries: Iterable[Entry], going: Collection[int] = (), *, whose: Collection[str] | None = None) -> Plan:
    """The plan for ``entries``, open ones in the order of their numbers. ``going``: numbers of those that are being
    handed over; ``whose``: ids of the copies whose entries go from here (None: of all): what others hand over is
    waited for where it is referred to."""
    ready: list[Entry] = []
    held_back: dict[int, int] = {}
    busy: set[str] = set()  # patients of whom something earlier waits
    makers: dict[str, int] = {}  # what a waiting entry makes
    stuck: dict[str, int] = {}  # what a refused entry would have made, and entry ids, → its number
    for entry in entries:
        needs = (*entry.refers, *entry.makes, *entry.bases)
        if entry.state is State.REFUSED:
            _stick(stuck, entry, entry.number)
            continue
        if entry.state is not State.WAITING:
            continue
        waits_for = next((stuck[name] for name in needs if name in stuck), None)
        if waits_for is not None:
            held_back[entry.number] = waits_for
            _stick(stuck, entry, waits_for)
            continue
        if whose is None or entry.origin in whose:
            waits = not busy.isdisjoint(entry.patients) or any(name in makers for name in needs)
            if entry.number not in going and not waits:
                ready.append(entry)
            busy |= entry.patients
        makers |= dict.fromkeys((*entry.makes, entry.id), entry.number)
    return Plan(tuple(ready), held_back)


def outline(entry: Entry) -> Entry:
    """``entry`` without what was written: all that a plan looks at."""
    parts = tuple(replace(part, body=None) for part in entry.parts)
    return replace(entry, body=b"", parts=parts, author="", headers={}, result={})


def _stick(stuck: dict[str, int], entry: Entry, number: int) -> None:
    """What needs what ``entry`` makes waits for ``number``. A new entry of a patient does not: it only names the
    patient; but one of a
    patient that the refused entry itself would have made does."""
    stuck.setdefault(entry.id, number)
    for part in entry.parts:
        if part.base is None:
            stuck.setdefault(part.name, number)


def order(entries: Sequence[Entry]) -> list[Entry]:
    """As a person reads them: what came in first, first."""
    return sorted(entries, key=lambda entry: entry.number)
