"""The private feed: what a read copy needs beside the record, in the same safe order and with the same marks as the feed.

Topics: opening, alias, apart, revocation, passkey (public keys), client (programs: public keys and scopes), owner (the numbers),
dictionary, copy_key (public keys of copies). Passphrases, secrets of one-time codes and set-up codes never travel.

Invariants: a reader from nothing gets the whole state; of each key only the newest line is kept (``private_change``, by triggers
in the transaction that changes the table), so that the list is as long as the state. A cursor counts in its own epoch alone:
after a restore the state is given again from nothing, and what is not in it is gone. A key that changes while a reader is on
its way may miss at one mark, and comes before the next.
"""

from __future__ import annotations

import orjson

from vaka import config
from vaka.access.scopes import FEED_PRIVATE
from vaka.errors import Conflict
from vaka.journal.feed import Feed
from vaka.journal.feed_rows import FeedRows, Horizon, Line
from vaka.journal.pool import Connection, Pool
from vaka.journal.statements import statements
from vaka.store.codec import Codec
from vaka.store.cursor import Cursor, Place


class PrivateRows(FeedRows):
    """Asks for changes and makes lines of them: ``{"cursor", "topic", "key", "row"}``, ``row`` null where it was taken away."""

    async def page(self, connection: Connection, after: Place, horizon_xid: int) -> list[Line]:
        values = {
            "xid": str(after[0]), "seq": after[1], "horizon": str(horizon_xid), "limit": config.FEED_BATCH_ROWS,
        }  # fmt: skip
        lines: list[Line] = []
        size = 0
        for row in await (await connection.execute(statements("private")["private_page"], values)).fetchall():
            xid, seq, epoch, topic, key, told = row
            line = {
                "cursor": f"{epoch}.{xid}.{seq}", "topic": topic, "key": key,
                "row": orjson.Fragment(told) if told is not None else None,
            }  # fmt: skip
            lines.append(((int(xid), seq, epoch), orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)))
            size += len(lines[-1][1])
            if size >= config.FEED_BATCH_BYTES:
                break
        return lines


class PrivateFeed(Feed):
    """The private feed of one process."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool, PrivateRows(Codec({})), FEED_PRIVATE)

    async def _require_held(
        self, connection: Connection, after: Cursor, row_hash: bytes | None, horizon: Horizon
    ) -> None:
        # The row at the cursor may have been replaced by a newer one of its key: only the history is asked for.
        if after.epoch != horizon.epoch or after.xid >= horizon.xid:
            raise Conflict(
                f"the cursor {after} is of another history than this journal's, which is in epoch {horizon.epoch}",
                help="read the private feed from nothing: it gives the whole state",
            )
