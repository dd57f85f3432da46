"""How this copy stands, as far as the door must know it. The board of the copy tells it (``copy.board``).

Invariant: ages are of a monotonic clock (traps: Age of data)."""

from __future__ import annotations

from typing import Protocol

from vaka.store.cursor import Cursor


class Standing(Protocol):
    """What the follower has done, and has heard."""

    @property
    def readable(self) -> bool:
        """Whether there is a record here to read from."""

    @property
    def seed(self) -> int:
        """Which file is read from."""

    @property
    def applied(self) -> Cursor:
        """The newest version that is shown here."""

    def reached(self, place: Cursor) -> bool:
        """Whether what was written there shows here."""

    @property
    def as_of_us(self) -> int:
        """The journal's time of what is shown here."""

    @property
    def age_s(self) -> float:
        """How old what is shown here is: seconds since a moment of the journal of which all that precedes it is here."""

    @property
    def offset_ms(self) -> int | None:
        """How far this machine's clock is ahead of the journal's (S6); None where that is not known."""

    @property
    def heard(self) -> bool:
        """Whether the journal answers the follower."""

    @property
    def peers_away(self) -> bool:
        """Whether a copy that takes entries is out of reach (S10)."""

    @property
    def frozen(self) -> bool:
        """Whether a person has said that nothing is to be applied (S31)."""

    @property
    def disk_full(self) -> bool:
        """Whether what comes could not be applied for want of room."""

    @property
    def reserving(self) -> bool:
        """Whether writes go to the reserve without asking the journal: it is away for longer, or a person has said so."""

    @property
    def refused(self) -> int:
        """How many reserve entries the journal has refused, and nobody has settled."""
