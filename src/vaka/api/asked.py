"""What an operation on records is asked with: a Parameters resource, or nothing; and the version that was seen.

Invariants: a parameter that the operation does not know is refused; a reason is words; the caller names the version that was
seen, in If-Match or ``version``, so that nobody signs what has changed since. https://hl7.org/fhir/R4/parameters.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final

import orjson

from vaka import config
from vaka.access.limits import REASON_MAX_CHARS, REASON_MIN_CHARS
from vaka.access.session import Purpose, Right
from vaka.api.arrival import Keyed, keyed, replayed
from vaka.api.http import (
    Preferences,
    Request,
    Response,
    parse_etag,
    preferences,
    require_json_answer,
    require_json_body,
)
from vaka.api.server import Server, check_id, known_type
from vaka.api.sessions import require_fresh
from vaka.errors import Conflict, Forbidden, Invalid, PreconditionFailed
from vaka.fhir import exact
from vaka.fhir.entries import reference_to
from vaka.fhir.parse import parse_resource
from vaka.fhir.splice import relative_references
from vaka.store.version import Version, parse_version_id

if TYPE_CHECKING:
    from vaka.journal.journal import Transaction

# What cannot be taken back, or moves a whole record: an open screen that somebody has left is not enough (ASVS 3.7.1).
_FRESH: Final = frozenset({Right.IDENTITY, Right.REDACT})


@dataclass(frozen=True, slots=True)
class Asked:
    """An operation's parameters. ``expected``: the version that the caller has seen, None where none was named."""

    values: Mapping[str, Any]
    expected: tuple[int, int] | None
    by_header: bool
    wishes: Preferences
    keyed: Keyed
    body: bytes

    def resource(self) -> bytes | None:
        """The resource among the parameters as JSON, its numbers as they were written: 72.50 stays 72.50."""
        if not isinstance(self.values.get("resource"), Mapping):
            return None
        parts = exact.loads(self.body)["parameter"]
        return exact.dumps(next(part["resource"] for part in parts if part.get("name") == "resource"))

    async def remember(self, tx: Transaction, status: int, version: Version) -> None:
        """Keeps the result with the writes, if the request has a key."""
        await self.keyed.remember(tx, (status, version.seq, None))

    def text(self, name: str) -> str | None:
        """A text in words, None if it is not given. Invalid if it is empty or too long."""
        value = self.values.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or not any(c.isalnum() for c in value):
            raise Invalid(
                f"{name} has to be words", path=f"Parameters.parameter.where(name='{name}')", why=f"{name}: none"
            )
        if len(value) > config.REASON_MAX_CHARS:
            raise Invalid(f"{name} is over {config.REASON_MAX_CHARS} characters", path=name, why=f"{name}: too long")
        return value.strip()

    def words(self, name: str) -> str:
        """A text that has to be given."""
        found = self.text(name)
        if found is None:
            raise Invalid(
                f"the parameter {name} is missing", path="Parameters.parameter",
                help=f'send Parameters with {{"name":"{name}","valueString":…}}', why=f"no {name}",
            )  # fmt: skip
        return found

    def reason(self, name: str = "reason") -> str:
        """A person's reason, which has to be given and to say something (``access.limits``)."""
        found = self.words(name)
        if not REASON_MIN_CHARS <= len(found) <= REASON_MAX_CHARS:
            raise Invalid(
                f"{name} is {REASON_MIN_CHARS} to {REASON_MAX_CHARS} characters",
                path=f"Parameters.parameter.where(name='{name}')", why=f"{name}: {len(found)} characters",
            )  # fmt: skip
        return found

    def hours(self, most: int) -> int:
        """For how long, at most ``most`` hours, which is what nobody says."""
        value = self.values.get("hours", most)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise Invalid(
                f"hours is 1 to {most}", path="Parameters.parameter.where(name='hours')", why="hours: out of range"
            )
        return value

    def reference(self, name: str, type_: str) -> str:
        """The id of a local resource of ``type_`` that has to be named."""
        found = self.optional_reference(name, type_)
        if found is None:
            raise Invalid(
                f"the parameter {name} is missing", path="Parameters.parameter",
                help=f'send {{"name":"{name}","valueReference":{{"reference":"{type_}/…"}}}}', why=f"no {name}",
            )  # fmt: skip
        return found

    def optional_reference(self, name: str, type_: str) -> str | None:
        if name not in self.values:
            return None
        found = reference_to(self.values[name], type_)
        if found is None:
            raise Invalid(f"{name} is no reference to a {type_} here", path=name, why=f"{name}: no reference")
        return found

    def day(self, name: str) -> date | None:
        value = self.values.get(name)
        if value is None:
            return None
        try:
            return date.fromisoformat(str(value))
        except ValueError as error:
            raise Invalid(f"{name} is no date such as 2026-03-01", path=name, why=f"{name}: no date") from error

    def require_seen(self, current: Version) -> None:
        """Invalid where the caller names no version; PreconditionFailed or Conflict where it is not the current one."""
        if self.expected is None:
            raise Invalid(
                "this needs the version that you have seen",
                help=f'send it in If-Match, as W/"{current.version_id}", or as the parameter version',
                path="If-Match", why="S1: no version named",
            )  # fmt: skip
        if self.expected != (current.version, current.epoch):
            kind = PreconditionFailed if self.by_header else Conflict
            raise kind(
                f"{current.type}/{current.id} is at version {current.version_id} now",
                help="read it again: what you have seen is not what stands there",
                why="S17: another version than the current one",
            )


async def begin(
    server: Server,
    request: Request,
    activity: str,
    right: Right,
    type_: str,
    id_: str | None,
    *known: str,
    programs: bool = True,
) -> Asked | Response:
    """``ask`` of who has the ``right``, and tells the log what is being done, before anything can refuse it."""
    told(request, activity)
    require_right(request, right, programs=programs)
    return await ask(server, request, type_, id_, *known)


async def ask(server: Server, request: Request, type_: str, id_: str | None, *known: str) -> Asked | Response:
    """Reads the request of an operation; the answer itself where it was carried out before. ``known``: names of its
    parameters."""
    require_json_answer(request)
    known_type(type_)
    if id_ is not None:
        check_id(id_)
    body = await request.body()
    values: dict[str, Any] = {}
    if body.strip():
        require_json_body(request)
        body = relative_references(body, request.base_url)
        values = _values(parse_resource(body, "Parameters").resource, known)
    key = keyed(request, body)
    if (before := await key.recalled(server, request)) is not None:
        return await replayed(server, request, preferences(request), before)
    header = request.header("if-match")
    named = header if header is not None else values.get("version")
    expected = None
    if named is not None:
        expected = parse_version_id(parse_etag(str(named)))
        if expected is None:
            raise PreconditionFailed(f"{str(named)[:60]} is no version of this journal", why="S17: no version of ours")
    return Asked(values, expected, header is not None, preferences(request), key, body)


def _values(parameters: Mapping[str, Any], known: tuple[str, ...]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    parts = parameters.get("parameter")
    for part in parts if isinstance(parts, list) else ():
        name = part.get("name") if isinstance(part, Mapping) else None
        if name not in (*known, "version"):
            raise Invalid(
                f"{str(name)[:60]} is no parameter of this operation", path="Parameters.parameter",
                help=f"it knows {', '.join(known) or 'none'} and version", why="unknown parameter",
            )  # fmt: skip
        if name in values:
            raise Invalid(f"the parameter {name} stands twice", path="Parameters.parameter", why="a parameter twice")
        held = [value for member, value in part.items() if member.startswith("value") or member == "resource"]
        if len(held) != 1:
            raise Invalid(f"the parameter {name} has no value", path="Parameters.parameter", why="no value")
        values[name] = held[0]
    return values


def require_right(request: Request, right: Right, *, programs: bool = True) -> None:
    """Forbidden unless the caller's assignment includes ``right``; of programs those with full rights may, where ``programs``.
    StaleLogin where the right asks for a login of just now."""
    session = request.access.session
    if session is not None:
        if not session.may(right):
            raise Forbidden(f"your assignment does not include {right.value}", why=f"A1: no right {right.value}")
        if right is Right.SIGN and session.assignment.purpose is not Purpose.CARE:
            raise Forbidden("the purpose of your assignment does not include this", why="A1: signing outside care")
        if right in _FRESH:
            require_fresh(session)
    elif not programs:
        raise Forbidden("only a person can do this", help="log in, and choose an assignment", why="a program asked")
    elif not request.access.full:
        raise Forbidden(f"{request.access.principal} may not do this", why="no scope for operations on records")


def told(request: Request, activity: str, reason: str | None = None) -> None:
    """For the access log: what is being done, and why."""
    request.access.trail.activity = activity
    if reason:
        request.access.trail.reason = reason


def parameters(**values: Any) -> bytes:
    """A Parameters resource; members without value are left out. ``name__valueX=…`` gives the type, else a string."""
    made = []
    for name, value in values.items():
        if value is None:
            continue
        plain, _, type_ = name.partition("__")
        made.append({"name": plain.replace("_", "-"), type_ or "valueString": value})
    return orjson.dumps({"resourceType": "Parameters", "parameter": made})
