"""A fragment: what a sheet has of one owner (unit, provider and kind) of one patient, rendered and compressed once.

Invariants: the same entries make the same bytes; nothing in them depends on the present time or on who reads. What is shown only
until a time stands in a piece of its own, with that time.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import orjson

from vaka.copy.sheet import due
from vaka.copy.sheet.elements import Line
from vaka.copy.sheet.entry import Entry, gather, unnamed
from vaka.copy.sheet.render import html_lines, json_lines
from vaka.copy.sheet.sections import SECTIONS, section_of
from vaka.copy.sheet.stream import Part, pack
from vaka.fhir.definitions import type_number

FORMS: Final = ("sv", "en", "json")
"""As which a fragment is kept: HTML in either language, and JSON."""
_SIZE: Final = struct.Struct("<I")


class Piece(NamedTuple):
    """Lines of one section. ``until_us``: shown before this time, None for always; ``listed``, ``none``: how many lines are
    something, and how many say that there is nothing."""

    section: str
    until_us: int | None
    listed: int
    none: int
    part: Part


class Seen(NamedTuple):
    """A version that a fragment shows, for the access log."""

    type: int
    rkey: int
    seq: int
    owner: int


@dataclass(frozen=True, slots=True)
class Fragment:
    """``pieces`` by form; ``broken``: how many could not be shown, by section; ``scheduled``, ``given``: what ``due`` asks;
    ``newest_us``: when the newest line happened, which orders owners."""

    pieces: Mapping[str, tuple[Piece, ...]]
    broken: Mapping[str, int] = field(default_factory=dict)
    scheduled: Sequence[Sequence[Any]] = ()
    given: Mapping[str, int] = field(default_factory=dict)
    seen: tuple[Seen, ...] = ()

    @property
    def empty(self) -> bool:
        return not self.seen and not self.broken


def fragment(entries: Sequence[Entry], *, unread: int = 0, names: Callable[[str], str] = unnamed) -> Fragment:
    """The fragment of one owner's ``entries``, in any order; ``unread``: how many more there are; ``names``: of places by their
    references. Never raises."""
    ordered = sorted(entries, key=lambda entry: (entry.type, entry.id))
    gathered = gather(ordered, section_of, names)
    if unread:
        gathered.miss(section_of(ordered[0].type), unread)
    lines = {}
    for section in SECTIONS:
        try:
            lines[section.name] = section.make(gathered)
        except Exception:  # one hostile resource must not take the others' section along: it is told as missing
            lines[section.name] = []
            gathered.miss(section.name)
    scheduled, given = due.scheduled(gathered), due.given(gathered)
    shown = {line["id"] for each in lines.values() for line in each}
    seen = tuple(
        Seen(type_number(entry.type), entry.rkey, entry.seq, entry.owner)
        for entry in ordered
        if f"{entry.type}/{entry.id}" in shown
    )
    pieces = {form: tuple(_pieces(lines, form)) for form in FORMS}
    return Fragment(pieces, dict(gathered.broken), scheduled, given, seen)


def _pieces(lines: Mapping[str, Sequence[Line]], form: str) -> list[Piece]:
    made = []
    for section, each in lines.items():
        run: list[Line] = []
        for line in each:
            until = line.get("_until")
            if until is None:
                run.append(line)
                continue
            if run:
                made.append(_piece(section, run, form, None))
                run = []
            made.append(_piece(section, [line], form, until))
        if run:
            made.append(_piece(section, run, form, None))
    return made


def _piece(section: str, lines: Sequence[Line], form: str, until: int | None) -> Piece:
    shown = [{name: value for name, value in line.items() if name != "_until"} for line in lines]
    content = json_lines(shown) if form == "json" else html_lines(section, shown, form)
    denying = sum("none" in line for line in lines)
    denying_all = sum(line.get("none") == "all" for line in lines)
    return Piece(section, until, len(lines) - denying, denying_all, pack(content))


def kept_pieces(pieces: Sequence[Piece]) -> bytes:
    """``pieces`` as one value of a column."""
    head = orjson.dumps(
        [
            [one.section, one.until_us, one.listed, one.none, one.part.size, one.part.adler, len(one.part.packed)]
            for one in pieces
        ]
    )
    return _SIZE.pack(len(head)) + head + b"".join(one.part.packed for one in pieces)


def pieces_of(kept: bytes) -> list[Piece]:
    """The reverse of ``kept_pieces``."""
    (size,) = _SIZE.unpack_from(kept)
    place = _SIZE.size + size
    made = []
    for section, until, listed, none, whole, adler, packed in orjson.loads(kept[_SIZE.size : place]):
        made.append(Piece(section, until, listed, none, Part(kept[place : place + packed], whole, adler)))
        place += packed
    return made


def kept_facts(one: Fragment) -> bytes:
    """What is kept of a fragment beside its pieces."""
    return orjson.dumps([one.broken, one.scheduled, one.given, [list(each) for each in one.seen]])


def facts_of(kept: bytes) -> tuple[dict[str, int], list[list[Any]], dict[str, int], list[list[int]]]:
    """(broken, scheduled, given, seen)."""
    broken, scheduled, given, seen = orjson.loads(kept)
    return broken, scheduled, given, seen
