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

from vaka.copy.sheet import due, medication, results
from vaka.copy.sheet.elements import Line, at_us
from vaka.copy.sheet.entry import Entry, gather, unnamed
from vaka.copy.sheet.render import html_lines, json_lines
from vaka.copy.sheet.sections import SECTIONS, section_of
from vaka.copy.sheet.stream import Part, pack
from vaka.fhir.definitions import type_number

FORMS: Final = ("sv", "en", "json")
"""As which a fragment is kept: HTML in either language, and JSON."""
_SIZE: Final = struct.Struct("<I")
_ORDERED: Final = 5
"""How much is kept of each drug that is ordered."""


class Piece(NamedTuple):
    """Lines of one section. ``until_us``: shown before this time, None for always; ``listed``, ``none``: how many lines are
    something, and how many say that there is nothing; ``order``: the order that its one line is, which is shown until it is
    answered."""

    section: str
    until_us: int | None
    listed: int
    none: int
    part: Part
    order: str = ""


class Seen(NamedTuple):
    """A version that a fragment shows, for the access log."""

    type: int
    rkey: int
    seq: int
    owner: int


@dataclass(frozen=True, slots=True)
class Fragment:
    """``pieces`` by form; ``broken``, ``more``: how many could not be shown, and how many were left out, by section;
    ``scheduled``, ``given``: what ``due`` asks; ``ordered``: the drugs that are ordered, [reference, drug, until µs or
    None, ATC, from µs]; ``answered``: orders that have an answer here."""

    pieces: Mapping[str, tuple[Piece, ...]]
    broken: Mapping[str, int] = field(default_factory=dict)
    scheduled: Sequence[Sequence[Any]] = ()
    given: Mapping[str, int] = field(default_factory=dict)
    seen: tuple[Seen, ...] = ()
    more: Mapping[str, int] = field(default_factory=dict)
    ordered: Sequence[Sequence[Any]] = ()
    answered: Sequence[str] = ()

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
    (scheduled, not_counted), given = due.scheduled(gathered), due.given(gathered)
    for line in lines[medication.SECTION]:
        if line["id"] in not_counted:
            line["due_not_known"] = True
    shown = {line["id"] for each in lines.values() for line in each}
    seen = tuple(
        Seen(type_number(entry.type), entry.rkey, entry.seq, entry.owner)
        for entry in ordered
        if f"{entry.type}/{entry.id}" in shown
    )
    pieces = {form: tuple(_pieces(lines, form)) for form in FORMS}
    drugs = [
        [line["id"], line["what"], line.get("_until"), line.get("atc", ""), at_us(line.get("at", ""))]
        for line in lines.get(medication.SECTION, ())
        if line["id"].startswith("MedicationRequest/")
    ]
    answered = results.answered(gathered)
    return Fragment(pieces, dict(gathered.broken), scheduled, given, seen, dict(gathered.more), drugs, answered)


def _pieces(lines: Mapping[str, Sequence[Line]], form: str) -> list[Piece]:
    made = []
    for section, each in lines.items():
        run: list[Line] = []
        for line in each:
            until = line.get("_until")
            if until is None and section != results.ORDERS:
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
    order = lines[0]["id"] if section == results.ORDERS else ""
    return Piece(section, until, len(lines) - denying, denying_all, pack(content), order)


def kept_pieces(pieces: Sequence[Piece]) -> bytes:
    """``pieces`` as one value of a column."""
    head = orjson.dumps(
        [
            [
                one.section,
                one.until_us,
                one.listed,
                one.none,
                one.part.size,
                one.part.adler,
                len(one.part.packed),
                one.order,
            ]
            for one in pieces
        ]
    )
    return _SIZE.pack(len(head)) + head + b"".join(one.part.packed for one in pieces)


def pieces_of(kept: bytes) -> list[Piece]:
    """The reverse of ``kept_pieces``."""
    (size,) = _SIZE.unpack_from(kept)
    place = _SIZE.size + size
    made = []
    for section, until, listed, none, whole, adler, packed, order in orjson.loads(kept[_SIZE.size : place]):
        made.append(Piece(section, until, listed, none, Part(kept[place : place + packed], whole, adler), order))
        place += packed
    return made


class Facts(NamedTuple):
    """What is kept of a fragment beside its pieces: as ``Fragment`` has it."""

    broken: Mapping[str, int]
    scheduled: Sequence[Sequence[Any]]
    given: Mapping[str, int]
    more: Mapping[str, int]
    ordered: Sequence[Sequence[Any]]
    answered: Sequence[str]


def facts(one: Fragment) -> Facts:
    return Facts(one.broken, one.scheduled, one.given, one.more, one.ordered, one.answered)


def kept_facts(one: Fragment) -> bytes:
    """``facts``, and what is seen in it, as one value of a column."""
    return orjson.dumps([*facts(one), [list(each) for each in one.seen]])


def facts_of(kept: bytes) -> tuple[Facts, list[list[int]]]:
    """The reverse of ``kept_facts``. TypeError, ValueError where it is of another form."""
    *found, seen = orjson.loads(kept)
    made = Facts(*found)
    if any(len(each) != _ORDERED for each in made.ordered):
        raise ValueError("what is kept of orders is of another form")
    return made, seen
