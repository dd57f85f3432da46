"""A place in the change feed, as journal and copies write it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from vaka.errors import Invalid

# (xid, seq, epoch): by its first two a place in the feed; the third belongs to the row.
Place: TypeAlias = tuple[int, int, int]

_CURSOR = re.compile(r"([1-9]\d{0,8})\.(\d{1,20})\.(\d{1,19})", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """The version at a place in the feed; 0.0 after the epoch: before the first. Written ``EPOCH.XID.SEQ``."""

    epoch: int
    xid: int
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}.{self.xid}.{self.seq}"

    @property
    def place(self) -> Place:
        return self.xid, self.seq, self.epoch

    @classmethod
    def parse(cls, text: str) -> Cursor:
        match = _CURSOR.fullmatch(text)
        if match is None or int(match[2]) >= 2**63 or int(match[3]) >= 2**63 or (match[2] != "0") != (match[3] != "0"):
            raise Invalid(
                "not a feed cursor", path="after", help="give the cursor of the last line read, or none to begin"
            )
        return cls(int(match[1]), int(match[2]), int(match[3]))
