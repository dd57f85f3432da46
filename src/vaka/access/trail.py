"""What one request touched, for the access log (L1): gathered at the record's one door, so that nothing can be read unseen.

The door (``journal``) adds each version that it gives out or writes; the API says what the person did. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class Touched(NamedTuple):
    """One version that was given out or written. ``rkey``, ``patient``: 64-bit keys of ``Type/id`` (``fhir.keys``);
    ``owner``: its row of the table ``owner``, which names unit, provider and kind of information."""

    type: str
    rkey: int
    seq: int
    patient: int | None
    owner: int


@dataclass(slots=True)
class Trail:
    """``activity``: what was done (``sign``, ``emergency`` …; empty: what the request's method and address say); ``reason``: a
    person's words, where a rule asks for them; ``rule``: the rule that decided, where one refused or opened."""

    activity: str = ""
    reason: str = ""
    rule: str = ""
    patient: int | None = None
    touched: list[Touched] = field(default_factory=list)
    rules: int = 0
    """The rules that permitted what was given out (``rules.PERMITS``), where the store has told them."""
    wrote: tuple[int, int, int] | None = None
    """(epoch, xid, seq): the place in the feed of the last version that was written."""

    def wrote_at(self, epoch: int, xid: int, seq: int) -> None:
        """A version was written there."""
        self.wrote = max(self.wrote or (0, 0, 0), (epoch, xid, seq))

    def add(self, other: Trail) -> None:
        """What a part of the request did and touched."""
        self.activity, self.reason = other.activity or self.activity, other.reason or self.reason
        self.rule = other.rule or self.rule
        self.rules |= other.rules
        self.patient = self.patient if other.patient is None else other.patient
        self.touched += other.touched
        if other.wrote is not None:
            self.wrote_at(*other.wrote)
