"""From a request and its answer to the record of the access log. Pure.

Invariant: every request below /fhir (but the capability statement), to /feed, /sheet, /unit and /log leaves one record,
whatever its answer (but of what was shed at the door, where nobody was looked at: ``api.admission``); a refusal's record tells
what the caller was not told.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Final

from vaka import config
from vaka.access.filter import AccessFilter
from vaka.access.rules import permitted_by
from vaka.access.trail import Trail
from vaka.accesslog.record import Record, actor_of, cut
from vaka.api.callers import hide_tokens
from vaka.api.cookies import SAFE
from vaka.api.http import Request
from vaka.errors import VakaError
from vaka.fhir.definitions import RESOURCE_TYPES

_TYPES: Final = frozenset(RESOURCE_TYPES)
_CHANGING: Final = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_make: Final = partial(tuple.__new__, Record)  # of all its fields: NamedTuple's own way takes three times as long
_UNLOGGED: Final = frozenset(
    {("fhir", "metadata"), ("peer", "log"), ("snapshot", "log"), ("snapshot", "standing")}
)  # a copy brings its own log: each access in it is one
_LOGGED: Final = frozenset({"fhir", "feed", "log", "sheet", "unit", "reserve", "peer", "snapshot"})


class Address:
    """What was asked for, without its query and without what looks like a token. ``path``: its segments."""

    __slots__ = ("path", "text")

    def __init__(self, text: str) -> None:
        self.text = hide_tokens(text)
        self.path = segments(self.text)

    @property
    def is_logged(self) -> bool:
        """Whether a request to it leaves a record."""
        return self.path[0] in _LOGGED and self.path not in _UNLOGGED


def segments(path: str) -> tuple[str, ...]:
    """Of a path that was decoded as it came in: once is enough."""
    return tuple(path.strip("/").split("/"))


def is_urgent(method: str, access: AccessFilter) -> bool:
    """Class 0, as far as it is known beforehand: a person reads (overload classes: continuity.md)."""
    return access.session is not None and method in SAFE


def record_of(
    method: str, address: Address, status: int, access: AccessFilter, epoch: int, error: VakaError | None = None
) -> Record:
    """The record of an answer."""
    path = address.path
    trail = access.trail
    patients, owners, seqs = _whom(trail)
    if error is None and not trail.activity and not trail.rule and not trail.reason and len(seqs) == 1:  # most requests
        type_ = path[1] if len(path) > 1 and path[1] in _TYPES else ""
        return _make((
            time.time_ns() // 1_000, actor_of(access), activity_of(method, path), method, type_, status, epoch,
            permitted_by(trail.rules), "", "", "", patients, owners, seqs, 0,
        ))  # fmt: skip
    listed = seqs[: config.LOG_RESOURCES_MAX]
    type_ = path[1] if len(path) > 1 and path[1] in _TYPES else ""
    why, asked = (cut(error.why or error.message), cut(address.text)) if error is not None else ("", "")
    activity = cut(trail.activity) if trail.activity else activity_of(method, path)
    rule = trail.rule or (permitted_by(trail.rules) if error is None else "")
    return Record(
        time.time_ns() // 1_000, actor_of(access), activity, method[:8], type_, status, epoch, cut(rule),
        cut(trail.reason, config.LOG_REASON_MAX_CHARS), why, asked, patients, owners, listed, len(seqs) - len(listed),
    )  # fmt: skip


def _whom(trail: Trail) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """(patients, owners, versions) that the request touched."""
    touched = trail.touched
    if len(touched) == 1 and trail.patient is None and touched[0].type != "Patient":  # most requests
        one = touched[0]
        return (one.patient,) if one.patient is not None else (), (one.owner,), (one.seq,)
    patients = {one.patient for one in touched if one.patient is not None}
    patients.update(one.rkey for one in touched if one.type == "Patient")
    if trail.patient is not None:
        patients.add(trail.patient)
    owners = tuple(sorted({one.owner for one in touched}))
    return tuple(sorted(patients)), owners, tuple(dict.fromkeys(one.seq for one in touched))


def activity_of(method: str, path: tuple[str, ...]) -> str:
    """What a method at an address does, in FHIR's words (https://hl7.org/fhir/R4/http.html). ``path``: ``fhir`` and on."""
    if len(path) == 3 and method == "GET" and path[0] == "fhir" and path[2] and path[2][0] not in "$_":  # most requests
        return "read"
    first, *rest = path
    if first == "sheet" and rest[-1:] == ["notes"]:
        return "search"
    if first != "fhir":
        return first
    rest = [part for part in rest if part]
    operation = next((part[1:] for part in rest if part.startswith("$")), None)
    if operation is not None:
        return cut(operation)[:20]
    if rest and rest[-1] == "_search":
        return "search"
    if "_history" in rest:
        return "history" if rest[-1] == "_history" else "vread"
    if method in _CHANGING:
        return _CHANGING[method] if rest else "transaction"
    return "read" if len(rest) == 2 else "search"


def is_of_one(request: Request, record: Record) -> bool:
    """Class 0, once it is answered: a person has read of one patient."""
    return is_urgent(request.method, request.access) and len(record.patients) <= 1
