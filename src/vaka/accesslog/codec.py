"""Records as bytes: JSON, a list for each column. Who and what are described once in a chapter and referred to by number. Pure.

A payload is one array:

    first, [[kind, text], …]   what is described here, numbered from ``first``
    [before, …]                microseconds that each record was made before its block
    [actor, …], [form, …]      numbers of what is described
    [[patient, …], …], [[owner, …], …], [[seq, …], …], [more, …]
    {place: [reason, why, address], …}   of the records that have one

What is given out again and again (a sheet, by everybody in a ward) is described too: there the place of [seq, …] has its number,
and owners and more are empty.

A *chapter* is what one set of numbers holds for: blocks between a start of the process, or a change of file, and the next.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import chain
from typing import Any, TypeAlias

import orjson

from vaka.accesslog.record import Actor, Record

ACTOR, FORM, SHOWN = 1, 2, 3
_SEPARATOR = "\x1f"
_ACTOR_FIELDS = len(fields(Actor))
_FORM_FIELDS = 6
_COLUMNS = 10
_KEPT_MAX = 20_000
_SHOWN_MIN, _SHOWN_MAX = 8, 4_096
_Words: TypeAlias = tuple[str, str, str]
_Numbers: TypeAlias = tuple[int, ...]
_Row: TypeAlias = tuple[Record, int, int, _Numbers, _Numbers, "_Numbers | int", int]
_NO_WORDS = ("", "", "")
_DESCRIBES_NOTHING = re.compile(rb"\[\d+,\[\],")


class Damaged(Exception):
    """Bytes that are no payload, though their hash may be right."""


class Lacking(Exception):
    """Blocks use numbers that nobody has described there. ``numbers``: which."""

    def __init__(self, numbers: Sequence[int]) -> None:
        super().__init__(f"{len(numbers)} numbers are not described")
        self.numbers = numbers


@dataclass(frozen=True, slots=True)
class Described:
    """``text``: an Actor's fields; or a form: activity, method, type, status, epoch, rule; or what was shown: JSON of owners,
    seqs and more."""

    kind: int
    text: str

    def actor(self) -> Actor:
        parts = self.text.split(_SEPARATOR)
        if self.kind != ACTOR or len(parts) != _ACTOR_FIELDS:
            raise Damaged("what is described is no actor")
        return Actor(*parts)

    def shown(self) -> tuple[list[int], list[int], int]:
        """owners, seqs, more."""
        try:
            owners, seqs, more = orjson.loads(self.text)
        except (TypeError, ValueError) as error:  # no JSON, or no three of anything
            raise Damaged(f"what was shown: {error}") from error
        if self.kind != SHOWN or not _are_lists([owners, seqs]) or type(more) is not int:
            raise Damaged("what was shown is no numbers")
        return owners, seqs, more

    def require(self) -> None:
        """Damaged unless it describes one of the three."""
        if self.kind == SHOWN:
            self.shown()
        elif self.kind != FORM:
            self.actor()
        elif self.text.count(_SEPARATOR) != _FORM_FIELDS - 1:
            raise Damaged("what is described is no form")


@dataclass(frozen=True, slots=True)
class Contents:
    """What a payload tells without what its chapter describes. ``described``: by number; ``actors``, ``patients``: each once;
    ``columns``: from ``before`` on, each of ``records`` entries."""

    described: Mapping[int, Described]
    actors: tuple[int, ...]
    patients: tuple[int, ...]
    records: int
    columns: tuple[list[Any], ...]
    words: Mapping[str, list[str]]

    @property
    def named(self) -> frozenset[int]:
        """Numbers that its records use, wherever in the chapter they are described."""
        return frozenset((*self.actors, *self.columns[2], *(seqs for seqs in self.columns[5] if type(seqs) is int)))


class Encoder:
    """Makes the payloads of one chapter."""

    def __init__(self) -> None:
        self._actors: dict[Actor, int] = {}
        self._known: dict[int, int] = {}  # by the actor's id: ``_kept`` keeps it from being another's
        self._kept: list[Actor] = []
        self._forms: dict[tuple[object, ...], int] = {}
        self._shown: dict[tuple[object, ...], int] = {}  # 0: was shown once, and is not described
        # Of records that come again as the same object, by its id: the record, which keeps its id, and its columns.
        self._rows: dict[int, _Row] = {}
        self.described: dict[int, Described] = {}

    def payload(self, records: Sequence[Record], time_us: int, again: Sequence[int | None] | None = None) -> bytes:
        """The payload of a block of one record or more, made at ``time_us``. ``again``: for each, when the same record, which is
        kept, has happened again; None: it happened when it says."""
        first = len(self.described)
        if again is None or not any(again):
            columns, words = self._columns(records)
            before = [time_us - one.time_us for one in records]
        else:
            rows = list(map(self._rows.get, map(id, records)))
            words = self._fill(rows, records, again) if None in rows else {}
            _, *columns = zip(*rows, strict=True)
            before = [time_us - (at or one.time_us) for at, one in zip(again, records, strict=True)]
        told = [(one.kind, one.text) for one in map(self.described.__getitem__, range(first, len(self.described)))]
        return orjson.dumps([first, told, before, *columns, {str(n): texts for n, texts in words.items()}])

    def _fill(
        self, rows: list[_Row | None], records: Sequence[Record], again: Sequence[int | None]
    ) -> dict[int, _Words]:
        """Makes the rows that are not known, and keeps those of what happens again; the words, as of ``_columns``."""
        places = [n for n, row in enumerate(rows) if row is None]
        new = [records[n] for n in places]
        columns, words = self._columns(new)
        for n, row in zip(places, zip(new, *columns, strict=True), strict=True):
            rows[n] = row
            is_settled = type(row[5]) is int or len(row[5]) < _SHOWN_MIN  # how it is told changes no more
            if again[n] is not None and is_settled and not words and len(self._rows) < _SHOWN_MAX:
                self._rows[id(row[0])] = row
        return {places[n]: texts for n, texts in words.items()}

    def _columns(self, records: Sequence[Record]) -> tuple[list[Any], dict[int, _Words]]:
        """Actor, form, patients, owners, seqs, more of each; the words of those that have some, by place."""
        # A column at a time: for many records this is a fifth of the work of a record at a time.
        _, actors, *form, reasons, whys, addresses, patients, owners, seqs, more = zip(*records, strict=True)
        words = {}
        if any(reasons) or any(whys) or any(addresses):
            texts_of = zip(reasons, whys, addresses, strict=True)
            words = {n: texts for n, texts in enumerate(texts_of) if texts != _NO_WORDS}
        # Most were described before: one look in a dictionary for each, by C.
        forms = tuple(zip(*form, strict=True))
        actor_numbers = list(map(self._known.get, map(id, actors)))
        form_numbers = list(map(self._forms.get, forms))
        if None in actor_numbers:
            actor_numbers = [self._actor(actor) for actor in actors]
        if None in form_numbers:
            form_numbers = [self._form(one) for one in forms]
        if max(map(len, seqs)) >= _SHOWN_MIN:
            shown = [self._showing(*one) for one in zip(owners, seqs, more, strict=True)]
            owners, seqs, more = zip(*shown, strict=True)
        return [actor_numbers, form_numbers, patients, owners, seqs, more], words

    def _actor(self, actor: Actor) -> int:
        number = self._actors.get(actor)
        if number is None:
            number = self._actors[actor] = self._describe(ACTOR, [getattr(actor, one.name) for one in fields(Actor)])
        if len(self._kept) < _KEPT_MAX:
            self._kept.append(actor)
            self._known[id(actor)] = number
        return number

    def _form(self, form: tuple[object, ...]) -> int:
        number = self._forms.get(form)
        if number is None:
            number = self._forms[form] = self._describe(FORM, form)
        return number

    def _showing(
        self, owners: tuple[int, ...], seqs: tuple[int, ...], more: int
    ) -> tuple[tuple[int, ...], tuple[int, ...] | int, int]:
        """As the columns tell it: the same thing shown for the second time is described, from then on its number is enough."""
        if len(seqs) < _SHOWN_MIN:
            return owners, seqs, more
        shown = (owners, seqs, more)
        number = self._shown.get(shown)
        if number is None:
            if len(self._shown) < _SHOWN_MAX:
                self._shown[shown] = 0
            return shown
        if not number:
            number = self._shown[shown] = self._add(SHOWN, orjson.dumps(shown).decode())
        return (), number, 0

    def _describe(self, kind: int, parts: Sequence[object]) -> int:
        text = _SEPARATOR.join([str(part).replace(_SEPARATOR, " ") for part in parts])
        return self._add(kind, text.encode("utf-8", "replace").decode())

    def _add(self, kind: int, text: str) -> int:
        number = len(self.described)
        self.described[number] = Described(kind, text)
        return number


def contents(payload: bytes) -> Contents:
    """What ``payload`` describes and whom it is about. Damaged if it is none."""
    try:
        found = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise Damaged(f"a payload: {error}") from error
    if not isinstance(found, list) or len(found) != _COLUMNS:
        raise Damaged("a payload is not as many columns as it should be")
    first, told, *columns, words = found
    if not isinstance(first, int) or not isinstance(told, list) or not all(map(_is_description, told)):
        raise Damaged("what is described is not a kind and a text")
    before, actors, forms, patients, owners, seqs, more = columns
    if not all(isinstance(column, list) and len(column) == len(before) for column in columns):
        raise Damaged("columns of different lengths")
    listed = [one for one in seqs if type(one) is not int]
    if not all(map(_are_integers, (before, actors, forms, more))) or not all(
        map(_are_lists, (patients, owners, listed))
    ):
        raise Damaged("something else than a number in a column of numbers")
    if not isinstance(words, dict) or not all(map(_are_words, words.values())):
        raise Damaged("words that are none")
    return Contents(
        {first + n: Described(*one) for n, one in enumerate(told)}, tuple(dict.fromkeys(actors)),
        tuple(sorted(set(chain.from_iterable(patients)))), len(before), tuple(columns), words,
    )  # fmt: skip


def describes(payload: bytes) -> Mapping[int, Described]:
    """What ``payload`` describes, by number: at nearly no cost where that is nothing. Damaged if it is none."""
    return {} if _DESCRIBES_NOTHING.match(payload) else contents(payload).described


def records(payload: bytes, time_us: int, described: Mapping[int, Described]) -> list[Record]:
    """The records of ``payload``; ``described``: all that its chapter has described. Damaged if it is none."""
    found = contents(payload)
    made = []
    try:
        for n, (before, actor, form, patients, owners, seqs, more) in enumerate(zip(*found.columns, strict=True)):
            activity, method, type_, status, epoch, rule = described[form].text.split(_SEPARATOR)
            reason, why, address = found.words.get(str(n), _NO_WORDS)
            if type(seqs) is int:
                owners, seqs, more = described[seqs].shown()
            made.append(
                Record(
                    time_us - before,
                    described[actor].actor(),
                    activity,
                    method,
                    type_,
                    int(status),
                    int(epoch),
                    rule,
                    reason,
                    why,
                    address,
                    tuple(patients),
                    tuple(owners),
                    tuple(seqs),
                    more,
                )
            )
    except (KeyError, ValueError) as error:
        raise Damaged(f"a record: {type(error).__name__} {error}") from error
    return made


def _is_description(value: object) -> bool:
    return (
        isinstance(value, list) and len(value) == 2 and value[0] in (ACTOR, FORM, SHOWN) and isinstance(value[1], str)
    )


def _are_integers(values: Iterable[object]) -> bool:
    return set(map(type, values)) <= {int}


def _are_lists(column: list[Any]) -> bool:
    """Of integers. Every record that is shipped passes here: a column at a time, in C."""
    return set(map(type, column)) <= {list} and _are_integers(chain.from_iterable(column))


def _are_words(values: object) -> bool:
    return (
        isinstance(values, list) and len(values) == len(_NO_WORDS) and all(isinstance(value, str) for value in values)
    )
