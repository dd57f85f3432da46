"""Redacting a resource on an authority's decision (S26): listed first, then taken out of every version, and told.

Source: PDL 8 kap. 4 §. The mark of it names decision and authority, never what was there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vaka.access.law import Act
from vaka.access.marks import Actor
from vaka.errors import Fault, NotFound
from vaka.journal.marks import home, mark, now_us, owned_by
from vaka.journal.redactions import Redaction, Redactions
from vaka.journal.write import Write
from vaka.store.version import Action, Version, instant

if TYPE_CHECKING:
    from vaka.journal.journal import Transaction


@dataclass(frozen=True, slots=True)
class Decision:
    """``number``: under which the authority decided."""

    number: str
    authority: str

    @property
    def words(self) -> str:
        return f"{self.authority}, {self.number}"


async def redact(
    tx: Transaction, type_: str, id_: str, decision: Decision, actor: Actor, listed: Redactions
) -> tuple[Version, bool]:
    """The mark of the redaction; False where it had been made before. NotFound if there is no such resource."""
    current = await tx.any_version(type_, id_)
    if current is None:
        raise NotFound(f"{type_}/{id_} does not exist", why="S26: redaction of nothing")
    if current.action is Action.REDACT:
        return await mark(tx, Act.REDACT, current, actor, reason=decision.words, whole=True)
    listed.add([_line(type_, id_, decision, actor)])
    owned = await owned_by(tx.connection, current)
    made = (await tx.write([Write(type_, id_, redact=True, act=Act.REDACT, owned=owned)]))[0]
    if made is None:
        raise Fault("a redaction was not written")
    return await mark(tx, Act.REDACT, made, actor, reason=decision.words, whole=True, patient=home(current))


async def redact_all(
    tx: Transaction, wanted: Sequence[tuple[str, str]], decision: Decision, actor: Actor, listed: Redactions
) -> int:
    """Redacts many resources at once, without a mark for each; how many were not redacted yet."""
    writes = []
    for type_, id_ in wanted:
        current = await tx.any_version(type_, id_)
        if current is not None and current.action is not Action.REDACT:
            owned = await owned_by(tx.connection, current)
            writes.append(Write(type_, id_, redact=True, act=Act.REDACT, owned=owned))
    if writes:
        listed.add([_line(write.type, write.id, decision, actor) for write in writes])
        await tx.write(writes)
    return len(writes)


def _line(type_: str, id_: str, decision: Decision, actor: Actor) -> Redaction:
    return Redaction(type_, id_, decision.number, decision.authority, actor.key, instant(now_us()))
