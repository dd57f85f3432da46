"""``vaka receive-wal``: becomes ``pg_receivewal``, as a child of ``vaka up``. Not for people."""

from __future__ import annotations

import click

from vaka import assemble, log
from vaka.command import options


@click.command("receive-wal", hidden=True)
@options.data
def command(data: str) -> None:
    """Receive WAL into the second place."""
    from vaka.recover import backup

    directory = assemble.directory(data)
    log.setup("wal", directory.log / "wal.jsonl")
    backup.receive(assemble.backup_source(directory))
