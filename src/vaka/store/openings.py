"""What is asked of openings ($open, $close, $access), be it at the journal or on a copy."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from vaka.access.decision import Information, Standing, What
from vaka.access.filter import AccessFilter
from vaka.access.rules import Rule
from vaka.access.session import Session


@dataclass(frozen=True, slots=True)
class Group:
    """All information of one owner and kind about a patient: how much there is, and the rule that decides."""

    about: Information
    count: int
    rule: Rule


class Openings(Protocol):
    """``patient``: the key of a Patient; ``token``: the signed session, which proves to the journal what a copy tells it."""

    async def groups(self, access: AccessFilter, session: Session, patient: int) -> tuple[Standing, Sequence[Group]]:
        """What is known, and whose information of which kind there is, each with its decision. Not to be shown as it is: what a
        rule leaves unnamed must not be named (S21)."""

    async def open(
        self, session: Session, patient: int, what: What, target: str | None, reason: str, until_us: int, token: str
    ) -> uuid.UUID:
        """Keeps an opening; it is seen from the next request on."""

    async def close(self, session: Session, patient: int, opening: uuid.UUID, token: str) -> bool:
        """Ends an opening of one's own of this patient early; False if there is none to end."""
