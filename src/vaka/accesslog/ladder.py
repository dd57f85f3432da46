"""Where a copy's log goes while its own file cannot be written: the journal, else a neighbour's word (traps: Log).

Invariants: a run that the journal may have is told again to a neighbour as the same bytes, and is in the tables once; a
neighbour's word counts for what is owed now, and never for what the copy's files still hold.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from vaka import config, log
from vaka.accesslog.runs import Run
from vaka.accesslog.store import LogStore


@dataclass(slots=True)
class Ladder:
    """``heard``: whether the journal is; where it is not, it is not waited for. A journal that was heard a moment ago and does
    not answer now (frozen) is waited for once, not by everybody in turn."""

    journal: LogStore
    neighbour: LogStore
    heard: Callable[[], bool]
    _journal_again_at: float = 0.0

    async def put_run(self, run: Run) -> int:
        """How many blocks were new there. Any error: nobody has said that it is durable."""
        heard = self.heard()
        if heard and time.monotonic() >= self._journal_again_at:
            try:
                async with asyncio.timeout(config.LOG_JOURNAL_FIRST_S):
                    return await self.journal.put_run(run)
            except Exception as error:  # whatever it is, the next step answers it
                self._journal_again_at = time.monotonic() + config.LOG_JOURNAL_AGAIN_S
                log.warning("access log not taken by the journal", kind=type(error).__name__)
                heard = False
        try:
            return await self.neighbour.put_run(run)
        except Exception:
            if not heard:
                raise
        return await self.journal.put_run(run)
