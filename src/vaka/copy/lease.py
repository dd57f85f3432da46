"""The lease of a copy's key: a copy that nobody lets hear the journal any more goes dark (traps: Trust).

Invariants
- Every hearing of the journal's private feed begins the lease anew; a copy that was shut out hears it no more.
- The time is the highest that was seen: a clock that was set back does not lengthen a lease. One that ran ahead is over with the
  next hearing.
- What has ended is not read from; nothing is removed, and what was taken into the reserve is kept for its journal.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final

import orjson

from vaka import config
from vaka.copy.board import boottime_ns
from vaka.copy.files import replace

_DAY_US: Final = 86_400 * 1_000_000
_KEPT_EVERY_US: Final = 600 * 1_000_000


@dataclass(slots=True)
class Lease:
    """The lease in ``path``, sealed with the ``key`` that it is of. A new copy begins one (``begins``); else one that is missing
    has ended, and so has one that is not ours."""

    path: Path
    key: bytes
    begins: bool = False
    until_us: int = 0
    _seen_us: int = 0
    _seen_ns: int = 0
    _kept_us: int = 0

    def __post_init__(self) -> None:
        self._seen_ns = boottime_ns()
        try:
            told = orjson.loads(self.path.read_bytes())
            if told["seal"] == self._seal(told["until_us"], told["seen_us"]):
                self.until_us, self._seen_us = told["until_us"], told["seen_us"]
        except FileNotFoundError:
            if self.begins:
                self.renew(_wall_us())
        except (orjson.JSONDecodeError, KeyError, TypeError):
            pass
        self._kept_us = self._seen_us

    @property
    def now_us(self) -> int:
        """The highest time that is known here."""
        return max(_wall_us(), self._seen_us + (boottime_ns() - self._seen_ns) // 1_000)

    @property
    def holds(self) -> bool:
        return self.now_us < self.until_us

    def renew(self, journal_us: int) -> None:
        """The journal was heard, at this moment of its clock."""
        held = self.holds
        self._see(journal_us)
        until = journal_us + int(config.COPY_LEASE_DAYS * _DAY_US)
        if not held or until - self.until_us >= _KEPT_EVERY_US:
            self.until_us = until
            self._keep()

    def pass_time(self) -> None:
        """Keeps how late it has become, now and then."""
        if (now := self.now_us) - self._kept_us >= _KEPT_EVERY_US:
            self._see(now)
            self._keep()

    def _see(self, at_us: int) -> None:
        self._seen_us, self._seen_ns = at_us, boottime_ns()

    def _keep(self) -> None:
        self._kept_us = self._seen_us
        told = {
            "until_us": self.until_us, "seen_us": self._seen_us, "seal": self._seal(self.until_us, self._seen_us)
        }  # fmt: skip
        replace(self.path, orjson.dumps(told))

    def _seal(self, until_us: int, seen_us: int) -> str:
        return blake2b(f"lease {until_us} {seen_us}".encode(), key=self.key, digest_size=16).hexdigest()


def _wall_us() -> int:
    return time.time_ns() // 1_000
