"""The change feed: every version in an order that is safe for cursors, and the horizon below which nothing can come.

Invariants (traps: Feed)
- Rows are served by (xid, seq), and only those whose transaction is older than every one still open: a cursor never
  skips a row that commits late. This is not commit order: a reader makes a version current only if its number is higher.
- Reading needs no slot and no lock, and takes one bounded page at a time, however far behind the reader is.
- A cursor is (epoch, xid, seq). After an epoch change the reader must show that this journal holds its cursor's row.
"""

from __future__ import annotations

import asyncio
import re
import time
from bisect import bisect_left, bisect_right
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from vaka import config
from vaka.access.filter import AccessFilter
from vaka.errors import Busy, Conflict, Forbidden, Invalid
from vaka.fhir.definitions import type_name
from vaka.journal.codec import Codec
from vaka.journal.pool import Pool
from vaka.journal.statements import statements
from vaka.journal.version import Action, instant, version_id

_CURSOR = re.compile(r"([1-9]\d{0,8})\.(\d{1,20})\.(\d{1,19})")
_RING_MAX_BYTES = 16 * 1024 * 1024
_RING_MAX_LINES = 20_000


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """A place in the feed. Written ``EPOCH.XID.SEQ``."""

    epoch: int
    xid: int
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}.{self.xid}.{self.seq}"

    @classmethod
    def parse(cls, text: str) -> Cursor:
        match = _CURSOR.fullmatch(text)
        if match is None or int(match[2]) >= 2**63 or int(match[3]) >= 2**63:
            raise Invalid(
                "not a feed cursor", path="after", help="give the cursor of the last line read, or none to begin"
            )
        return cls(int(match[1]), int(match[2]), int(match[3]))


@dataclass(frozen=True, slots=True)
class Horizon:
    """No version with an xid below ``xid`` can appear any more. ``age_s``: how long the oldest open write has run."""

    epoch: int
    xid: int
    age_s: float
    at: datetime

    def line(self, cursor: Cursor) -> bytes:
        """The mark after which the reader holds everything below the horizon; ``cursor``: where to go on from."""
        return orjson.dumps(
            {
                "horizon": str(self.xid),
                "epoch": self.epoch,
                "cursor": str(cursor),
                "at": self.at,
                "ageSeconds": round(self.age_s, 3),
            },
            option=orjson.OPT_APPEND_NEWLINE,
        )


class Feed:
    """One tailer for all readers of this process: it polls while somebody reads, and fans out from memory."""

    def __init__(self, pool: Pool, codec: Codec) -> None:
        self._pool = pool
        self._codec = codec
        self._readers = 0
        self._tailer: asyncio.Task[None] | None = None
        self._places: list[tuple[int, int]] = []
        self._lines: list[bytes] = []
        self._ring_bytes = 0
        self._ring_from: tuple[int, int] | None = None
        self._horizon: Horizon | None = None
        self._moved = asyncio.Condition()

    async def close(self) -> None:
        if self._tailer is not None:
            self._tailer.cancel()
            await asyncio.gather(self._tailer, return_exceptions=True)
            self._tailer = None

    async def start(self, after: Cursor | None, row_hash: bytes | None, *, access: AccessFilter) -> Cursor:
        """Where a reader begins. Conflict if this journal's history is not the one that ``after`` was given in."""
        if "feed" not in access.scopes:
            raise Forbidden(f"{access.principal} has no right to read the feed")
        if self._readers >= config.FEED_READERS_MAX:
            raise Busy("too many feed readers", retry_after_s=5)
        horizon = await self.horizon()
        if after is None:
            return Cursor(horizon.epoch, 0, 0)
        if after.epoch > horizon.epoch:
            raise Conflict(
                f"the cursor is of epoch {after.epoch}, this journal is in epoch {horizon.epoch}",
                help="this journal was restored to before your cursor: keep what you have and give back what it lost",
            )
        if (after.epoch < horizon.epoch or row_hash is not None) and after.seq:
            async with self._pool.connection() as connection:
                values = {"xid": str(after.xid), "seq": after.seq, "epoch": after.epoch}
                row = await (await connection.execute(statements("feed")["holds"], values)).fetchone()
            if row is None or (row_hash is not None and bytes(row[0]) != row_hash):
                raise Conflict(
                    f"this journal does not hold the row at cursor {after}",
                    help=f"it is in epoch {horizon.epoch}, and lost that row: keep what you have and give back what it lost",
                )
        return Cursor(horizon.epoch, after.xid, after.seq)

    async def horizon(self) -> Horizon:
        async with self._pool.connection() as connection:
            row = await (await connection.execute(statements("feed")["horizon"])).fetchone()
        assert row is not None
        return Horizon(row[2], int(row[0]), row[1], row[3].astimezone(UTC))

    async def lines(self, start: Cursor, wait_s: float) -> AsyncIterator[bytes]:
        """Chunks of whole lines after ``start``: versions, a horizon mark whenever all below it was given, heartbeats while
        waiting. Ends ``wait_s`` seconds after it has caught up, with a horizon mark."""
        self._readers += 1
        try:
            if self._tailer is None or self._tailer.done():
                self._tailer = asyncio.create_task(self._tail())
            at = (start.xid, start.seq)
            cursor = start
            deadline: float | None = None
            marked: int | None = None
            while True:
                horizon = await self._fresh_horizon()
                chunk, at, caught_up = await self._next(at, horizon)
                if chunk:
                    cursor = Cursor(horizon.epoch, *at)
                    yield chunk
                if not caught_up:
                    continue
                at = max(at, (horizon.xid, 0))
                if marked != horizon.xid or chunk:
                    marked = horizon.xid
                    yield horizon.line(cursor)
                deadline = deadline or time.monotonic() + wait_s
                if (left := deadline - time.monotonic()) <= 0:
                    return
                if not await self._wait(horizon, min(left, config.FEED_HEARTBEAT_S)):
                    latest = self._horizon or horizon
                    yield orjson.dumps(
                        {
                            "heartbeat": datetime.now(UTC),
                            "epoch": latest.epoch,
                            "cursor": str(cursor),
                            "ageSeconds": round(latest.age_s, 3),
                        },
                        option=orjson.OPT_APPEND_NEWLINE,
                    )
        finally:
            self._readers -= 1

    async def _fresh_horizon(self) -> Horizon:
        while self._horizon is None:
            await self._wait(None, config.FEED_HEARTBEAT_S)
            if self._tailer is not None and self._tailer.done():
                self._tailer.result()
        return self._horizon

    async def _wait(self, seen: Horizon | None, timeout_s: float) -> bool:
        """True as soon as the horizon has moved past ``seen``."""
        async with self._moved:
            try:
                await asyncio.wait_for(
                    self._moved.wait_for(
                        lambda: self._horizon is not None and (seen is None or self._horizon.xid != seen.xid)
                    ),
                    timeout_s,
                )
            except TimeoutError:
                return False
            return True

    async def _next(self, at: tuple[int, int], horizon: Horizon) -> tuple[bytes, tuple[int, int], bool]:
        """The next lines after ``at`` below ``horizon``: (lines, new place, whether none are left)."""
        if self._ring_from is not None and at >= self._ring_from:
            first = bisect_right(self._places, at)
            last = min(bisect_left(self._places, (horizon.xid, 0)), first + config.FEED_BATCH_ROWS)
            if first >= last:
                return b"", at, True
            return b"".join(self._lines[first:last]), self._places[last - 1], False
        rows = await self._rows(at, horizon.xid)
        if not rows:
            return b"", at, True
        return b"".join(line for _, line in rows), rows[-1][0], False

    async def _rows(self, at: tuple[int, int], horizon_xid: int) -> list[tuple[tuple[int, int], bytes]]:
        values = {"xid": str(at[0]), "seq": at[1], "horizon": str(horizon_xid), "limit": config.FEED_BATCH_ROWS}
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(statements("feed")["feed_page"], values)).fetchall()
        return [((int(row[0]), row[1]), self._line(row)) for row in rows]

    def _line(self, row: Any) -> bytes:
        xid, seq, epoch, type_, id_, version, updated_us, action, redacted, dictionary, digest, body = row[:12]
        unit, provider, kind, author, source, patient = row[12:]
        line: dict[str, Any] = {
            "cursor": f"{epoch}.{xid}.{seq}",
            "type": type_name(type_),
            "id": id_,
            "version": version_id(version, epoch),
            "number": version,
            "action": Action(action).name.lower(),
            "updated": instant(updated_us),
            "hash": bytes(digest).hex(),
            "owner": {"unit": unit, "provider": provider, "kind": kind, "author": author, "source": source},
            "patient": patient,
        }
        if redacted:
            line["redacted"] = True
        if body is not None:
            line["body"] = self._codec.decompress(dictionary, body).decode()
        return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)

    async def _tail(self) -> None:
        """Polls the horizon while there are readers, and keeps the newest lines in memory for all of them."""
        horizon = await self.horizon()
        at = (horizon.xid, 0)
        self._places, self._lines, self._ring_bytes = [], [], 0
        self._ring_from = at
        await self._announce(horizon)
        idle_since = time.monotonic()
        try:
            while True:
                await asyncio.sleep(config.FEED_POLL_MS / 1_000)
                if self._readers:
                    idle_since = time.monotonic()
                elif time.monotonic() - idle_since > config.FEED_HEARTBEAT_S * 5:
                    return
                horizon = await self.horizon()
                rows = await self._rows(at, horizon.xid)
                while rows:
                    self._places.extend(place for place, _ in rows)
                    self._lines.extend(line for _, line in rows)
                    self._ring_bytes += sum(len(line) for _, line in rows)
                    at = rows[-1][0]
                    while self._ring_bytes > _RING_MAX_BYTES or len(self._lines) > _RING_MAX_LINES:
                        half = len(self._lines) // 2 + 1
                        self._ring_from = self._places[half - 1]
                        self._ring_bytes -= sum(map(len, self._lines[:half]))
                        del self._places[:half], self._lines[:half]
                    rows = await self._rows(at, horizon.xid) if len(rows) == config.FEED_BATCH_ROWS else []
                await self._announce(horizon)
        finally:
            self._ring_from = None
            self._horizon = None

    async def _announce(self, horizon: Horizon) -> None:
        async with self._moved:
            self._horizon = horizon
            self._moved.notify_all()
