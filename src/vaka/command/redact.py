"""``vaka redact``: takes the content of resources out of the record, on an authority's decision."""

from __future__ import annotations

import asyncio
import getpass
from pathlib import Path

import click
import orjson

from vaka import assemble, errors
from vaka.access.filter import system_filter
from vaka.access.marks import Actor
from vaka.accesslog.direct import log_command
from vaka.api.server import check_id, known_type
from vaka.command import options
from vaka.journal.journal import Journal, Transaction
from vaka.journal.redacting import Decision, redact
from vaka.journal.redactions import Redactions
from vaka.load.target import dsn_of


@click.command("redact")
@click.argument("resources", nargs=-1, required=True, metavar="TYPE/ID...")
@click.option("--decision", required=True, metavar="NUMBER", help="The number of the authority's decision.")
@click.option("--authority", required=True, metavar="NAME", help="Who has decided, for example IVO.")
@options.data
@click.option(
    "--database", metavar="URL", envvar="VAKA_DATABASE", help="The PostgreSQL that `vaka up --database` was given."
)
@click.option("--yes", is_flag=True, help="Do it without asking.")
@options.as_json
def command(
    resources: tuple[str, ...], decision: str, authority: str, data: str, database: str | None, yes: bool, as_json: bool
) -> None:
    """Take the content of resources out of every version, for ever. Hashes and the feed's events stay.

    Each is listed in DIR and in the backup place first, so that it is taken out again after every restore. Backups keep it
    until they are deleted.
    """
    wanted = [_address(text) for text in resources]
    if not decision.strip() or not authority.strip():
        raise errors.Invalid("a redaction needs the number of the decision and the authority")
    directory = assemble.directory(data)
    dsn = dsn_of(directory, database)
    if not yes:
        click.confirm(f"Take out {len(wanted)} resources for ever, by {authority} {decision}?", abort=True, err=True)
    named = ", ".join(f"{type_}/{id_}" for type_, id_ in wanted)
    log_command(dsn, "redact", f"{authority.strip()}, {decision.strip()}: {named}")
    new = asyncio.run(_redact(dsn, directory.path, wanted, Decision(decision.strip(), authority.strip())))
    if as_json:
        click.echo(orjson.dumps({"redacted": new, "before": len(wanted) - new}))
    else:
        click.echo(f"{new} redacted, {len(wanted) - new} were before", err=True)


def _address(text: str) -> tuple[str, str]:
    type_, _, id_ = text.partition("/")
    known_type(type_)
    check_id(id_)
    return type_, id_


async def _redact(dsn: str, home: Path, wanted: list[tuple[str, str]], decision: Decision) -> int:
    actor = Actor(f"system/vaka:redact ({getpass.getuser()})", None, None, f"vaka redact, {getpass.getuser()}")
    listed = Redactions(home)
    journal = await Journal.open(dsn)
    new = 0
    try:
        for type_, id_ in wanted:

            async def work(tx: Transaction, type_: str = type_, id_: str = id_) -> bool:
                return (await redact(tx, type_, id_, decision, actor, listed))[1]

            new += await journal.run(work, access=system_filter("redact"))
    finally:
        await journal.close()
    return new
