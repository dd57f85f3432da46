"""Slows down who fails again and again, and nobody else: by source address and by the name that is tried from it.

Invariants: a delay is bounded, and so is how many wait at once; another name from the same address (a hospital's programs share
one) and the same name from another are not slowed, so that nobody can lock another out; nothing is remembered for longer than
it counts.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

from vaka.errors import Busy

FREE_FAILURES: Final = 5
DELAY_FIRST_S: Final = 0.25
DELAY_MAX_S: Final = 4.0
REMEMBERED_S: Final = 900.0
WAITING_MAX: Final = 100
SOURCES_MAX: Final = 10_000


class Slowing:
    """Counts failures by source and name."""

    def __init__(self) -> None:
        self._failures: dict[tuple[str, str], tuple[int, float]] = {}
        self._waiting = 0

    def delay_s(self, source: str, name: str) -> float:
        """How long this one has to wait now."""
        over = self._count(source, name) - FREE_FAILURES
        return 0.0 if over < 0 else min(DELAY_FIRST_S * 2.0**over, DELAY_MAX_S)

    async def wait(self, source: str, name: str) -> None:
        """Waits as long as the last failures say. Busy where too many wait already."""
        delay_s = self.delay_s(source, name)
        if delay_s == 0.0:
            return
        if self._waiting >= WAITING_MAX:
            raise Busy("too many failed attempts", retry_after_s=int(DELAY_MAX_S))
        self._waiting += 1
        try:
            await asyncio.sleep(delay_s)
        finally:
            self._waiting -= 1

    def failed(self, source: str, name: str) -> None:
        now = time.monotonic()
        if len(self._failures) >= SOURCES_MAX:
            self._failures = {of: held for of, held in self._failures.items() if now - held[1] < REMEMBERED_S}
            if len(self._failures) >= SOURCES_MAX:
                self._failures.clear()
        self._failures[source, name] = (min(self._count(source, name) + 1, 1_000), now)

    def succeeded(self, source: str, name: str) -> None:
        self._failures.pop((source, name), None)

    def _count(self, source: str, name: str) -> int:
        count, at = self._failures.get((source, name), (0, 0.0))
        return count if time.monotonic() - at < REMEMBERED_S else 0
