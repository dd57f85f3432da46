"""What is done to the journal now and then, beside reading and writing: a probe, and what keeps it in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from vaka import config
from vaka.errors import Unavailable
from vaka.journal.statements import statements

if TYPE_CHECKING:
    from vaka.journal.journal import Journal


async def probe(journal: Journal, prober: str) -> None:
    """A write that commits and is read back. Unavailable if not."""
    sql = statements("write")
    try:
        async with journal.pool.connection() as connection:
            wrote = await (await connection.execute(sql["write_probe"], {"prober": prober})).fetchone()
            read = await (await connection.execute(sql["read_probe"], {"prober": prober})).fetchone()
    except psycopg.Error as error:
        raise Unavailable(f"a write does not commit: {error.diag.message_primary or type(error).__name__}") from error
    if wrote is None or wrote != read:
        raise Unavailable("what the probe wrote could not be read back")


async def forget_results(journal: Journal) -> None:
    """Drops idempotency results past their time."""
    async with journal.pool.connection() as connection:
        await connection.execute(statements("write")["forget_results"], {"days": config.IDEMPOTENCY_DAYS})


async def make_partitions(journal: Journal) -> None:
    """Makes the next partition of versions before it is needed."""
    async with journal.pool.connection() as connection:
        for sql in statements("partition").values():
            await connection.execute(sql.encode())
