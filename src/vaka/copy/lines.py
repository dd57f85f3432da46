"""One line of the journal's feed (docs/operating/feed.md), read as what a stranger has sent.

Invariants: a version is given on only if its body's SHA-256 is the hash that the line tells; a line whose place cannot be read
is Broken, and nothing after it in that answer is used, and so is a mark that tells no time or age that can be; one whose place
can be read, but not its content, is an ``Unread``, so that the rest can go on (S4).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final, TypeAlias

import orjson

from vaka import config
from vaka.copy.rows import Made
from vaka.errors import Invalid, VakaError
from vaka.fhir.keys import resource_key
from vaka.store.cursor import Cursor
from vaka.store.version import Action

_ACTIONS: Final = {action.name.lower(): action for action in Action}
_TYPE: Final = re.compile(r"[A-Z][A-Za-z]{0,63}")
_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_BODY: Final = b',"body":"'
_INT: Final = 2**63
_OPEN_MAX_S: Final = 86_400.0 * 366
_CLOCK_MAX_US: Final = 230 * 366 * 86_400 * 1_000_000


class Broken(VakaError):
    """What came is not the feed, or was changed on the way: the answer ends here and is asked for again."""

    code, status, exit_code = "transient", 503, 75


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a version is; ``number``: the journal's, None from a journal that does not tell it."""

    number: int | None
    unit: str | None
    provider: str | None
    kind: str
    author: str | None
    source: str


@dataclass(frozen=True, slots=True)
class Version:
    """A version as the feed tells it. ``body``: its bytes, verified; None for a deletion and a redaction. ``patient``: the id of
    the home patient. ``line``: as it came. ``made``: what follows from the body alone, where it was made ahead."""

    cursor: Cursor
    type: str
    id: str
    number: int
    action: Action
    updated_us: int
    hash: bytes
    owner: Owner
    patient: str | None
    redacted: bool
    body: bytes | None
    line: bytes
    made: Made | None = None

    @property
    def rkey(self) -> int:
        return resource_key(self.type, self.id)

    @property
    def deleted(self) -> bool:
        return self.action in (Action.DELETE, Action.REDACT)


@dataclass(frozen=True, slots=True)
class Unread:
    """A version whose place is known, and no more than this of its content."""

    cursor: Cursor
    type: str
    id: str
    number: int
    patient: str | None
    hash: bytes
    reason: str
    line: bytes

    @property
    def rkey(self) -> int:
        return resource_key(self.type, self.id)


@dataclass(frozen=True, slots=True)
class Mark:
    """Below transaction ``xid`` nothing can come any more. ``at_us``: the journal's clock."""

    cursor: Cursor
    epoch: int
    xid: int
    at_us: int
    age_s: float


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The journal heard its database, and there was nothing to tell."""

    cursor: Cursor
    epoch: int
    at_us: int
    age_s: float


Line: TypeAlias = Version | Unread | Mark | Heartbeat


def read(line: bytes) -> Line:
    """What a whole line says. Broken where that cannot be told."""
    told = _object(line)
    reason: str | None = None
    if told is None and (at := line.find(_BODY)) > 0:  # too long, or its body is no text: what precedes the body
        told = _object(line[:at] + b"}")
        reason = "the line cannot be read"
    if told is None:
        raise Broken("a line of the feed is not JSON", help="look at the journal's address and its log")
    try:
        if "hash" in told:
            return _version(told, line, reason)
        cursor, epoch = Cursor.parse(told["cursor"]), _number(told["epoch"])
        age_s = float(told["ageSeconds"])
        if not 0 <= age_s <= _OPEN_MAX_S:
            raise ValueError("not the age of an open write")
        if "horizon" in told:
            return Mark(cursor, epoch, _number(int(told["horizon"])), clock_us(told["at"]), age_s)
        return Heartbeat(cursor, epoch, clock_us(told["heartbeat"]), age_s)
    except (KeyError, TypeError, ValueError, AttributeError, Invalid) as error:
        raise Broken("a line of the feed cannot be understood", help="look at the journal's version and log") from error


def _object(text: bytes) -> dict[str, Any] | None:
    if len(text) > config.COPY_LINE_MAX_BYTES:
        return None
    try:
        told = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return told if isinstance(told, dict) else None


def _version(told: Mapping[str, Any], line: bytes, reason: str | None) -> Version | Unread:
    cursor = Cursor.parse(told["cursor"])
    type_, id_ = told["type"], told["id"]
    if not cursor.seq or _TYPE.fullmatch(type_) is None or _ID.fullmatch(id_) is None:
        raise Broken("a line of the feed names no resource")
    number, digest = _number(told["number"]), bytes.fromhex(told["hash"])
    patient = told.get("patient")
    patient = patient if isinstance(patient, str) and _ID.fullmatch(patient) else None
    if reason is None:
        try:
            return _whole(told, line, cursor, number, digest, patient)
        except (KeyError, TypeError, ValueError, AttributeError):
            reason = "the line cannot be understood"
    return Unread(cursor, type_, id_, number, patient, digest, reason, line)


def _whole(
    told: Mapping[str, Any], line: bytes, cursor: Cursor, number: int, digest: bytes, patient: str | None
) -> Version | Unread:
    action = _ACTIONS[told["action"]]
    redacted = told.get("redacted") is True or action is Action.REDACT
    body = told["body"].encode() if "body" in told else None
    type_, id_ = told["type"], told["id"]
    if (body is None) != (redacted or action is Action.DELETE):
        return Unread(cursor, type_, id_, number, patient, digest, "the body does not fit the action", line)
    if not redacted and sha256(body or b"").digest() != digest:
        return Unread(cursor, type_, id_, number, patient, digest, FORGED, line)
    owner = told["owner"]
    whose = Owner(
        _number(owner["number"]) if owner.get("number") is not None else None,
        _text(owner["unit"]), _text(owner["provider"]), str(owner["kind"]), _text(owner["author"]), str(owner["source"]),
    )  # fmt: skip
    updated_us = instant_us(told["updated"])
    return Version(
        cursor, type_, id_, number, action, updated_us, digest, whose, patient, redacted, body, line
    )  # fmt: skip


FORGED: Final = "the body is not that of its hash"


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value < _INT:
        raise ValueError("not a number of the feed")
    return value


def _text(value: Any) -> str | None:
    if value is not None and type(value) is not str:
        raise TypeError("not a text")
    return value


def clock_us(text: str) -> int:
    """An instant that a journal's clock can show: by it is counted in 64 bits how old data are. ValueError for others."""
    at_us = instant_us(text)
    if not 0 <= at_us <= _CLOCK_MAX_US:
        raise ValueError("no time of a clock")
    return at_us


def instant_us(text: str) -> int:
    """Microseconds since 1970 UTC of an instant that has a zone."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("no zone")
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
