"""``vaka dump``: every version of everything, as open NDJSON."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

import click
import orjson
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from vaka import assemble
from vaka.accesslog.direct import log_command
from vaka.command import options
from vaka.journal.journal import Journal
from vaka.load.dump import Dumped, dump, output
from vaka.load.target import dsn_of


@click.command("dump")
@options.data
@options.database
@click.option("--to", default="-", show_default=True, metavar="FILE|-", help="A new file; .zst and .gz pack it.")
@click.option("--since", metavar="CURSOR", help="Only what came after the dump that ended with this cursor.")
@options.as_json
def command(data: str, database: str | None, to: str, since: str | None, as_json: bool) -> None:
    """Write out every version of every resource, with owner, hash and exact bytes.

    \b
    vaka dump --to all.ndjson.zst

    The last line is a mark with the cursor for the next --since; a dump without it is not complete.
    """
    dsn = dsn_of(assemble.directory(data), database)
    log_command(dsn, "dump", f"to {to}" + (f" since {since}" if since else ""))
    columns = (TextColumn("{task.completed:,} versions"), TimeElapsedColumn())
    with (
        output(to) as file,
        Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as progress,
    ):
        task = progress.add_task("dump", total=None)

        def seen(so_far: Dumped) -> None:
            progress.update(task, completed=so_far.versions)

        done = asyncio.run(_dump(dsn, file.write, since, seen))
    if as_json:
        told = {"versions": done.versions, "pieces": done.pieces, "bytes": done.bytes, "cursor": done.cursor}
        click.echo(orjson.dumps(told), err=to == "-")
    else:
        click.echo(f"{done.versions} versions; the next dump goes on with --since {done.cursor}", err=True)


async def _dump(
    dsn: str, write: Callable[[bytes], object], since: str | None, seen: Callable[[Dumped], None]
) -> Dumped:
    journal = await Journal.open(dsn)
    try:
        return await dump(journal, write, since, seen)
    finally:
        await journal.close()
