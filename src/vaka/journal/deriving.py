"""Derives what the record says about access (``journal.facts``) from what was written before that was kept.

Invariants: nobody is served before it is whole; it is done in batches that commit with their place, so that a start that is
stopped goes on where it was; what cannot be derived refuses the start, since a block that is not known would be open.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import orjson
import psycopg

from vaka import log
from vaka.access.facts import TYPES, facts_of
from vaka.errors import Setup
from vaka.fhir.definitions import type_name, type_number
from vaka.fhir.extract import owner_hints
from vaka.journal import facts
from vaka.journal.aliases import Aliases
from vaka.journal.arrays import integers
from vaka.journal.statements import statements
from vaka.journal.write import Write

if TYPE_CHECKING:
    from vaka.journal.journal import Journal
    from vaka.journal.pool import Connection
    from vaka.store.codec import Codec

_BATCH: Final = 500
_TOLD_EVERY_S: Final = 10.0
_ASKED_S: Final = 3
_LOWEST: Final = -(2**63)


async def derive(journal: Journal, *, batch: int = _BATCH) -> int:
    """Brings it to its end, where a migration has said that it is due; how many resources were looked at."""
    done, told = 0, time.monotonic()
    async with journal.pool.connection() as connection:
        place = await _place(connection)
        if place is None:
            return 0
        log.warning("deriving access facts", place=place)
        while place is not None:
            async with connection.transaction():
                looked, place = await _next(connection, journal.codec, place, batch)
            done += looked
            if time.monotonic() - told > _TOLD_EVERY_S:
                told = time.monotonic()
                log.info("deriving access facts", looked_at=done, percent=percent(place) if place is not None else 100)
    log.info("derived access facts", looked_at=done)
    return done


async def _place(connection: Connection) -> int | None:
    """After which key it goes on; None where nothing is due."""
    row = await (await connection.execute(statements("access")["derived"])).fetchone()
    return _after(row[0] if row is not None else None)


def _after(kept: str | None) -> int | None:
    if kept is None or kept == "derived":
        return None
    return int(kept.removeprefix("after ")) if kept.startswith("after ") else _LOWEST


async def _next(connection: Connection, codec: Codec, place: int, batch: int) -> tuple[int, int | None]:
    """(how many of a batch, the place after it; None: that was the last)."""
    sql = statements("access")
    values: dict[str, Any] = {
        "types": integers(sorted(type_number(one) for one in TYPES)), "after": place, "limit": batch,
    }  # fmt: skip
    rows = await (await connection.execute(sql["to_derive"], values)).fetchall()
    aliases = Aliases()
    await aliases.read(connection)
    writes = [_written(row, codec, aliases) for row in rows]
    if writes:
        columns = await facts.rows(connection, writes, [(row[3], row[4]) for row in rows])
        await connection.execute(sql["put_facts"], {"keys": integers([row[0] for row in rows]), **columns})
    following = rows[-1][0] if len(rows) == batch else None
    await connection.execute(
        sql["keep_derived"], {"place": f"after {following}" if following is not None else "derived"}
    )
    return len(rows), following


def progress(dsn: str) -> int | None:
    """How much of it is done, in percent; None where nothing is due, or the database does not answer."""
    try:
        with psycopg.connect(dsn, autocommit=True, connect_timeout=_ASKED_S) as connection:
            row = connection.execute(statements("access")["derived"]).fetchone()
    except psycopg.Error:
        return None
    place = _after(row[0] if row is not None else None)
    return None if place is None else percent(place)


def percent(place: int) -> int:
    """How much lies before the key ``place``: keys are hashes, as many anywhere."""
    return (place - _LOWEST) * 100 // 2**64


def _written(row: Any, codec: Codec, aliases: Aliases) -> Write:
    """The resource as if it were written now."""
    _, number, id_, _, _, dictionary, body = row
    type_ = type_name(number)
    try:
        resource = {**orjson.loads(codec.decompress(dictionary, bytes(body))), "id": id_}
        patient = owner_hints(resource)
        facts_of(resource)
    except Exception as error:
        raise Setup(
            f"what {type_}/{id_} says about access cannot be derived, so nobody is served",
            help="restore the last backup with the release that made it, dump that (vaka dump), and load it anew (vaka load)",
        ) from error
    return Write(type_, id_, resource, patient=aliases.resolve(patient) if patient is not None else None)
