"""The record of a DIR as commands find it: its cluster, its backups, and the one that a restore has made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vaka import errors
from vaka.watch.directory import Directory

if TYPE_CHECKING:
    from vaka.recover.backup import Source
    from vaka.recover.restore import Plan


def backup_source(directory: Directory, *, running: bool = False) -> Source:
    """The cluster in DIR and the place of its backups. Setup error where ``running`` is asked for and it is not."""
    from vaka.journal import cluster
    from vaka.recover import backup

    if not directory.pgdata.exists():
        raise errors.Setup(
            f"there is no embedded PostgreSQL in {directory.path}",
            help="give the folder with --data; a PostgreSQL of your own is backed up with its own tools",
        )
    found = cluster.at(directory.pgdata)
    if running and not found.accepting():
        raise errors.Setup(f"Vaka is not running in {directory.path}", help="start it with vaka up")
    return backup.source(found, directory.backup)


def swap_in(directory: Directory, plan: Plan) -> Path | None:
    """Put a restored record in the place of the stopped live one; null, with nothing done, while Vaka runs."""
    from vaka.journal import cluster
    from vaka.recover import restore

    try:
        lock = directory.lock()
    except errors.Setup:
        return None
    with lock:
        cluster.at(directory.pgdata).end_leftovers()
        return restore.swap(directory.path, plan)
