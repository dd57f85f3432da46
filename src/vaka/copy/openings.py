"""What a person opens on a copy (A3, A4, A6, A9): kept in own.db, shown in record.db at once, brought to the journal later.

Invariant: what was opened is on disk before it is shown, shown before it is told, and of the record that the patient's goes on
in, as far as this copy knows (S23).
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from vaka.access.decision import Information, Opening, Placed, Standing, What, decision
from vaka.access.facts import Block, Consented
from vaka.access.filter import AccessFilter
from vaka.access.session import Session
from vaka.copy.accounts import Record
from vaka.copy.own import Own, now_us
from vaka.copy.statements import statements
from vaka.fhir.definitions import type_number
from vaka.store.openings import Group

_PATIENT = type_number("Patient")


class CopyOpenings:
    """``show``: has the writer of record.db show what own.db holds (``private.show``); returns when it does."""

    def __init__(self, own: Own, record: Record, show: Callable[[], Awaitable[None]]) -> None:
        self._own, self._record, self._show = own, record, show
        self._sql = statements("openings")

    def _rows(self, name: str, values: dict[str, Any]) -> list[Any]:
        return self._record().execute(self._sql[name], values).fetchall()

    async def groups(self, access: AccessFilter, session: Session, patient: int) -> tuple[Standing, Sequence[Group]]:
        standing = self._standing(session, patient)
        rows = self._rows("groups", {"patient": patient, "patient_type": _PATIENT})
        return standing, [
            Group(about, count, decision(session, access.settings, standing, about))
            for unit, provider, kind, identity, count in rows
            for about in (Information(unit, provider, kind, bool(identity)),)
        ]

    def _standing(self, session: Session, patient: int) -> Standing:
        of = {"patient": patient}
        blocks = [
            Placed(Block(unit or provider, kind, bool(inner), bool(outer), *rest), provider, unit, consent)
            for consent, provider, unit, kind, inner, outer, *rest in self._rows("blocks", of)
        ]
        opened = self._rows("opened", {**of, "person": session.person, "unit": session.assignment.unit})
        return Standing(
            now_us(),
            relations=self._rows("relations", of),
            blocks=blocks,
            consents=[Consented(*row) for row in self._rows("consents", of)],
            openings=[Opening(What(what), target, low, high) for what, target, low, high in opened],
            protected=bool(self._rows("is_protected", of)[0][0]),
        )

    async def open(
        self, session: Session, patient: int, what: What, target: str | None, reason: str, until_us: int, token: str
    ) -> uuid.UUID:
        opening = uuid.uuid4()
        values = {
            "opening": str(opening), "patient": self._rows("record_of", {"patient": patient})[0][0],
            "person": session.person, "unit": session.assignment.unit, "provider": session.assignment.provider,
            "what": int(what), "target": target, "session": session.id, "opened_us": now_us(), "until_us": until_us,
        }  # fmt: skip
        await asyncio.to_thread(self._own.open, values, reason, token)
        await self._show()
        return opening

    async def close(self, session: Session, patient: int, opening: uuid.UUID, token: str) -> bool:
        values = {
            "opening": str(opening), "patient": self._rows("record_of", {"patient": patient})[0][0],
            "person": session.person, "now": now_us(),
        }  # fmt: skip
        if not self._rows("mine", values):
            return False
        await asyncio.to_thread(self._own.close, str(opening), token)
        await self._show()
        return True
