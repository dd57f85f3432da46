"""What a person opens, and what there is to open (A3, A4, A6, A9).

Invariant: an opening is kept with person, assignment, reason and times, and is never taken away: it ends, or is closed. It is
of the record that the patient's goes on in, whichever id it was asked under (S23).
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vaka.access.decision import Information, Opening, Placed, Standing, What, decision
from vaka.access.facts import Block, Consented
from vaka.access.filter import AccessFilter
from vaka.access.rules import Rule
from vaka.access.session import Session
from vaka.journal.arrays import integers
from vaka.journal.statements import statements
from vaka.store.conditions import PATIENT
from vaka.store.through import now_us

if TYPE_CHECKING:
    from vaka.journal.journal import Journal
    from vaka.journal.pool import Connection


@dataclass(frozen=True, slots=True)
class Group:
    """All information of one owner and kind about a patient: how much there is, and the rule that decides."""

    about: Information
    count: int
    rule: Rule


async def standing_of(connection: Connection, session: Session, patient: int) -> Standing:
    """What is known of ``patient`` (a resource key) that decides what ``session`` sees."""
    sql = statements("access")
    values: dict[str, Any] = {"patient": patient, "person": session.person, "unit": session.assignment.unit}

    async def rows(name: str) -> list[Any]:
        return await (await connection.execute(sql[name], values)).fetchall()

    blocks = [
        Placed(Block(unit or provider, kind, *rest), provider, unit, consent)
        for consent, provider, unit, kind, *rest in await rows("blocks")
    ]
    return Standing(
        now_us(),
        relations=await rows("relations"),
        blocks=blocks,
        consents=[Consented(*row) for row in await rows("consents")],
        openings=[Opening(What(what), target, low, high) for what, target, low, high in await rows("openings")],
        protected=(await rows("is_protected"))[0][0],
    )


async def groups(
    journal: Journal, access: AccessFilter, session: Session, patient: int
) -> tuple[Standing, Sequence[Group]]:
    """What is known, and whose information of which kind there is about ``patient``, each with its decision. Not to be shown as
    it is: what a rule leaves unnamed must not be named (S21)."""
    async with journal.reading.connection() as connection:
        standing = await standing_of(connection, session, patient)
        values = {"patient": patient, "patient_type": PATIENT}
        rows = await (await connection.execute(statements("access")["groups"], values)).fetchall()
    return standing, [
        Group(about, count, decision(session, access.settings, standing, about))
        for unit, provider, kind, identity, count in rows
        for about in (Information(unit, provider, kind, identity),)
    ]


async def open_(
    journal: Journal, session: Session, patient: int, what: What, target: str | None, reason: str, until_us: int
) -> uuid.UUID:
    """Keeps an opening of what is in the record of the Patient with this key; it is seen from the next request on."""
    opening = uuid.uuid4()
    values = {
        "opening": opening, "patient": patient, "person": session.person, "unit": session.assignment.unit,
        "provider": session.assignment.provider, "what": int(what), "target": target, "reason": reason,
        "session": session.id, "opened_us": now_us(), "until_us": until_us,
    }  # fmt: skip
    async with journal.pool.connection() as connection:
        await connection.execute(statements("access")["open"], values)
    return opening


async def end_at_merge(connection: Connection, patients: Sequence[int]) -> None:
    """Two records become one: a block of either holds again, though somebody has lifted the other's (S23: the strictest)."""
    await _end(connection, patients, (What.INNER_BLOCK,), 0)


async def end_at_unmerge(connection: Connection, patient: int, merged_us: int) -> None:
    """One record becomes two: what was opened while it was one rests on another picture of the patient, and is opened anew of
    the one that it is about (S22: one patient). What was opened before the merge is as it was."""
    await _end(connection, (patient,), tuple(What), merged_us)


async def _end(connection: Connection, patients: Sequence[int], whats: Sequence[What], since_us: int) -> None:
    values = {"patients": integers(patients), "whats": integers(whats), "since_us": since_us, "now": now_us()}
    await connection.execute(statements("access")["close_opened"], values)


async def close(journal: Journal, session: Session, patient: int, opening: uuid.UUID) -> bool:
    """Ends an opening of one's own of this patient early; False if there is none to end."""
    values = {"opening": opening, "patient": patient, "person": session.person, "now": now_us()}
    async with journal.pool.connection() as connection:
        row = await (await connection.execute(statements("access")["close"], values)).fetchone()
    return row is not None
