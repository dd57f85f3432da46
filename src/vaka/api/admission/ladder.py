"""How much is shown while too many ask: all, the sheet, the critical card. Pure.

Less is shown as soon as it has been needed for half a second, one step at a time, and more again only when it has not been for
five: an answer that changes its size each second would be worse than a small one.
"""

from __future__ import annotations

from enum import IntEnum

from vaka import config


class Step(IntEnum):
    """FULL: all. SHEET: what a clinician needs first; what stands beside it (whole histories, searches in texts) goes last, as
    class 4. CARD: of a sheet identity, allergies, alerts, medication with the last doses alone (``copy.sheet.sections.CARD``)."""

    FULL = 0
    SHEET = 1
    CARD = 2


class Ladder:
    """``step``: the present one."""

    def __init__(self) -> None:
        self.step = Step.FULL
        self._worse_since: float | None = None
        self._better_since: float | None = None

    def look(self, now: float, *, reads_refused: bool, urgent_late: bool) -> Step:
        """The step after one look. ``reads_refused``: people's reads were shed since the last look; ``urgent_late``: urgent care
        had to wait longer than ``config.ADMISSION_INTERVAL_S``."""
        needed = Step.CARD if urgent_late else Step.SHEET if reads_refused else Step.FULL
        if needed > self.step:
            self._worse_since = now if self._worse_since is None else self._worse_since
            if now - self._worse_since >= config.ADMISSION_STEP_DOWN_S:
                self.step, self._worse_since = Step(self.step + 1), None
        else:
            self._worse_since = None
        if needed < self.step:
            self._better_since = now if self._better_since is None else self._better_since
            if now - self._better_since >= config.ADMISSION_STEP_UP_S:
                self.step, self._better_since = Step(self.step - 1), None
        else:
            self._better_since = None
        return self.step
