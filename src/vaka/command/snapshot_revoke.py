"""``vaka copy revoke``: ends the ward snapshots of a machine. Apart from ``command.snapshot``, which has no journal beside it."""

from __future__ import annotations

import asyncio

import click

from vaka import assemble, config
from vaka.accesslog.direct import log_command
from vaka.api.snapshots.giving import revocation
from vaka.command import options
from vaka.journal import people
from vaka.journal.journal import Journal
from vaka.load.target import dsn_of


@click.command("revoke")
@click.argument("name")
@click.option("--by", required=True, metavar="NAME", help="Who decides this.")
@click.option("--reason", required=True, metavar="TEXT", help="Why.")
@options.data
@options.database
def revoke(name: str, by: str, reason: str, data: str, database: str | None) -> None:
    """Revoke the ward snapshots that the machine NAME holds, and give it no more: at the journal, when a PC was lost.

    It takes hold where the machine reaches a copy; one that never does is bounded by the snapshot's expiry.
    """
    dsn = dsn_of(assemble.directory(data), database)
    log_command(dsn, "snapshot-revoked", f"{name}, by {by}: {reason}")

    async def work() -> None:
        journal = await Journal.open(dsn)
        try:
            await people.revoke(
                journal, "snapshot", revocation(name), f"{by}: {reason}", kept_s=config.SNAPSHOT_REVOKED_S
            )
        finally:
            await journal.close()

    asyncio.run(work())
    click.echo(f"The snapshots of {name} are revoked, everywhere within a second; it is given none any more.")
