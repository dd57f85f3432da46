"""The highest time that was ever seen here: a clock that is set back lengthens nothing.

Invariant: it never goes back by itself; what has passed since counts, asleep too; only whoever knows the
time better (``begin``, ``correct``) ends what a clock that runs ahead has seen.
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
        self.base_us, self._began_ns, self._ahead_us = at_us, boottime_ns(), 0

    def correct(self, at_us: int) -> None:
        """It is ``at_us`` now, and the wall clock is ahead by what it shows more: until another start that is not counted."""
        self.begin(at_us)
        self._ahead_us = max(wall_us() - at_us, 0)

    def see(self) -> int:
        """The highest time that is known here, seen from now on whatever the wall clock is set to."""
        self.base_us, self._began_ns = self.now_us, boottime_ns()
        return self.base_us

    @property
    def passed_us(self) -> int:
        """The time by what was seen and what has passed since; the wall clock is not asked."""
        return self.base_us + (boottime_ns() - self._began_ns) // 1_000

    @property
    def now_us(self) -> int:
        """The highest time that is known here."""
        return max(wall_us() - self._ahead_us, self.passed_us)
