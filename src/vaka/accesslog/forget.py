"""Retention: whole months go, none younger than five years (L3), and the chain goes on from a recorded place."""

from __future__ import annotations

from datetime import UTC, datetime

from vaka import config
from vaka.accesslog.tables import Connection, statements
from vaka.errors import Invalid


def oldest_allowed(now: datetime) -> datetime:
    """What is before this may go."""
    try:
        return now.replace(year=now.year - config.LOG_YEARS_MIN)
    except ValueError:  # the 29th of February
        return now.replace(year=now.year - config.LOG_YEARS_MIN, day=28)


async def forget(connection: Connection, before: datetime, who: str) -> list[str]:
    """Drops the months that lie wholly before ``before``; returns their partitions. Invalid where that is too young."""
    if before > oldest_allowed(datetime.now(UTC)):
        raise Invalid(
            f"the access log is kept for {config.LOG_YEARS_MIN} years at least",
            help=f"give a time before {oldest_allowed(datetime.now(UTC)):%Y-%m-%d}",
        )
    sql = statements()
    names = [row[0] for row in await (await connection.execute(sql["partitions"], {"before": before})).fetchall()]
    for name in names:
        async with connection.transaction():
            ends = await connection.execute(sql["partition_ends"].replace("{partition}", name))
            for stream, block, hash_ in await ends.fetchall():
                values = {"stream": stream, "block": block, "hash": hash_, "before": before, "who": who}
                await connection.execute(sql["put_forgotten"], values)
            await connection.execute(f"DROP TABLE {name}")
            await connection.execute(sql["forget_described"])
    return names
