"""What the access log says of one answer (L1). Pure.

Invariant: a record holds who, when, what, of whom and by which rule; never what was written in the record itself.
Source: facts/care-rules.md L1 (HSLF-FS 2016:40 4 kap. 9 §, PDL 4:3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from vaka import config
from vaka.access.filter import AccessFilter
from vaka.access.session import Session

REFUSED_FROM, FAILED_FROM = 400, 500


@dataclass(frozen=True, slots=True)
class Actor:
    """Who: a person in an assignment, or a program by its ``principal``. ``unit`` and ``provider`` are Organization ids,
    ``assignment`` an HSA-id or PractitionerRole id, ``session`` 32 hex digits. What does not apply is empty."""

    principal: str
    person: str = ""
    name: str = ""
    title: str = ""
    assignment: str = ""
    unit: str = ""
    provider: str = ""
    purpose: str = ""
    way: str = ""
    session: str = ""

    def __hash__(self) -> int:
        return hash(self.session or self.principal)  # by far the cheapest, and every record asks

    @property
    def key(self) -> int:
        """What an actor is found by: the person, whatever the assignment; else the program."""
        return person_key(self.person or self.principal)


class Record(NamedTuple):
    """One answer. ``activity``: ``read``, ``search``, ``sign``, ``emergency`` …; ``type``: the resource type that was asked for;
    ``status``: of HTTP, 400 and over: refused; ``rule``: the rule that decided; ``reason``: a person's words; ``why``: what was
    wrong, as the caller was not told; ``address``: what a refused request asked for. ``patients``: keys of all patients whose
    information was given out or changed; ``owners``: rows of the table ``owner`` (unit, provider, kind); ``seqs``: versions
    given out or written, of epoch ``epoch``; ``more``: how many further ones are not listed. Times are microseconds since
    1970 UTC."""

    time_us: int
    actor: Actor
    activity: str
    method: str = ""
    type: str = ""
    status: int = 200
    epoch: int = 1
    rule: str = ""
    reason: str = ""
    why: str = ""
    address: str = ""
    patients: tuple[int, ...] = ()
    owners: tuple[int, ...] = ()
    seqs: tuple[int, ...] = ()
    more: int = 0

    @property
    def refused(self) -> bool:
        return self.status >= REFUSED_FROM

    @property
    def outcome(self) -> str:
        """As AuditEvent.outcome: 0 answered, 4 refused, 8 failed."""
        return "0" if not self.refused else "4" if self.status < FAILED_FROM else "8"

    def parts(self) -> Sequence[Record]:
        """Itself; or, with more patients than one record holds, several that differ in these."""
        limit = config.LOG_PATIENTS_MAX
        if len(self.patients) <= limit:
            return (self,)
        first = self._replace(patients=self.patients[:limit])
        rest = range(limit, len(self.patients), limit)
        return first, *[self._replace(patients=self.patients[at : at + limit], seqs=(), more=0) for at in rest]


def person_key(name: str) -> int:
    """The 64 bits that stand for a person (HSA-id) or program in the log's indexes."""
    return int.from_bytes(blake2b(f"actor\x1f{name}".encode(), digest_size=8).digest(), "big", signed=True)


def actor_of(access: AccessFilter) -> Actor:
    """The actor behind a filter."""
    return _actor(access.principal, access.session)


@lru_cache(maxsize=4_096)
def _actor(principal: str, session: Session | None) -> Actor:
    if session is None:
        return Actor(principal)
    at = session.assignment
    return Actor(
        "", session.person, session.name, at.title, at.id, at.unit,
        at.provider, at.purpose.value, session.way, session.id,
    )  # fmt: skip


def cut(text: str, limit: int = config.LOG_TEXT_MAX_CHARS) -> str:
    """Text as a record holds it: without control characters, at most ``limit`` of them."""
    if not text:
        return text
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    return text.encode("utf-8", "replace").decode()
