"""A stored version, and the text forms of its number and times (https://hl7.org/fhir/R4/http.html#versioning)."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from functools import lru_cache
from typing import Final

from vaka.access.trail import Touched

ANY_VERSION: Final = (0, 0)
"""``If-Match: *``: whatever is current, but something (RFC 9110 13.1.1)."""

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_VERSION_ID = re.compile(r"([1-9][0-9]{0,8})(?:-e([1-9][0-9]{0,8}))?")


class Action(IntEnum):
    CREATE = 1
    UPDATE = 2
    DELETE = 3
    REDACT = 4


def version_id(version: int, epoch: int) -> str:
    """``"3"``; after a restore or failover that could have lost versions ``"4-e2"``: never an id that was used before."""
    return str(version) if epoch == 1 else f"{version}-e{epoch}"


def parse_version_id(text: str) -> tuple[int, int] | None:
    """(version, epoch), or None for an id that this journal cannot have given."""
    match = _VERSION_ID.fullmatch(text)
    return (int(match[1]), int(match[2] or 1)) if match else None


def instant(updated_us: int) -> str:
    """A FHIR instant in UTC to the millisecond."""
    return (
        datetime.fromtimestamp(updated_us // 1_000 / 1_000, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )


def http_date(updated_us: int) -> str:
    """RFC 9110, 5.6.7."""
    return _http_date(updated_us // 1_000_000)


@lru_cache(maxsize=4_096)
def _http_date(second: int) -> str:
    at = time.gmtime(second)
    clock = f"{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02}"
    return f"{_DAYS[at.tm_wday]}, {at.tm_mday:02} {_MONTHS[at.tm_mon - 1]} {at.tm_year:04} {clock} GMT"


@dataclass(slots=True, unsafe_hash=True)  # never changed; frozen, each row of an answer would cost four times as much
class Version:
    """One version of a resource. ``body``: its bytes as accepted; None if deleted or redacted. ``seq``: its place in the
    journal; ``updated_us``: microseconds since 1970 UTC; ``patient``: key of the home patient; ``owner``: its owner's row;
    ``protected``: a Patient whose identity is protected now; ``rule``: which rule permitted it to whom it is given
    (``access.rules.PERMITS``), 0: not told; ``pending``: the version id of what the journal does not have yet; ``superseded``:
    there is a newer one that could not be interpreted here (S4)."""

    type: str
    id: str
    version: int
    epoch: int
    updated_us: int
    action: Action
    redacted: bool
    body: bytes | None
    seq: int
    rkey: int
    patient: int | None = None
    owner: int = 0
    protected: bool = False
    rule: int = field(default=0, compare=False)
    pending: str = ""
    superseded: bool = field(default=False, compare=False)

    @property
    def touched(self) -> Touched:
        """What the access log says of it."""
        return Touched(self.type, self.rkey, self.seq, self.patient, self.owner)

    @property
    def version_id(self) -> str:
        return self.pending or version_id(self.version, self.epoch)

    @property
    def etag(self) -> str:
        return f'W/"{self.version_id}"'

    @property
    def deleted(self) -> bool:
        return self.action in (Action.DELETE, Action.REDACT)
