"""What a copy does when the journal's history may not be its own any more (feed.md, 4 and 5).

Invariants
- Nothing that is held here is given up: what the journal lost is written to ``lost.db`` before anything else changes.
- It is found by asking, never by guessing: the newest version that both hold, from some minutes before it all that the journal
  gives, and what stands here beyond that place and did not come.
- Until it is done the copy's place in the feed is as it was, so that a stop in the middle begins it again.
- Where not one version is held by both it is another journal: nothing is done; a person decides.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from vaka import config, log
from vaka.copy import lines
from vaka.copy.apply import Applier
from vaka.copy.client import Client
from vaka.copy.lines import Heartbeat, Mark, Unread, Version
from vaka.copy.lost import LostFile
from vaka.copy.put import Row
from vaka.copy.statements import statements
from vaka.errors import Conflict, Unavailable
from vaka.fhir.keys import resource_key
from vaka.store.cursor import Cursor

EPOCH = "epoch"
_US = 1_000_000
_T = TypeVar("_T")


class Run(Protocol):
    """Does work on the record's writing connection, in its thread."""

    def __call__(self, work: Callable[[], _T]) -> Awaitable[_T]: ...


_FURTHER = (1, 6, 36, 216)


class AnotherJournal(Conflict):
    """Nothing that this copy holds is in the journal at its address."""


def known_epoch(applier: Applier) -> int | None:
    """The epoch up to which the journal's history was compared with what is here; None before the first answer."""
    found: Any = applier.connection.execute(statements("apply")["fact"], (EPOCH,)).get
    return int(found) if found is not None else None


def keep_epoch(applier: Applier, epoch: int) -> None:
    applier.connection.execute(statements("apply")["keep_fact"], (EPOCH, str(epoch)))


async def reconcile(client: Client, applier: Applier, lost: LostFile, run: Run) -> int:
    """Finds what the journal lost, keeps it, and sets the copy's place back to where both agree; how many versions it were.
    AnotherJournal where they agree on nothing."""
    at = await run(lambda: applier.at)
    if not at.cursor.seq:
        return 0
    epoch = await client.holds(at.cursor, at.hash)
    if epoch is not None:
        common = await run(lambda: _newest(applier, at.cursor.xid, at.cursor.seq))
    else:
        common = await _common(client, applier, at.cursor.xid + 1, run)
    if common is None:
        raise AnotherJournal(
            "the journal at this copy's address holds nothing that this copy holds",
            help="look at the address; to begin anew from this journal, ask the follower with a name and a reason",
        )
    start, digest = await _start(client, applier, common, run)
    came, epoch = await _came(client, start, digest)
    count = await run(lambda: _keep(applier, lost, start, digest, came, epoch))
    log.warning("compared with the journal", epoch=epoch, since=str(start), lost=count)
    return count


def _keep(
    applier: Applier,
    lost: LostFile,
    start: Cursor | None,
    digest: bytes | None,
    came: set[tuple[int, int, int]],
    epoch: int,
) -> int:
    place = (start.xid, start.seq) if start is not None else (0, 0)
    held: list[Any] = applier.connection.execute(statements("apply")["held_after"], place).fetchall()
    missing = [rkey for rkey, *version in held if (rkey, *version) not in came]
    rows = _rows(applier, missing)
    lost.add(applier.connection, applier.codec, rows)
    applier.go_back(start if start is not None else Cursor(0, 0, 0), digest)
    keep_epoch(applier, epoch)
    return len(rows)


def _rows(applier: Applier, keys: list[int]) -> list[Row]:
    found = applier.putter.standing(keys)
    pending = [key for key, row in found.items() if row.pending]
    return [row for row in found.values() if not row.pending] + list(
        applier.putter.standing(pending, name="beneath").values()
    )


def _newest(applier: Applier, xid: int, seq: int = 2**62) -> tuple[Cursor, bytes, int] | None:
    """The newest version held at or before a place: its cursor, hash and time."""
    row: Any = applier.connection.execute(statements("apply")["newest"], (xid, seq)).get
    return (Cursor(*row[:3]), row[3], row[4]) if row is not None else None


async def _common(client: Client, applier: Applier, high: int, run: Run) -> tuple[Cursor, bytes, int] | None:
    """The newest version that both hold, by halving: a restored journal holds what precedes a place, and nothing after it."""
    low = 0
    found: tuple[Cursor, bytes, int] | None = None
    while True:
        row = await run(lambda: _middle(applier, low, high))  # noqa: B023  it runs at once
        if row is None:
            return found
        if row is not None and await client.holds(row[0], row[1]) is not None:
            low, found = row[0].xid, row
        else:
            high = row[0].xid


def _middle(applier: Applier, low: int, high: int) -> tuple[Cursor, bytes, int] | None:
    """The last version held of the transaction in the middle between two."""
    middle: Any = applier.connection.execute(statements("apply")["places_between"], (low, high)).get
    return _newest(applier, middle) if middle is not None else None


async def _start(
    client: Client, applier: Applier, common: tuple[Cursor, bytes, int], run: Run
) -> tuple[Cursor | None, bytes | None]:
    """A place some minutes before ``common`` that the journal holds too; None: the feed's beginning."""
    cursor, _, updated_us = common
    for factor in _FURTHER:
        values = (cursor.xid, cursor.seq, updated_us - config.COPY_COMPARE_S * factor * _US)
        row = await run(lambda: applier.connection.execute(statements("apply")["before_time"], values).get)  # noqa: B023
        if row is None:
            break
        if await client.holds(Cursor(*row[:3]), row[3]) is not None:
            return Cursor(*row[:3]), row[3]
    return None, None


async def _came(client: Client, start: Cursor | None, digest: bytes | None) -> tuple[set[tuple[int, int, int]], int]:
    """(key, epoch, number) of every version that the journal gives from ``start`` to its first mark, and its epoch."""
    came: set[tuple[int, int, int]] = set()
    at, row_hash = start, digest
    while True:
        before = at
        async with client.read(at, row_hash, 0) as answer:
            async for text in answer.lines:
                line = lines.read(text)
                if isinstance(line, Mark):
                    return came, answer.epoch
                if isinstance(line, Heartbeat):
                    continue
                assert isinstance(line, Version | Unread)
                came.add((resource_key(line.type, line.id), line.cursor.epoch, line.number))
                at, row_hash = line.cursor, line.hash
                if len(came) > config.COPY_COMPARE_MAX:
                    raise Unavailable(
                        f"more than {config.COPY_COMPARE_MAX} versions to compare with the journal",
                        help="begin anew from this journal, once what it lost is settled",
                    )
        if at == before:
            raise Unavailable("the journal ends its answers without a mark")
