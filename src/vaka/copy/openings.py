"""What a person opens on a copy (A3, A4, A6, A9): kept in own.db, shown in record.db at once, brought to the journal later.

Invariant: what was opened is on disk before it is shown, shown before it is told, and of the record that the patient's goes on
in, as far as this copy knows (S23).
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from vaka.access.decision import What
from vaka.access.session import Session
from vaka.copy.accounts import Record
from vaka.copy.own import Own, now_us
from vaka.copy.statements import statements


class CopyOpenings:
    """``show``: has the writer of record.db show what own.db holds (``private.show``); returns when it does."""

    def __init__(self, own: Own, record: Record, show: Callable[[], Awaitable[None]]) -> None:
        self._own, self._record, self._show = own, record, show
        self._sql = statements("openings")

    def _rows(self, name: str, values: dict[str, Any]) -> list[Any]:
        return self._record().execute(self._sql[name], values).fetchall()

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
