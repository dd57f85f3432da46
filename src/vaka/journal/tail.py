"""The newest end of the feed, in memory for all readers of this process, and the horizon as it moves.

Invariants
- One connection for as long as the tail lives: when the database crashes or fails over, or an epoch begins (which ends
  every session), the tail ends with it, and with the tail every answer that relies on its horizons.
- The lines held are all between ``_from`` and the newest horizon, within a bounded size; nothing of a body that was
  redacted stays in memory.
- NOTIFY is not used: a poll every few milliseconds costs the writers nothing (traps: Feed).
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from itertools import accumulate

from vaka import config, log
from vaka.errors import Busy
from vaka.journal.feed_rows import FeedRows, Horizon, Line
from vaka.journal.pool import Connection, Pool
from vaka.store.cursor import Place

_IDLE_S = 5.0
_REDACTED = b'"action":"redact"'


class Tail:
    """Begins at the horizon of its making. ``wanted``: whether anybody reads; it ends some time after nobody does."""

    def __init__(self, pool: Pool, rows: FeedRows, wanted: Callable[[], bool]) -> None:
        self._pool = pool
        self._rows = rows
        self._wanted = wanted
        self._places: list[Place] = []
        self._lines: list[bytes] = []
        self._size_bytes = 0
        self._from: Place | None = None
        self._horizon: Horizon | None = None
        self._moved: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run())

    @property
    def ended(self) -> bool:
        return self._task.done()

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    async def reaching(self, xid: int, timeout_s: float) -> Horizon | None:
        """The newest horizon as soon as it is at ``xid`` or past it; None if not in time, or if the tail has ended."""
        deadline = time.monotonic() + timeout_s
        while not self.ended:
            if self._horizon is not None and self._horizon.xid >= xid:
                return self._horizon
            if (left := deadline - time.monotonic()) <= 0:
                break
            await asyncio.wait([self._moved, self._task], timeout=left, return_when=asyncio.FIRST_COMPLETED)
        return None

    def heard_within(self, limit_s: float) -> Horizon | None:
        """The newest horizon if the database gave it within the last ``limit_s`` seconds."""
        known = self._horizon
        return known if known is not None and not self.ended and time.monotonic() - known.heard <= limit_s else None

    def holds(self, place: Place) -> bool:
        """Whether everything after ``place`` is in memory."""
        return self._from is not None and place >= self._from

    def page(self, after: Place, horizon_xid: int) -> tuple[bytes, Place] | None:
        """The next lines after ``after`` below the horizon, and the place of the last; None: there are none."""
        first = bisect_right(self._places, after)
        last = min(bisect_left(self._places, (horizon_xid, 0, 0)), first + config.FEED_BATCH_ROWS)
        if first >= last:
            return None
        sizes = list(accumulate(map(len, self._lines[first:last])))
        last = first + min(bisect_left(sizes, config.FEED_BATCH_BYTES) + 1, len(sizes))
        return b"".join(self._lines[first:last]), self._places[last - 1]

    async def _run(self) -> None:
        try:
            async with self._pool.connection() as connection:
                await self._follow(connection)
        except Busy as error:
            log.warning("feed tail ended", reason=error.message)
        except Exception as error:
            log.error("feed tail ended", exception=error)

    async def _follow(self, connection: Connection) -> None:
        horizon = await self._rows.horizon(connection)
        at = (horizon.xid, 0, 0)
        self._from = at
        wanted_at = warned_at = time.monotonic()
        while self._wanted() or time.monotonic() - wanted_at < _IDLE_S:
            if self._wanted():
                wanted_at = time.monotonic()
            while at[0] < horizon.xid and (lines := await self._rows.page(connection, at, horizon.xid)):
                self._keep(lines)
                at = lines[-1][0]
            at = (horizon.xid, 0, 0)
            if horizon.age_s > config.HORIZON_AGE_WARN_S and horizon.heard - warned_at >= config.FEED_HORIZON_TOLD_S:
                warned_at = horizon.heard
                log.warning("feed horizon held", age_s=round(horizon.age_s, 1), horizon=horizon.xid)
            self._announce(horizon)
            await asyncio.sleep(config.FEED_POLL_MS / 1_000)
            horizon = await self._rows.horizon(connection)

    def _keep(self, lines: list[Line]) -> None:
        if any(_REDACTED in line[:400] for _, line in lines):
            self._drop(len(self._lines))
            self._from = lines[-1][0]
            return
        self._places.extend(place for place, _ in lines)
        self._lines.extend(line for _, line in lines)
        self._size_bytes += sum(len(line) for _, line in lines)
        while self._size_bytes > config.FEED_TAIL_BYTES or len(self._lines) > config.FEED_TAIL_LINES:
            self._drop(len(self._lines) // 2 + 1)

    def _drop(self, count: int) -> None:
        """Forgets the oldest ``count`` lines: who needs them asks the database."""
        if count:
            self._from = self._places[count - 1]
            self._size_bytes -= sum(map(len, self._lines[:count]))
            del self._places[:count], self._lines[:count]

    def _announce(self, horizon: Horizon) -> None:
        moved = self._horizon is None or self._horizon.xid != horizon.xid
        self._horizon = horizon
        if moved:
            self._moved.set_result(None)
            self._moved = asyncio.get_running_loop().create_future()
