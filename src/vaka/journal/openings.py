"""What a person opens, and what there is to open (A3, A4, A6, A9).

Invariant: an opening is kept with person, assignment, reason and times, and is never taken away: it ends, or is closed. It is
of the record that the patient's goes on in, whichever id it was asked under (S23).
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vaka.access.decision import Standing, What
from vaka.access.session import Session
from vaka.journal.arrays import integers
from vaka.journal.statements import statements
from vaka.store.conditions import PATIENT
from vaka.store.known import standing
from vaka.store.through import now_us

if TYPE_CHECKING:
    from vaka.journal.journal import Journal
    from vaka.journal.pool import Connection


async def standing_of(connection: Connection, session: Session, patient: int) -> Standing:
    """What is known of ``patient`` (a resource key) that decides what ``session`` sees."""
    sql = statements("access")
    values: dict[str, Any] = {"patient": patient, "person": session.person, "unit": session.assignment.unit}

    async def rows(name: str) -> list[Any]:
        return await (await connection.execute(sql[name], values)).fetchall()

    return standing(
        now_us(), relations=await rows("relations"), blocks=await rows("blocks"), consents=await rows("consents"),
        openings=await rows("openings"), protected=(await rows("is_protected"))[0][0],
    )  # fmt: skip


async def groups_of(connection: Connection, patient: int) -> list[Any]:
    """Whose information of which kind there is about ``patient``, and how much."""
    values = {"patient": patient, "patient_type": PATIENT}
    return await (await connection.execute(statements("access")["groups"], values)).fetchall()


class JournalOpenings:
    """Openings in the journal's own table (``store.openings``)."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def open(
        self, session: Session, patient: int, what: What, target: str | None, reason: str, until_us: int, token: str
    ) -> uuid.UUID:
        opening = uuid.uuid4()
        values = {
            "opening": opening, "patient": patient, "person": session.person, "unit": session.assignment.unit,
            "provider": session.assignment.provider, "what": int(what), "target": target, "reason": reason,
            "session": session.id, "opened_us": now_us(), "until_us": until_us,
        }  # fmt: skip
        async with self._journal.pool.connection() as connection:
            await connection.execute(statements("access")["open"], values)
        return opening

    async def close(self, session: Session, patient: int, opening: uuid.UUID, token: str) -> bool:
        values = {"opening": opening, "patient": patient, "person": session.person, "now": now_us()}
        async with self._journal.pool.connection() as connection:
            row = await (await connection.execute(statements("access")["close"], values)).fetchone()
        return row is not None


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
