"""What an access filter lets through, compiled for one engine. Every statement that reads the record passes through here."""

from __future__ import annotations

import time
from functools import cache

from vaka.access.filter import AccessFilter
from vaka.access.session import Purpose, Right, Session
from vaka.access.settings import Settings
from vaka.errors import Forbidden
from vaka.store.compile import Sql
from vaka.store.conditions import asked_by, person_sql, rule_sql
from vaka.store.gate import Gate
from vaka.store.granted import grants_gate


def now_us() -> int:
    return time.time_ns() // 1_000


def through(access: AccessFilter, compiler: type[Sql], *, letter: str = "r", aged: bool = False) -> Gate:
    """What ``access`` may read (``letter`` r) or find (s); a program: by any of these letters. ``aged``: as ``rules.rules``.
    Forbidden for who may not."""
    if access.full:
        return Gate("TRUE", everything=True)
    session = access.session
    if session is None:
        if access.grants:
            return grants_gate(access, letter, compiler)
        raise Forbidden(f"{access.principal} has no right to read the record", why="no scope")
    if not session.may(Right.READ):
        raise Forbidden("this assignment does not include reading", why="A1: no right to read")
    text, rule = _by_value(compiler, session.assignment.purpose, access.settings, aged)
    return Gate(text, asker(session, access.at_us), own_versions=True, rule=rule)


def asker(session: Session, at_us: int | None = None) -> tuple[tuple[str, object], ...]:
    """Who asks, and now, as bound values."""
    assignment = session.assignment
    return (
        ("a_unit", assignment.unit), ("a_provider", assignment.provider), ("a_person", session.person), ("a_now", at_us or
        now_us()), )  # fmt: skip


@cache
def _by_value(compiler: type[Sql], purpose: Purpose, settings: Settings, aged: bool) -> tuple[str, str]:
    """The condition, and the rule."""
    places = {name: compiler.place(f"a_{name}", "text") for name in ("unit", "provider", "person")}
    places["now"] = compiler.place("a_now", "bigint")
    text, rule = (made(compiler, purpose, settings, aged) for made in (person_sql, rule_sql))
    return asked_by(text, places), asked_by(rule, places)
