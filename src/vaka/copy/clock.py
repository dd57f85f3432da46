"""The highest time that was ever seen here: a clock that is set back lengthens nothing.

Invariant: it never goes back by itself; what has passed since counts, asleep too; only whoever knows the
time better (``begin``) ends what a clock that ran ahead has seen.
"""

from __future__ import annotations

import time

from vaka.copy.board import boottime_ns


def wall_us() -> int:
    return time.time_ns() // 1_000


class Highest:
    """Of what was seen before (``seen_us``) and of what passes from now on. Microseconds since 1970 UTC."""

    def __init__(self, seen_us: int = 0) -> None:
        self.begin(seen_us)

    def begin(self, at_us: int) -> None:
        """It is ``at_us`` now, whatever was seen before."""
        self.base_us, self._began_ns = at_us, boottime_ns()

    @property
    def passed_us(self) -> int:
        """The time by what was seen and what has passed since; the wall clock is not asked."""
        return self.base_us + (boottime_ns() - self._began_ns) // 1_000

    @property
    def now_us(self) -> int:
        """The highest time that is known here."""
        return max(wall_us(), self.passed_us)
