"""A request's bytes into JSON, refusing what JSON or FHIR's JSON form forbids (https://hl7.org/fhir/R4/json.html).

Invariants of what it returns: UTF-8 without byte order mark; no member twice in one object (two readers would read
two records); at most ``config.JSON_MAX_DEPTH`` deep; no control character but tab, line feed and return in any
string, written out or escaped (https://hl7.org/fhir/R4/datatypes.html#string); every number finite. Unpaired
surrogates, NaN and numbers beyond a double are refused by orjson itself.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

import orjson

from vaka.config import JSON_MAX_DEPTH
from vaka.errors import Invalid, Issue

_BOM: Final = b"\xef\xbb\xbf"
_TYPE = re.compile(r"[A-Z][A-Za-z]{0,63}\Z")
_CONTROL = re.compile(rb"\\(?:[bf]|u00(?:0[0-8bBcCeEfF]|1[0-9a-fA-F]))")


@dataclass(frozen=True, slots=True)
class Parsed:
    """A resource as sent: ``body`` is its bytes (no byte order mark), ``resource`` the same parsed; ``id`` None if
    not given."""

    type: str
    id: str | None
    resource: dict[str, Any]
    body: bytes


def parse_json(body: bytes, *, what: str = "body") -> dict[str, Any]:
    """The JSON object in ``body``; ``what`` names it in errors. Raises Invalid (issue code ``structure``)."""
    return _object(parse_any(body, what=what), what)


def parse_any(body: bytes, *, what: str = "body") -> Any:
    """Like ``parse_json`` for any JSON value (a JSON Patch is an array)."""
    body = without_bom(body)
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _malformed(body, error, what) from None
    _check_depth(body, value, what)
    _check_characters(body, what)
    _check_doubled_keys(body, value, what)
    return value


def parse_resource(body: bytes, expected_type: str | None = None, *, what: str = "body") -> Parsed:
    """The resource in ``body``. Raises Invalid if it is none, or not of ``expected_type``; the rest is
    ``fhir.validate``'s."""
    body = without_bom(body)
    return as_parsed(parse_json(body, what=what), body, expected_type, what=what)


def as_parsed(resource: dict[str, Any], body: bytes, expected_type: str | None = None, *, what: str = "body") -> Parsed:
    """Like ``parse_resource`` for what was parsed already (an entry of a bundle)."""
    type_ = resource.get("resourceType")
    if type_ is None:
        raise _structure(f"The {what} is not a FHIR resource: it has no resourceType", path="resourceType")
    if not isinstance(type_, str) or not _TYPE.match(type_):
        raise _structure(f"The resourceType in the {what} is not a resource type's name", path="resourceType")
    if expected_type is not None and type_ != expected_type:
        raise Invalid(f"The {what} is a {type_}, but a {expected_type} was expected here", path="resourceType")
    id_ = resource.get("id")
    if id_ is not None and not isinstance(id_, str):
        raise Invalid(f"{type_}.id must be a JSON string", path=f"{type_}.id")
    return Parsed(type_, id_, resource, body)


def without_bom(body: bytes) -> bytes:
    return body[3:] if body.startswith(_BOM) else body


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        kind = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}.get(type(value), "a number")
        raise _structure(f"The {what} is {kind}; a JSON object was expected")
    return value


def _structure(message: str, *, path: str | None = None, help: str | None = None) -> Invalid:
    return Invalid(message, help=help, issues=[Issue("error", "structure", message, path)])


def _malformed(body: bytes, error: orjson.JSONDecodeError, what: str) -> Invalid:
    if not body.strip():
        return _structure(f"The {what} is empty; a JSON object was expected")
    try:
        body.decode()
    except UnicodeDecodeError as bad:
        return _structure(
            f"The {what} is not UTF-8: byte 0x{body[bad.start]:02x} at offset {bad.start}", help="Send JSON in UTF-8."
        )
    if any(word in error.msg.lower() for word in ("depth", "recursion", "memory")):  # in its several releases
        return _too_deep(what)
    return _structure(f"The {what} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}")


def _too_deep(what: str) -> Invalid:
    return _structure(f"The {what} is nested more than {JSON_MAX_DEPTH} levels deep")


def _check_depth(body: bytes, value: Any, what: str) -> None:
    """Level by level, so that depth costs no stack; most bodies have too few brackets to need it."""
    if body.count(b"{") + body.count(b"[") <= JSON_MAX_DEPTH:
        return
    level = [value]
    for _ in range(JSON_MAX_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if type(outer) is dict else outer)
            if type(inner) is dict or type(inner) is list
        ]
        if not level:
            return
    raise _too_deep(what)


def _check_characters(body: bytes, what: str) -> None:
    """orjson refuses control characters that stand as they are; this one those that are escaped."""
    at = 0
    while found := _CONTROL.search(body, at):
        start = found.start()
        run = start
        while run and body[run - 1] == 0x5C:
            run -= 1
        if (start - run) % 2 == 0:  # else the backslash itself is escaped, and this is text
            line = body.count(b"\n", 0, start) + 1
            column = start - body.rfind(b"\n", 0, start)
            raise _structure(
                f"The {what} has a control character ({found[0].decode()}) in a string at line {line}, column {column}",
                help="FHIR strings may hold tab, line feed and return, and no other control character.",
            )
        at = start + 1


def _check_doubled_keys(body: bytes, value: Any, what: str) -> None:
    """orjson keeps the last of two members with one name and tells nobody. Written again, what it kept has fewer
    colons than the text: each member brings one, and those within strings are in both (unless one stands escaped in
    the text)."""
    escaped = b"\\u003a" in body or b"\\u003A" in body
    if not escaped and body.count(b":") == orjson.dumps(value).count(b":"):
        return
    doubled = _doubled_key(json.loads(body, object_pairs_hook=_Pairs))
    if doubled is not None:
        raise _structure(f"The {what} has the member {doubled[-1]!r} twice in one object", path=_path(doubled))


class _Pairs(list[tuple[str, Any]]):
    """An object's members as they stand, doubled ones included."""


def _doubled_key(value: Any) -> list[str | int] | None:
    """The path to the first member that stands twice."""
    if isinstance(value, _Pairs):
        seen = set()
        for name, inner in value:
            if name in seen:
                return [name]
            seen.add(name)
            if below := _doubled_key(inner):
                return [name, *below]
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            if below := _doubled_key(inner):
                return [index, *below]
    return None


def _path(steps: list[str | int]) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return text.removeprefix(".")
