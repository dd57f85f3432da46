"""``vaka backup``: make, list and verify backups. With ``vaka up`` they are made by themselves; this is for people."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click
import orjson
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from vaka import assemble
from vaka.command import options


@click.group("backup")
def command() -> None:
    """Make, list and verify backups. While Vaka runs they are made by themselves; `vaka restore` brings one back.

    \b
    vaka backup list
    vaka backup now       one more, before something risky
    vaka backup verify    read all of it back
    """


def bar() -> Progress:
    """A progress bar on standard error, which scripts do not read."""
    return Progress(
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn(),
        console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True,
    )  # fmt: skip


@command.command("now")
@options.data
@options.as_json
def now(data: str, as_json: bool) -> None:
    """Make a base backup of the running Vaka, and verify it."""
    from vaka.recover import backup

    source = assemble.backup_source(assemble.directory(data), running=True)
    with bar() as shown:
        task = shown.add_task("base backup", total=None)
        made = backup.take(
            source, hurry=True, progress=lambda done, total: shown.update(task, completed=done, total=total)
        )
        gone = backup.prune(source.place)
    if as_json:
        click.echo(orjson.dumps({"made": asdict(made), "removed": gone}, option=orjson.OPT_INDENT_2))
    else:
        click.echo(f"{made.name}: {made.size_bytes >> 20} MB, verified")


@command.command("list")
@options.data
@options.backup_dir
@options.as_json
def list_(data: str, backup_dir: Path | None, as_json: bool) -> None:
    """The base backups, and how far the WAL after them reaches."""
    from vaka.recover import place as places

    directory = assemble.directory(data)
    place = places.of(backup_dir or directory.backup, directory.pgdata)
    bases = place.bases()
    folders: list[dict[str, object]] = []
    for folder in place.wal_folders():
        found = places.segments(folder)
        folders.append(
            {
                "folder": folder.name,
                "began": places.wal_began(folder),
                "first": found[0].name if found else None,
                "last": found[-1].name if found else None,
                "missing": len(places.missing(found)),
                "size_bytes": len(found) * places.SEGMENT_BYTES,
            }
        )
    if as_json:
        told = {"place": str(place.path), "bases": [asdict(base) for base in bases], "wal": folders}
        click.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2))
        return
    for base in bases:
        click.echo(
            f"base {base.name}  {base.size_bytes >> 20} MB  restores any time from {base.ended:%Y-%m-%d %H:%M:%S} UTC"
        )
    for wal in folders:
        click.echo(f"wal  {wal['folder']}  {wal['first']} - {wal['last']}  missing {wal['missing']}")
    if not bases:
        click.echo("no base backup yet")


@command.command("verify")
@options.data
@options.backup_dir
@options.as_json
def verify(data: str, backup_dir: Path | None, as_json: bool) -> int:
    """Read every backup and all WAL back. Exit code 1 where something is damaged or missing."""
    from vaka.journal import cluster
    from vaka.recover import backup
    from vaka.recover import place as places

    directory = assemble.directory(data)
    place = places.of(backup_dir or directory.backup, directory.pgdata)
    findings = backup.verify(cluster.at(directory.pgdata).programs, place)
    if as_json:
        click.echo(orjson.dumps([asdict(finding) for finding in findings], option=orjson.OPT_INDENT_2))
    else:
        for finding in findings:
            click.echo(f"{finding.what}: {finding.problem or 'sound'}")
        if not findings:
            click.echo("there is no backup")
    return 1 if not findings or any(finding.problem for finding in findings) else 0
