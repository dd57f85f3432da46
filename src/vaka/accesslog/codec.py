"""Records as bytes. Who and what are described once in a chapter and referred to by number; the rest is small numbers. Pure.

A payload, all numbers LEB128 varints:

    first, count, (kind, length, text)*     what is described here, numbered from ``first``
    count, number*                          actors of this block
    count, (8 bytes)*                       patients of this block, sorted: what an index needs, found without reading records
    count, record*
    record: time before the block's (zigzag, us), actor, form, flags, then as flags say: patients (places in the list above),
            owners, seqs (how many more; the first, then zigzag differences), reason, why, address (length, UTF-8)

A *chapter* is what one set of numbers holds for: blocks between a start of the process, or a change of file, and the next.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from vaka.accesslog.record import Actor, Record

ACTOR, FORM = 1, 2
_SEPARATOR = "\x1f"
_PATIENTS, _OWNERS, _SEQS, _REASON, _WHY, _ADDRESS = 1, 2, 4, 8, 16, 32
_ACTOR_FIELDS = len(fields(Actor))


class Damaged(Exception):
    """Bytes that are no payload, though their hash may be right."""


@dataclass(frozen=True, slots=True)
class Described:
    """``text``: an Actor's fields, or a form: activity, method, type, rule, status, epoch."""

    kind: int
    text: str

    def actor(self) -> Actor:
        parts = self.text.split(_SEPARATOR)
        if self.kind != ACTOR or len(parts) != _ACTOR_FIELDS:
            raise Damaged("what is described is no actor")
        return Actor(*parts)


@dataclass(frozen=True, slots=True)
class Contents:
    """What a payload tells without its records. ``described``: by number; ``rest``: where the records begin."""

    described: Mapping[int, Described]
    actors: tuple[int, ...]
    patients: tuple[int, ...]
    records: int
    rest: int


class Encoder:
    """Makes the payloads of one chapter."""

    def __init__(self) -> None:
        self._actors: dict[Actor, int] = {}
        self._forms: dict[tuple[str, str, str, str, int, int], int] = {}
        self.described: dict[int, Described] = {}

    def payload(self, records: Sequence[Record], time_us: int) -> bytes:
        """The payload of a block made at ``time_us``."""
        first = len(self.described)
        patients = sorted({patient for record in records for patient in record.patients})
        place = {patient: n for n, patient in enumerate(patients)}
        actors = dict.fromkeys(self._actor(record.actor) for record in records)
        body = bytearray()
        for record in records:
            self._record(body, record, time_us, place)
        out = bytearray()
        _put(out, first)
        _put(out, len(self.described) - first)
        for number in range(first, len(self.described)):
            told = self.described[number]
            out.append(told.kind)
            _text(out, told.text)
        _numbers(out, list(actors))
        _put(out, len(patients))
        out += struct.pack(f"<{len(patients)}q", *patients)
        _put(out, len(records))
        return bytes(out + body)

    def _actor(self, actor: Actor) -> int:
        number = self._actors.get(actor)
        if number is None:
            parts = (str(getattr(actor, field.name)).replace(_SEPARATOR, " ") for field in fields(Actor))
            number = self._actors[actor] = self._describe(ACTOR, _SEPARATOR.join(parts))
        return number

    def _form(self, record: Record) -> int:
        form = (record.activity, record.method, record.type, record.rule, record.status, record.epoch)
        number = self._forms.get(form)
        if number is None:
            text = _SEPARATOR.join(str(part).replace(_SEPARATOR, " ") for part in form)
            number = self._forms[form] = self._describe(FORM, text)
        return number

    def _describe(self, kind: int, text: str) -> int:
        number = len(self.described)
        self.described[number] = Described(kind, text)
        return number

    def _record(self, out: bytearray, record: Record, time_us: int, place: Mapping[int, int]) -> None:
        _put(out, _zigzag(time_us - record.time_us))
        _put(out, self._actors[record.actor])
        _put(out, self._form(record))
        out.append(
            (_PATIENTS if record.patients else 0) | (_OWNERS if record.owners else 0)
            | (_SEQS if record.seqs or record.more else 0) | (_REASON if record.reason else 0)
            | (_WHY if record.why else 0) | (_ADDRESS if record.address else 0)
        )  # fmt: skip
        if record.patients:
            _numbers(out, [place[patient] for patient in record.patients])
        if record.owners:
            _numbers(out, record.owners)
        if record.seqs or record.more:
            _put(out, record.more)
            _put(out, len(record.seqs))
            before = 0
            for seq in record.seqs:
                _put(out, _zigzag(seq - before))
                before = seq
        for text in (record.reason, record.why, record.address):
            if text:
                _text(out, text)


def contents(payload: bytes) -> Contents:
    """What ``payload`` describes and whom it is about. Damaged if it is none."""
    try:
        first, at = _get(payload, 0)
        count, at = _get(payload, at)
        described: dict[int, Described] = {}
        for number in range(first, first + count):
            kind = payload[at]
            text, at = _get_text(payload, at + 1)
            described[number] = Described(kind, text)
        actors, at = _get_numbers(payload, at)
        count, at = _get(payload, at)
        patients = struct.unpack_from(f"<{count}q", payload, at)
        records, rest = _get(payload, at + 8 * count)
    except (IndexError, struct.error, UnicodeDecodeError, MemoryError, OverflowError) as error:
        raise Damaged(f"a block's head: {error}") from error
    return Contents(described, tuple(actors), patients, records, rest)


def records(payload: bytes, time_us: int, described: Mapping[int, Described]) -> list[Record]:
    """The records of ``payload``; ``described``: all that its chapter has described. Damaged if it is none."""
    found = contents(payload)
    try:
        at = found.rest
        told: list[Record] = []
        for _ in range(found.records):
            record, at = _get_record(payload, at, time_us, found.patients, described)
            told.append(record)
    except (IndexError, KeyError, ValueError, UnicodeDecodeError) as error:
        raise Damaged(f"a record: {type(error).__name__} {error}") from error
    if at != len(payload):
        raise Damaged("bytes after the last record")
    return told


def _get_record(
    payload: bytes, at: int, time_us: int, all_patients: Sequence[int], described: Mapping[int, Described]
) -> tuple[Record, int]:
    before, at = _get(payload, at)
    actor, at = _get(payload, at)
    form, at = _get(payload, at)
    flags, at = payload[at], at + 1
    activity, method, type_, rule, status, epoch = described[form].text.split(_SEPARATOR)
    patients: list[int] = []
    owners: list[int] = []
    seqs: list[int] = []
    more, texts = 0, ["", "", ""]
    if flags & _PATIENTS:
        places, at = _get_numbers(payload, at)
        patients = [all_patients[place] for place in places]
    if flags & _OWNERS:
        owners, at = _get_numbers(payload, at)
    if flags & _SEQS:
        more, at = _get(payload, at)
        differences, at = _get_numbers(payload, at)
        seq = 0
        for difference in differences:
            seq += _unzigzag(difference)
            seqs.append(seq)
    for n, flag in enumerate((_REASON, _WHY, _ADDRESS)):
        if flags & flag:
            texts[n], at = _get_text(payload, at)
    made = Record(
        time_us - _unzigzag(before), described[actor].actor(), activity, method, type_, int(status), int(epoch), rule,
        texts[0], texts[1], texts[2], tuple(patients), tuple(owners), tuple(seqs), more,
    )  # fmt: skip
    return made, at


def _zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1


def _unzigzag(value: int) -> int:
    return value >> 1 if not value & 1 else -(value >> 1) - 1


def _put(out: bytearray, value: int) -> None:
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)


def _get(payload: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = payload[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 70:
            raise Damaged("a number of more than 70 bits")


def _numbers(out: bytearray, values: Sequence[int]) -> None:
    _put(out, len(values))
    for value in values:
        _put(out, value)


def _get_numbers(payload: bytes, at: int) -> tuple[list[int], int]:
    count, at = _get(payload, at)
    values = []
    for _ in range(count):
        value, at = _get(payload, at)
        values.append(value)
    return values, at


def _text(out: bytearray, text: str) -> None:
    encoded = text.encode()
    _put(out, len(encoded))
    out += encoded


def _get_text(payload: bytes, at: int) -> tuple[str, int]:
    size, at = _get(payload, at)
    if at + size > len(payload):
        raise Damaged("a text that goes past its block")
    return payload[at : at + size].decode(), at + size
