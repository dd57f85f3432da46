"""An alarm in the log while what a copy shows is old (S2): the follower cannot give it, since it may itself be what stands still.

Invariants: it is given once the data are ``OLD_S`` old, again whenever their age has doubled, and its end is told; ages are
of a clock that never jumps.
"""

from __future__ import annotations

import asyncio
import time
from math import isfinite
from typing import Final

from vaka import log
from vaka.api.door.standing import Standing
from vaka.store.version import instant

OLD_S: Final = 60.0
_LOOK_S: Final = 5.0


class Alarm:
    """Of one process."""

    def __init__(self, standing: Standing) -> None:
        self._standing = standing
        self._began = time.monotonic()
        self._told_s = 0.0

    async def follow(self) -> None:
        """Until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(_LOOK_S)

    def look(self) -> None:
        standing = self._standing
        age_s = (
            standing.age_s if isfinite(standing.age_s) else time.monotonic() - self._began
        )  # not known since this boot
        if age_s < OLD_S:
            if self._told_s:
                log.info("what this copy shows is fresh again", age_s=round(age_s, 1))
            self._told_s = 0.0
        elif age_s >= 2 * self._told_s:
            self._told_s = age_s
            log.warning(
                "what this copy shows is old", age_s=round(age_s), known=isfinite(standing.age_s),
                as_of=instant(standing.as_of_us), journal="heard" if standing.heard else "not heard", frozen=standing.frozen,
            )  # fmt: skip
