"""``vaka provider``: one care provider's part of the record, written out and taken out when it leaves."""

from __future__ import annotations

import asyncio
import getpass
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from vaka import assemble, errors
from vaka.access.marks import Actor
from vaka.accesslog.direct import log_command
from vaka.command import options
from vaka.journal.journal import Journal
from vaka.journal.redacting import Decision
from vaka.journal.redactions import Redactions
from vaka.load import provider as part
from vaka.load.dump import output
from vaka.load.target import dsn_of

_database = click.option(
    "--database", metavar="URL", envvar="VAKA_DATABASE", help="The PostgreSQL that `vaka up --database` was given."
)
_provider = click.option("--provider", required=True, metavar="ID", help="The Organization id of the care provider.")


@click.group("provider")
def command() -> None:
    """One care provider's part of the record: export it, and delete it when it leaves."""


@command.command("export")
@_provider
@click.option("--to", required=True, metavar="FILE", help="A new file; .zst and .gz pack it.")
@options.data
@_database
@options.as_json
def export(provider: str, to: str, data: str, database: str | None, as_json: bool) -> None:
    """Write out every version of what the provider owns, with owner, hash and exact bytes.

    The last line is a mark with counts and the hash of all before it: `vaka provider delete` asks for such a file.
    """
    dsn = dsn_of(assemble.directory(data), database)
    if to == "-":
        raise errors.Invalid("an export goes into a file", help="name one with --to: deleting asks for it")
    log_command(dsn, "provider-export", f"{provider} to {to}")
    with output(to) as file, _bar("export") as seen:
        done = asyncio.run(_export(dsn, provider, file.write, seen))
    if as_json:
        click.echo(orjson.dumps({"resources": done.resources, "versions": done.versions, "sha256": done.hash}))
    else:
        click.echo(f"{done.resources} resources, {done.versions} versions in {to}", err=True)


@command.command("delete")
@_provider
@click.option(
    "--export", "file", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The export of all of it."
)
@click.option("--decision", required=True, metavar="NUMBER", help="The number of the decision.")
@click.option("--authority", required=True, metavar="NAME", help="Who has decided.")
@options.data
@_database
@click.option("--yes", is_flag=True, help="Do it without asking.")
@options.as_json
def delete(
    *, provider: str, file: Path, decision: str, authority: str, data: str, database: str | None, yes: bool, as_json: bool
) -> None:  # fmt: skip
    """Take out what the provider owns, once the export is found to hold all of it. Stopped, the same command goes on."""
    if not decision.strip() or not authority.strip():
        raise errors.Invalid("a deletion needs the number of the decision and who has decided")
    directory = assemble.directory(data)
    dsn = dsn_of(directory, database)
    held = part.verify(file, provider)
    if not yes:
        told = f"Take out what {provider} owns, by {authority} {decision}? Its export holds {len(held.resources)} resources."
        click.confirm(told, abort=True, err=True)
    log_command(
        dsn, "provider-delete", f"{provider}, {authority.strip()}, {decision.strip()}, export {held.exported.hash}"
    )
    with _bar("delete") as seen:
        done = asyncio.run(
            _delete(dsn, directory.path, provider, held, Decision(decision.strip(), authority.strip()), seen)
        )
    if as_json:
        click.echo(orjson.dumps({"deleted": done}))
    else:
        click.echo(f"{done} resources deleted", err=True)


@contextmanager
def _bar(what: str) -> Iterator[part.Seen]:
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


async def _export(dsn: str, provider: str, write: Callable[[bytes], object], seen: part.Seen) -> part.Exported:
    journal = await Journal.open(dsn)
    try:
        return await part.export(journal, provider, write, seen)
    finally:
        await journal.close()


async def _delete(dsn: str, home: Path, provider: str, held: part.Held, decision: Decision, seen: part.Seen) -> int:
    actor = Actor(f"system/vaka:provider ({getpass.getuser()})", None, None, f"vaka provider, {getpass.getuser()}")
    journal = await Journal.open(dsn)
    try:
        return await part.delete(journal, provider, held, decision, actor, Redactions(home), seen)
    finally:
        await journal.close()
