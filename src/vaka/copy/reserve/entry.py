"""A reserve entry: what somebody wrote while the journal was away, whole, and what has become of it. Pure.

Invariants: an entry never changes but in its state, reason, result, number of copies and who hands it over; what it says of
itself to another copy and to the journal is ``wire``, and ``from_wire`` gives the same entry back; its id and key are those
of the first try, for ever.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, Final

import orjson

from vaka.errors import Invalid

PENDING: Final = "r-"
"""What the version id of a pending version begins with: no version id of the journal does."""
FIRST_SEQ: Final = 2**62
"""Above every sequence number of a journal: what is shown of an entry is the newest of its kind."""
LOST: Final = "LOST"
"""The method of an entry that gives back a version which the journal lost (``copy.reserve.lost``): no method of HTTP."""
_WIRE_VERSION: Final = 1
_OWNED: Final = ("unit", "provider", "practitioner")


class State(IntEnum):
    """What has become of an entry. Numbers are stored."""

    UNHELD = 0
    """Stored here, acknowledged to nobody yet."""
    WAITING = 1
    """Acknowledged, and shown; the journal does not have it yet."""
    DONE = 2
    TASK = 3
    """The journal has it, as a Task for a person: it might have overwritten something."""
    REFUSED = 4
    """The journal refused it: it stays here, shown, with the reason, until a person has settled it."""
    SETTLED = 5
    """Refused, and settled by a person, with name and reason."""
    WITHDRAWN = 6
    """Stored, but never acknowledged: whoever sent it was told so."""


OPEN: Final = frozenset({State.WAITING, State.REFUSED})
"""What is shown: the journal does not show it."""


@dataclass(frozen=True, slots=True)
class Base:
    """What a change was made on: a version of the journal with the SHA-256 of its bytes, or what the reserve entry ``entry``
    shows."""

    version_id: str | None = None
    hash: str | None = None
    entry: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One resource that an entry creates or changes. ``body``: as it is shown, None where nothing is shown; ``patient``: id
    of its home patient; ``base``: what it was made on, None for what is new."""

    type: str
    id: str
    body: bytes | None
    patient: str | None
    base: Base | None = None

    @property
    def name(self) -> str:
        return f"{self.type}/{self.id}"


@dataclass(frozen=True, slots=True)
class Entry:
    """``id``: a UUID; ``origin``: id of the copy that took it, ``site`` its name; ``author``: the signed session or token
    that it was sent with; ``headers``: those that say what is asked; ``digest``: what makes two requests with one key the
    same; ``refers``: local references in it (``Type/id``); ``offset_ms``: how far the copy's clock was ahead, None where
    unknown; ``single_site``: an order, valid at its site only (S12); ``number``: its place in this copy's file, in the order
    in which they came in; ``unit``, ``provider``, ``practitioner``: whose it is shown as, of a person's session; ``numbers``:
    reserve numbers of the visits in it, by ``Type/id`` (S18); ``warnings``: allergies known here that an order in it meets
    (S12), as ``Type/id``; ``checked``: what else was found of them. Times are microseconds since 1970 UTC."""

    id: str
    origin: str
    site: str
    principal: str
    key: str
    digest: bytes
    author: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes
    parts: tuple[Part, ...]
    refers: tuple[str, ...]
    recorded_us: int
    offset_ms: int | None = None
    single_site: bool = False
    number: int = 0
    state: State = State.UNHELD
    reason: str = ""
    copies: int = 1
    result: Mapping[str, Any] = field(default_factory=dict)
    unit: str | None = None
    provider: str | None = None
    practitioner: str | None = None
    numbers: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    checked: str = ""

    @property
    def version_id(self) -> str:
        return PENDING + self.id

    @property
    def patients(self) -> frozenset[str]:
        """Ids of all patients whom it concerns."""
        return frozenset(part.patient for part in self.parts if part.patient is not None)

    @property
    def makes(self) -> frozenset[str]:
        """What it creates or changes, as ``Type/id``."""
        return frozenset(part.name for part in self.parts)

    @property
    def bases(self) -> frozenset[str]:
        """Ids of the entries that its changes were made on."""
        return frozenset(
            part.base.entry for part in self.parts if part.base is not None and part.base.entry is not None
        )


def pending_id(body: bytes) -> str:
    """The pending version id in a resource as it is shown; empty for what the journal has."""
    resource = orjson.loads(body)
    return str(resource["meta"]["versionId"]) if is_pending(resource) else ""


def is_pending(resource: Mapping[str, Any]) -> bool:
    """Whether a resource is shown as an entry makes it, which the journal does not have yet."""
    meta = resource.get("meta")
    return isinstance(meta, Mapping) and str(meta.get("versionId")).startswith(PENDING)


def wire(entry: Entry) -> bytes:
    """The entry as another copy or the journal is told it, as JSON: all but its number here."""
    told: dict[str, Any] = {
        "v": _WIRE_VERSION, "id": entry.id, "origin": entry.origin, "site": entry.site, "principal": entry.principal,
        "key": entry.key, "digest": entry.digest.hex(), "author": entry.author, "method": entry.method, "path": entry.path,
        "query": entry.query, "headers": dict(entry.headers), "body": _text(entry.body), "refers": entry.refers,
        "parts": [_part(part) for part in entry.parts], "recorded_us": entry.recorded_us, "offset_ms": entry.offset_ms,
        "single_site": entry.single_site, "state": int(entry.state), "reason": entry.reason, "copies": entry.copies,
        "result": dict(entry.result), "owned": [entry.unit, entry.provider, entry.practitioner],
        "numbers": dict(entry.numbers), "warnings": entry.warnings, "checked": entry.checked,
    }  # fmt: skip
    return orjson.dumps(told)


def from_wire(told: bytes | Mapping[str, Any]) -> Entry:
    """The entry that ``wire`` made. Invalid for what is none."""
    try:
        said: Mapping[str, Any] = orjson.loads(told) if isinstance(told, bytes) else told
        if said["v"] != _WIRE_VERSION:
            raise Invalid(f"a reserve entry of form {said['v']} is not known here", help="upgrade this side first")
        return Entry(
            str(said["id"]), str(said["origin"]), str(said["site"]), str(said["principal"]), str(said["key"]),
            bytes.fromhex(said["digest"]), str(said["author"]), str(said["method"]), str(said["path"]),
            tuple((str(name), str(value)) for name, value in said["query"]),
            {str(name): str(value) for name, value in said["headers"].items()}, _bytes(said["body"]),
            tuple(_read_part(part) for part in said["parts"]), tuple(map(str, said["refers"])), int(said["recorded_us"]),
            None if said["offset_ms"] is None else int(said["offset_ms"]), bool(said["single_site"]), 0,
            State(said["state"]), str(said["reason"]), int(said["copies"]), dict(said["result"]),
            **dict(zip(_OWNED, said["owned"], strict=True)),
            numbers={str(name): str(number) for name, number in (said.get("numbers") or {}).items()},
            warnings=tuple(map(str, said.get("warnings") or ())), checked=str(said.get("checked") or ""),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Invalid("this is no reserve entry", why=f"reserve entry: {type(error).__name__}") from error


def became(entry: Entry, state: State, reason: str = "", result: Mapping[str, Any] | None = None) -> Entry:
    """The same entry in another state."""
    return replace(entry, state=state, reason=reason, result=dict(result or {}))


def version_made(result: Mapping[str, Any], name: str) -> str | None:
    """The version id of ``Type/id`` that an entry's result tells."""
    made = result.get("made")
    for one in made if isinstance(made, list) else ():
        if isinstance(one, Mapping) and one.get("name") == name:
            return str(one.get("version"))
    return None


def _part(part: Part) -> Sequence[Any]:
    base = None if part.base is None else [part.base.version_id, part.base.hash, part.base.entry]
    return [part.type, part.id, None if part.body is None else _text(part.body), part.patient, base]


def _read_part(told: Sequence[Any]) -> Part:
    type_, id_, body, patient, base = told
    return Part(type_, id_, None if body is None else _bytes(body), patient, None if base is None else Base(*base))


def _text(body: bytes) -> str:
    return base64.b64encode(body).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
