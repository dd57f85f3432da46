"""Whole columns as one bound value each: PostgreSQL arrays encoded at once, far cheaper than value by value.

Integers go as array literals (they cannot need quoting); text and bytes in PostgreSQL's binary array format
(https://www.postgresql.org/docs/current/arrays.html, ``array_recv``).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from psycopg import adapt, pq
from psycopg.abc import AdaptContext

_HEADER = struct.Struct(">iiiii")
_LENGTH = struct.Struct(">i")
_TEXT, _TEXT_ARRAY = 25, 1009
_BYTEA, _BYTEA_ARRAY = 17, 1001


class TextArray(bytes):
    """An encoded ``text[]``."""


class ByteaArray(bytes):
    """An encoded ``bytea[]``."""


class _TextArrayDumper(adapt.Dumper):
    format = pq.Format.BINARY
    oid = _TEXT_ARRAY

    def dump(self, obj: bytes) -> bytes:
        return obj


class _ByteaArrayDumper(_TextArrayDumper):
    oid = _BYTEA_ARRAY


def register(context: AdaptContext) -> None:
    """Teaches a connection the two array classes."""
    context.adapters.register_dumper(TextArray, _TextArrayDumper)
    context.adapters.register_dumper(ByteaArray, _ByteaArrayDumper)


def integers(values: Iterable[int | None]) -> str:
    """An array literal for ``::bigint[]``, ``::int[]`` or ``::smallint[]``."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def floats(values: Iterable[float]) -> str:
    """An array literal for ``::float8[]``."""
    return "{" + ",".join(map(repr, values)) + "}"


def booleans(values: Iterable[bool]) -> str:
    return "{" + ",".join(["t" if value else "f" for value in values]) + "}"


def _encode(type_: int, values: Sequence[bytes | None]) -> bytes:
    elements = [_LENGTH.pack(-1) if value is None else _LENGTH.pack(len(value)) + value for value in values]
    return _array(type_, elements)


def _array(type_: int, elements: Sequence[bytes]) -> bytes:
    head = _HEADER.pack(1, 1, type_, len(elements), 1) if elements else struct.pack(">iii", 0, 0, type_)
    return head + b"".join(elements)


def element(text: str) -> bytes:
    """One element of a text array, for ``joined``."""
    encoded = text.encode()
    return _LENGTH.pack(len(encoded)) + encoded


def joined(elements: Sequence[bytes]) -> TextArray:
    """The text array of these elements: for who needs the same ones often."""
    return TextArray(_array(_TEXT, elements))


def texts(values: Iterable[str | None]) -> TextArray:
    return TextArray(_encode(_TEXT, [None if value is None else value.encode() for value in values]))


def byteas(values: Sequence[bytes | None]) -> ByteaArray:
    return ByteaArray(_encode(_BYTEA, values))


def lexemes(words: Iterable[str]) -> str:
    """A literal of ``text[]`` inside a ``text[]``; words are folded letters and digits, quoted all the same."""
    quoted = [word.replace("\\", "\\\\").replace('"', '\\"') for word in words]
    return '{"' + '","'.join(quoted) + '"}' if quoted else "{}"
