"""The lease of a copy's key: a copy that nobody lets hear the journal any more goes dark (traps: Trust).

Invariants
- Every hearing of the journal's private feed begins the lease anew; a copy that was shut out hears it no more.
- The time is the highest that was seen: a clock that was set back does not lengthen a lease. One that ran ahead is over with the
  next hearing, and one that still does is read from then on less what it is ahead.
- What has ended is not read from; nothing is removed, and what was taken into the reserve is kept for its journal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Final

import orjson

from vaka import config
from vaka.copy.clock import Highest, wall_us
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
    _clock: Highest = field(default_factory=Highest)
    _kept_us: int = 0

    def __post_init__(self) -> None:
        try:
            told = orjson.loads(self.path.read_bytes())
            if told["seal"] == self._seal(told["until_us"], told["seen_us"]):
                self.until_us = told["until_us"]
                self._clock.begin(told["seen_us"])
        except FileNotFoundError:
            if self.begins:
                self.renew(wall_us())
        except (orjson.JSONDecodeError, KeyError, TypeError):
            pass
        self._kept_us = self._clock.base_us

    @property
    def holds(self) -> bool:
        return self._clock.now_us < self.until_us

    def renew(self, journal_us: int) -> None:
        """The journal was heard, at this moment of its clock."""
        held = self.holds
        self._clock.correct(journal_us)
        until = journal_us + int(config.COPY_LEASE_DAYS * _DAY_US)
        if not held or abs(until - self.until_us) >= _KEPT_EVERY_US:
            self.until_us = until
            self._keep()

    def pass_time(self) -> None:
        """Keeps how late it has become, now and then."""
        if self._clock.now_us - self._kept_us >= _KEPT_EVERY_US:
            self._keep()

    def _keep(self) -> None:
        self._kept_us = seen_us = self._clock.see()
        told = {"until_us": self.until_us, "seen_us": seen_us, "seal": self._seal(self.until_us, seen_us)}
        replace(self.path, orjson.dumps(told))

    def _seal(self, until_us: int, seen_us: int) -> str:
        return blake2b(f"lease {until_us} {seen_us}".encode(), key=self.key, digest_size=16).hexdigest()
