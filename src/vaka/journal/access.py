"""The access filter as a condition for PostgreSQL (``store.through``), on current and on old versions, of one asker or of many.

What is the journal's alone: old versions are asked for their own patient and owner, and one statement answers many callers.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from vaka.access.filter import AccessFilter
from vaka.access.session import Purpose, Right
from vaka.access.settings import Settings
from vaka.errors import Forbidden
from vaka.journal.compile import Sql
from vaka.store.conditions import asked_by, rule_sql
from vaka.store.gate import Gate
from vaka.store.through import through

ORIGIN: Final = (
    "coalesce((SELECT p.patient FROM apart p WHERE p.patient = r.patient AND p.was_in = v.patient LIMIT 1), v.patient)"
)
"""Whose a version ``v`` of ``r`` is: of the time of a merge that was taken apart, its own patient's again (S23)."""
_HOME: Final = f"coalesce((SELECT a.root FROM alias a WHERE a.patient = {ORIGIN}), {ORIGIN})"
_ASKED_BY_ROW: Final = {"unit": "q.unit", "provider": "q.provider", "person": "q.person", "now": "%(a_now)s::bigint"}
"""For statements that answer many callers at once: who asks stands in a row ``q``."""


def gate(access: AccessFilter, *, letter: str = "r") -> Gate:
    """What ``access`` may read (``letter`` r) or find (s); a program: by any of these letters. Forbidden for who may not."""
    return through(access, Sql, letter=letter)


def on_versions(gate: Gate) -> str:
    """On the version ``v`` of ``r`` that a statement gives out; one of before a merge is the surviving patient's (S23)."""
    if gate.versions != "TRUE":
        return f"({gate.on()} AND {gate.versions})"
    return _of_version(gate.text) if gate.own_versions else gate.on("r")


def rule_on_versions(gate: Gate) -> str:
    """Which rule permits that version, 0 where no table of rules decides."""
    return _of_version(gate.rule) or "0"


def _of_version(text: str) -> str:
    return text.replace("{r}.patient", _HOME).replace("{r}", "v")


def batched(access: AccessFilter) -> str | None:
    """The rules for a statement that answers many people at once, as a number: which permits, 0: none. None where ``access`` is
    no person's."""
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


@cache
def _by_row(purpose: Purpose, settings: Settings) -> str:
    return asked_by(rule_sql(Sql, purpose, settings, False), _ASKED_BY_ROW).replace("{r}", "r")


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
