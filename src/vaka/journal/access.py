"""Compiles an access filter to SQL. Every statement that reads the record passes through here.

Invariants: the condition is compiled from the table that ``access.rules.decide`` asks, so that both give one answer; only bound
values say who asks; what is unknown (NULL) counts as not so, on both sides.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from vaka.access.filter import AccessFilter
from vaka.access.ownership import PATIENTS_BY_NATURE
from vaka.access.rules import Fact, Outcome, rules
from vaka.access.session import Purpose, Right, Session
from vaka.access.settings import Settings
from vaka.errors import Forbidden
from vaka.fhir.definitions import type_number

PATIENT: Final = type_number("Patient")
UNIT, PROVIDER, EMERGENCY, INNER, INCAPACITY = 1, 2, 3, 4, 5
"""Column ``what`` of the table opening."""

ORIGIN: Final = (
    "coalesce((SELECT p.patient FROM apart p WHERE p.patient = r.patient AND p.was_in = v.patient LIMIT 1), v.patient)"
)
"""Whose a version ``v`` of ``r`` is: of the time of a merge that was taken apart, its own patient's again (S23)."""
_HOME: Final = f"coalesce((SELECT a.root FROM alias a WHERE a.patient = {ORIGIN}), {ORIGIN})"
_IN_FORCE = "{0}.from_us <= {{now}} AND {0}.until_us > {{now}}"
_OPEN = (
    "EXISTS (SELECT 1 FROM opening g WHERE g.patient = {r}.patient AND g.person = {person} AND g.unit = {unit}"
    " AND g.closed_us IS NULL AND g.opened_us <= {now} AND g.until_us > {now} AND "
)
_BLOCK = (
    "EXISTS (SELECT 1 FROM block b WHERE b.patient = {r}.patient AND "
    + _IN_FORCE.format("b")
    + " AND (b.provider = o.provider OR b.provider IS NULL) AND (b.unit = o.unit OR b.unit IS NULL OR o.unit IS NULL)"
    " AND (b.kind = o.kind OR b.kind IS NULL)"
    " AND NOT EXISTS (SELECT 1 FROM block l WHERE l.rkey = b.rkey AND l.lifted_for = {unit} AND l.lifted_from_us <= {now}"
    " AND l.lifted_until_us > {now}) AND "
)

_SOMEBODYS: Final = ",".join(str(type_number(name)) for name in sorted(PATIENTS_BY_NATURE))
FACTS: Final[Mapping[Fact, str]] = {
    Fact.IDENTITY: f"{{r}}.type = {PATIENT}",
    Fact.NO_PATIENT: f"{{r}}.patient IS NULL AND {{r}}.type <> ALL('{{{_SOMEBODYS}}}'::smallint[])",
    Fact.DIRECTORY: "o.kind IN ('directory', 'definition')",
    Fact.OWNED: "o.provider IS NOT NULL",
    Fact.OWN_UNIT: "coalesce(o.unit = {unit}, false)",
    Fact.OWN_PROVIDER: "coalesce(o.provider = {provider}, false)",
    Fact.CONSENTS: "o.kind = 'consent'",
    Fact.WHEREABOUTS: "o.kind IN ('contact', 'person')",
    Fact.VISIT: "o.kind = 'contact'",
    Fact.PROTECTED: "EXISTS (SELECT 1 FROM protected x WHERE x.patient = {r}.patient)",
    Fact.RELATION: (
        "EXISTS (SELECT 1 FROM care_relation c WHERE c.patient = {r}.patient AND c.unit = {unit} AND "
        + _IN_FORCE.format("c") + ")"
    ),
    Fact.CONSENT: (
        "EXISTS (SELECT 1 FROM consent k WHERE k.patient = {r}.patient AND k.receiver IN ({unit}, {provider}) AND "
        + _IN_FORCE.format("k") + ")"
    ),
    Fact.INCAPACITY: _OPEN + f"g.what = {INCAPACITY} AND g.target = o.provider)",
    Fact.CHOSEN: (
        _OPEN + f"CASE WHEN o.provider = {{provider}} THEN g.what = {UNIT} AND g.target = coalesce(o.unit, o.provider)"
        f" ELSE g.what = {PROVIDER} AND g.target = o.provider END)"
    ),
    Fact.EMERGENCY: _OPEN + f"g.what = {EMERGENCY})",
    Fact.INNER_BLOCK: _BLOCK + "b.is_inner)",
    Fact.OUTER_BLOCK: _BLOCK + "b.is_outer)",
    Fact.LIFTED: _OPEN + f"g.what = {INNER} AND g.target = coalesce(o.unit, o.provider))",
}  # fmt: skip
"""Each fact as SQL on a row ``{r}`` (resource or version) and its owner ``o``, for {person} at {unit} of {provider}, {now}."""

ASKED_BY_VALUE: Final = {
    "unit": "%(a_unit)s::text", "provider": "%(a_provider)s::text", "person": "%(a_person)s::text", "now": "%(a_now)s::bigint",
}  # fmt: skip
ASKED_BY_ROW: Final = {"unit": "q.unit", "provider": "q.provider", "person": "q.person", "now": "%(a_now)s::bigint"}
"""For statements that answer many callers at once: who asks stands in a row ``q``."""


@dataclass(frozen=True, slots=True)
class Gate:
    """A condition on a row ``{r}``, and its bound values. ``own_versions``: an old version is asked for its own patient and
    owner, or (``versions``) for what a condition on ``v`` says beside; ``everything``: no rule stands before the record.
    ``merged``: some patients' records are kept under several ids."""

    text: str
    values: tuple[tuple[str, object], ...] = ()
    own_versions: bool = False
    everything: bool = False
    versions: str = "TRUE"
    merged: bool = False

    def on(self, alias: str = "r") -> str:
        return self.text.replace("{r}", alias)

    @property
    def on_versions(self) -> str:
        """On the version ``v`` of ``r`` that a statement gives out; one of before a merge is the surviving patient's (S23)."""
        if self.versions != "TRUE":
            return f"({self.on()} AND {self.versions})"
        return self.text.replace("{r}.patient", _HOME).replace("{r}", "v") if self.own_versions else self.on("r")


def gate(access: AccessFilter, *, letter: str = "r") -> Gate:
    """What ``access`` may read (``letter`` r) or find (s); a program: by any of these letters. Forbidden for who may not."""
    if access.full:
        return Gate("TRUE", everything=True)
    session = access.session
    if session is None:
        if access.grants:
            from vaka.journal.scopes import grants_gate

            return grants_gate(access, letter)
        raise Forbidden(f"{access.principal} has no right to read the record", why="no scope")
    if not session.may(Right.READ):
        raise Forbidden("this assignment does not include reading", why="A1: no right to read")
    return Gate(_by_value(session.assignment.purpose, access.settings), asker(session, access.at_us), own_versions=True)


def batched(access: AccessFilter) -> str | None:
    """The condition for a statement that answers many people at once; None where ``access`` is no person's."""
    if access.session is None or not access.session.may(Right.READ):
        return None
    return _by_row(access.session.assignment.purpose, access.settings)


def owned_gate(access: AccessFilter) -> Gate:
    """What the caller's provider owns, visible or not: over that, too, a condition of a write is matched."""
    session = access.session
    provider = session.assignment.provider if session is not None else access.provider
    if provider is None:
        return Gate("FALSE")
    text = "EXISTS (SELECT 1 FROM owner whose WHERE whose.owner = {r}.owner AND whose.provider = %(owning)s::text)"
    return Gate(text, (("owning", provider),))


def asker(session: Session, at_us: int | None = None) -> tuple[tuple[str, object], ...]:
    """The values of ``ASKED_BY_VALUE``, of who asks at ``at_us`` (None: now)."""
    assignment = session.assignment
    return (
        ("a_unit", assignment.unit), ("a_provider", assignment.provider), ("a_person", session.person),
        ("a_now", at_us or now_us()),
    )  # fmt: skip


def now_us() -> int:
    return time.time_ns() // 1_000


@cache
def person_sql(purpose: Purpose, settings: Settings) -> str:
    """The table of ``purpose`` as one condition: whether the first rule that fits permits."""
    cases = []
    for rule in rules(purpose, settings):
        parts = [FACTS[fact] for fact in rule.when] + [f"NOT {FACTS[fact]}" for fact in rule.unless]
        condition = " AND ".join(f"({part})" for part in parts) or "TRUE"
        cases.append((condition, rule.outcome is Outcome.PERMIT))
    while cases and not cases[-1][1]:
        cases.pop()
    whens = " ".join(f"WHEN {condition} THEN {str(permits).upper()}" for condition, permits in cases)
    return f"(SELECT CASE {whens} ELSE FALSE END FROM owner o WHERE o.owner = {{r}}.owner)"


@cache
def _by_value(purpose: Purpose, settings: Settings) -> str:
    return _asked(person_sql(purpose, settings), ASKED_BY_VALUE)


@cache
def _by_row(purpose: Purpose, settings: Settings) -> str:
    return _asked(person_sql(purpose, settings), ASKED_BY_ROW).replace("{r}", "r")


def _asked(text: str, by: Mapping[str, str]) -> str:
    for name, place in by.items():
        text = text.replace("{" + name + "}", place)
    return text


def require_writing(access: AccessFilter) -> None:
    """Forbidden unless ``access`` may change anything at all; what of it, ``journal.permission`` says."""
    if access.full:
        return
    if access.session is not None:
        # Signing and the operations on records are rights of their own; ``permission`` asks for writing all the same.
        if not access.session.assignment.rights & {Right.WRITE, Right.SIGN, Right.IDENTITY, Right.REDACT}:
            raise Forbidden("this assignment does not include writing", why="A1: no right to write")
    elif not any(grant.may & set("cud") for grant in access.grants):
        raise Forbidden(f"{access.principal} has no right to change the record", why="no scope")
