"""What is asked of openings ($open, $close), be it at the journal or on a copy."""

from __future__ import annotations

import uuid
from typing import Protocol

from vaka.access.decision import What
from vaka.access.session import Session


class Openings(Protocol):
    """``patient``: the key of a Patient; ``token``: the signed session, which proves to the journal what a copy tells it."""

    async def open(
        self, session: Session, patient: int, what: What, target: str | None, reason: str, until_us: int, token: str
    ) -> uuid.UUID:
        """Keeps an opening; it is seen from the next request on."""

    async def close(self, session: Session, patient: int, opening: uuid.UUID, token: str) -> bool:
        """Ends an opening of one's own of this patient early; False if there is none to end."""
