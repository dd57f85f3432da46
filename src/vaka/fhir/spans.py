"""Where the parts of a JSON text stand, without building them.

Invariant: the text is valid JSON that ``fhir.parse`` accepted (depth within ``config.JSON_MAX_DEPTH``, no doubled
keys, no byte order mark): a span is found by one regular expression that runs in C, and is wrong on other input.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import orjson

from vaka.config import JSON_MAX_DEPTH

STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_FLAT = rb"[^\"\\{}\[\]]++|" + STRING
_KEY = re.compile(rb"[\s,]*+(" + STRING + rb")\s*+:\s*+")
_ITEM = re.compile(rb"[\s,]*+")
_SCALAR = re.compile(STRING + rb"|[^\s,}\]\[{]++")


class Member(NamedTuple):
    """``key`` decoded; ``[key_start, end)`` is the member, ``[start, end)`` its value."""

    key: str
    key_start: int
    start: int
    end: int


@cache
def _container() -> re.Pattern[bytes]:
    """One object or array with all it holds. Possessive throughout: it never goes back, so it is linear."""
    pattern = rb"[{\[](?:" + _FLAT + rb")*+[}\]]"
    for _ in range(JSON_MAX_DEPTH - 1):
        pattern = rb"[{\[](?:" + _FLAT + rb"|" + pattern + rb")*+[}\]]"
    return re.compile(pattern, re.DOTALL)


def value_end(body: bytes, start: int) -> int:
    """The end of the value that begins at ``start``."""
    pattern = _container() if body[start] in b"{[" else _SCALAR
    found = pattern.match(body, start)
    if found is None:
        raise ValueError(f"no JSON value at byte {start}")
    return found.end()


def members(body: bytes, start: int) -> Iterator[Member]:
    """The members of the object whose brace stands at ``start``, in order; what comes after the last one taken is not
    read."""
    at = start + 1
    while found := _KEY.match(body, at):
        raw = found[1]
        key: str = orjson.loads(raw) if b"\\" in raw else raw[1:-1].decode()
        at = value_end(body, found.end())
        yield Member(key, found.start(1), found.end(), at)


def find(body: bytes, start: int, name: str) -> int:
    """Where the value of the member ``name`` begins in the object at ``start``, which has it; what follows is not read."""
    at = start + 1
    while found := _KEY.match(body, at):
        raw = found[1]
        if (orjson.loads(raw) if b"\\" in raw else raw[1:-1].decode()) == name:
            return found.end()
        at = value_end(body, found.end())
    raise KeyError(name)


def objects(body: bytes, start: int) -> Iterator[list[Member]]:
    """The members of each object in the array at ``start``, each byte read once; no members for what is no object."""
    at = start + 1
    while True:
        found = _ITEM.match(body, at)
        at = found.end() if found else at
        if body[at] == 0x5D:
            return
        if body[at] != 0x7B:
            at = value_end(body, at)
            yield []
            continue
        held = list(members(body, at))
        yield held
        at = body.index(b"}", held[-1].end if held else at) + 1


def items(body: bytes, start: int) -> Iterator[tuple[int, int]]:
    """The values of the array whose bracket stands at ``start``, as ``(start, end)``."""
    at = start + 1
    while True:
        found = _ITEM.match(body, at)
        at = found.end() if found else at
        if body[at] == 0x5D:
            return
        end = value_end(body, at)
        yield at, end
        at = end


def top(body: bytes) -> int:
    """Where the top-level object's brace stands."""
    return body.index(b"{")
