"""The access filter as a condition for SQLite (``store.through``): compiled from the journal's table of rules.

What is the copy's alone: where it cannot know whether blocks and consents still hold, other care providers' information is
shown in an emergency opening alone (``aged``; A8, S20). And since a person's rules ask of a resource only whose it is and who
owns it, they are asked once for all candidates that are alike in these, and tell then by which of them a row is shown.
"""

from __future__ import annotations

from vaka.access.filter import AccessFilter
from vaka.copy.compile import Sql
from vaka.store.gate import Gate
from vaka.store.through import through

ALIKE = ("type", "patient", "owner")
"""What a person's rules ask of a row."""


def gate(access: AccessFilter, *, letter: str = "r", aged: bool = False) -> Gate:
    """What ``access`` may read (``letter`` r) or find (s); a program: by any of these letters. Forbidden for who may not."""
    return through(access, Sql, letter=letter, aged=aged)


def permitted(gate: Gate, candidates: str) -> str | None:
    """A table ``g`` of the ALIKE of rows in the table ``candidates``, with the rule that permits it, to be joined by ``same``;
    None where the gate asks more of a row than those."""
    if not gate.own_versions:
        return None
    columns = ", ".join(ALIKE)
    alike = f"(SELECT DISTINCT {columns} FROM {candidates})"
    return f"SELECT {columns}, {gate.rule_on('a')} AS rule FROM {alike} a"


def same(candidate: str) -> str:
    """That a row of ``candidate`` is one of those that a rule permits."""
    return " AND ".join(["g.rule > 0", *(f"g.{column} IS {candidate}.{column}" for column in ALIKE)])
