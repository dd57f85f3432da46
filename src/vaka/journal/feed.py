"""The change feed: every version in an order that is safe for cursors, and the horizon below which nothing can come.

Invariants (traps: Feed)
- Rows are served by (xid, seq), and only those whose transaction is older than every one still open: a cursor
  never skips a row that commits late. This is not commit order: a reader makes a version current only if its number
  is higher.
- Reading needs no slot and no lock, and takes one bounded page at a time, however far behind the reader is.
- A cursor is (epoch, xid, seq) of a version that was given. At each start it is asked whether this journal still
  holds it.
- A heartbeat is sent only while the database is heard: silence means that nothing is known.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import orjson

from vaka import config, log
from vaka.access.filter import AccessFilter
from vaka.access.scopes import FEED
from vaka.errors import Busy, Conflict, Forbidden, Unavailable
from vaka.journal.feed_rows import FeedRows, Horizon
from vaka.journal.pool import Connection, Pool
from vaka.journal.statements import statements
from vaka.journal.tail import Tail
from vaka.store.cursor import Cursor, Place


@dataclass(frozen=True, slots=True)
class Start:
    """Where a reader begins, and the horizon at that moment: what was committed before it asked is in its answer."""

    after: Cursor
    horizon: Horizon


def horizon_line(horizon: Horizon, cursor: Cursor) -> bytes:
    """The mark after which the reader holds everything below the horizon; ``cursor``: where to go on from."""
    return orjson.dumps(
        {
            "horizon": str(horizon.xid),
            "epoch": horizon.epoch,
            "cursor": str(cursor),
            "at": horizon.at,
            "ageSeconds": round(horizon.age_s, 3),
        },
        option=orjson.OPT_APPEND_NEWLINE,
    )


def heartbeat_line(horizon: Horizon, cursor: Cursor) -> bytes:
    """The database was heard at that time, and nothing was to be told."""
    return orjson.dumps(
        {
            "heartbeat": horizon.at,
            "epoch": horizon.epoch,
            "cursor": str(cursor),
            "ageSeconds": round(horizon.age_s, 3),
        },
        option=orjson.OPT_APPEND_NEWLINE,
    )


class Feed:
    """The feed of one process: one tail in memory for all readers near its end, pages from the database for the others.

    ``pool`` is the feeds' own, so that no search keeps them waiting; one of its connections is the tail's. ``scope``: what a
    reader must have.
    """

    def __init__(self, pool: Pool, rows: FeedRows, scope: str = FEED) -> None:
        self._pool = pool
        self._rows = rows
        self._scope = scope
        self._readers = 0
        self._tail: Tail | None = None

    async def close(self) -> None:
        if self._tail is not None:
            await self._tail.close()

    async def start(self, after: Cursor | None, row_hash: bytes | None, *, access: AccessFilter) -> Start:
        """Where a reader begins. Conflict if the journal's history is not the one that ``after`` was given in."""
        if self._scope not in access.scopes:
            raise Forbidden(
                f"{access.principal} has no right to read this feed",
                help=f"it takes a token with the scope {self._scope}",
            )
        if self._readers >= config.FEED_READERS_MAX:
            raise Busy("too many feed readers", retry_after_s=5)
        async with self._pool.connection() as connection:
            horizon = await self._rows.horizon(connection)
            if after is None:
                return Start(Cursor(horizon.epoch, 0, 0), horizon)
            if after.epoch > horizon.epoch:
                raise Conflict(
                    f"the cursor is of epoch {after.epoch}, this journal is in epoch {horizon.epoch}",
                    help="it was restored to before your cursor: keep what you have and give back what it lost",
                )
            if after.seq:
                await self._require_held(connection, after, row_hash, horizon)
        return Start(after, horizon)

    async def _require_held(
        self, connection: Connection, after: Cursor, row_hash: bytes | None, horizon: Horizon
    ) -> None:
        values = {"xid": str(after.xid), "seq": after.seq, "epoch": after.epoch}
        row = await (await connection.execute(statements("feed")["holds"], values)).fetchone()
        # A row above the horizon exists, but was never given: what precedes it would be skipped.
        if row is None or after.xid >= horizon.xid or (row_hash is not None and bytes(row[0]) != row_hash):
            raise Conflict(
                f"this journal does not hold the version at cursor {after}",
                help=f"it is in epoch {horizon.epoch}: keep what you have and give back what it lost",
            )

    async def lines(self, start: Start, wait_s: float) -> AsyncGenerator[bytes, None]:
        """Chunks of whole lines from ``start``: versions; a mark at each horizon that was reached; heartbeats while
        nothing happens.

        Goes on for ``wait_s`` seconds after the first horizon. May end at any line: when the database goes away, or the
        epoch changes. The reader then starts again from its last cursor, and is told.
        """
        self._readers += 1
        try:
            tail = self._tailing()
            cursor, place = start.after, start.after.place
            deadline: float | None = None
            horizon = await tail.reaching(start.horizon.xid, config.FEED_FIRST_HORIZON_S)
            while horizon is not None:
                while chunk := await self._page(tail, place, horizon.xid):
                    lines, place = chunk
                    cursor = Cursor(place[2], place[0], place[1])
                    yield lines
                place = max(place, (horizon.xid, 0, 0))
                yield horizon_line(horizon, cursor)
                deadline = deadline or time.monotonic() + wait_s
                following: Horizon | None = None
                while following is None:
                    left = deadline - time.monotonic()
                    if left <= 0 or tail.ended:
                        return
                    following = await tail.reaching(horizon.xid + 1, min(left + 0.001, config.FEED_HEARTBEAT_S))
                    if following is None and left >= config.FEED_HEARTBEAT_S:
                        heard = tail.heard_within(config.FEED_HEARTBEAT_S)
                        if heard is not None:
                            yield heartbeat_line(heard, cursor)
                horizon = following
        except Unavailable as error:  # the answer has begun: it ends here, and the reader asks on
            log.warning("feed answer ended", reason=error.message)
        finally:
            self._readers -= 1

    async def of_patient(self, start: Start, id_: str, after: Place) -> AsyncGenerator[bytes, None]:
        """Chunks of whole lines: the versions in the record of one patient after ``after``, up to where ``start`` is; a mark
        when that was all."""
        self._readers += 1
        try:
            while True:
                async with self._pool.connection() as connection:
                    found = await self._rows.of_patient(connection, id_, after, start.after.place)
                if not found:
                    yield horizon_line(start.horizon, start.after)
                    return
                after = found[-1][0]
                yield b"".join(line for _, line in found)
        except Unavailable as error:
            log.warning("feed answer ended", reason=error.message)
        finally:
            self._readers -= 1

    def _tailing(self) -> Tail:
        """The tail in use. A reader stays with the one it began with: after a crash of the database, transaction
        numbers below its last mark can be given out again, so a mark counts only within one tail."""
        if self._tail is None or self._tail.ended:
            self._tail = Tail(self._pool, self._rows, lambda: self._readers > 0)
        return self._tail

    async def _page(self, tail: Tail, place: Place, horizon_xid: int) -> tuple[bytes, Place] | None:
        if tail.holds(place):
            return tail.page(place, horizon_xid)
        async with self._pool.connection() as connection:
            lines = await self._rows.page(connection, place, horizon_xid)
        await asyncio.sleep(0)  # who is far behind does not keep others waiting
        return (b"".join(line for _, line in lines), lines[-1][0]) if lines else None
