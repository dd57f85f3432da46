"""What the journal knows of a patient that decides what a person sees (``store.known``)."""

from __future__ import annotations

from collections.abc import Sequence

from vaka.access.decision import Standing
from vaka.access.session import Session
from vaka.access.settings import Settings
from vaka.fhir.keys import resource_key
from vaka.journal.openings import groups_of, standing_of
from vaka.journal.pool import Pool
from vaka.journal.statements import statements
from vaka.store.known import Group, Stands, grouped, stands


class Known:
    """A part of ``Journal``. ``reading``: connections to read on."""

    reading: Pool

    async def stands(self, type_: str, id_: str) -> Stands | None:
        """Whose it is that stands there, living: for the log of a refusal, which is no answer."""
        values = {"rkey": resource_key(type_, id_)}
        async with self.reading.connection() as connection:
            row = await (await connection.execute(statements("access")["stands"], values)).fetchone()
        return stands(type_, row) if row is not None and row[4] == id_ else None

    async def standing(self, session: Session, patient: int) -> Standing:
        """What is known of a patient (by key) that decides what ``session`` sees."""
        async with self.reading.connection() as connection:
            return await standing_of(connection, session, patient)

    async def groups(self, session: Session, settings: Settings, patient: int) -> tuple[Standing, Sequence[Group]]:
        """The same, and whose information of which kind there is. Not to be shown as it is (S21)."""
        async with self.reading.connection() as connection:
            known, rows = await standing_of(connection, session, patient), await groups_of(connection, patient)
        return known, grouped(session, settings, known, rows)
