"""``vaka keep-backups``: makes base backups when they are due, as a child of ``vaka up``. Not for people."""

from __future__ import annotations

import click

from vaka import assemble, log, process
from vaka.command import options


@click.command("keep-backups", hidden=True)
@options.data
def command(data: str) -> None:
    """Make base backups when they are due, and remove the oldest."""
    from vaka.recover import backup

    directory = assemble.directory(data)
    process.prepare("backup", directory.log)
    log.setup("backup", directory.log / "backup.jsonl")
    backup.keep(assemble.backup_source(directory))
