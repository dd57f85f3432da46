"""``vaka up``: start everything here, and keep it running until Ctrl-C or SIGTERM."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import click
from click.core import ParameterSource
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from vaka import assemble, errors, process
from vaka.access.settings import CLOSED, Settings
from vaka.api.wire import Wire
from vaka.assemble import fronted
from vaka.command import options


@click.command("up")
@options.data
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65535), help="The port to listen at.")
@click.option("--demo", is_flag=True, help="Fill an empty record with the demo region.")
@click.option(
    "--copies", type=click.IntRange(0, fronted.COPIES_MAX), metavar="N",
    help="Read copies in front of the journal: the first at --port, the others at the next free ports; 0: the journal itself is "
    "at --port.  [default: 1; with --demo 2]",
)  # fmt: skip
@click.option(
    "--journal-port", type=click.IntRange(1, 65535),
    help="Where the journal listens behind its copies, on this machine only.  [default: any that is free]",
)  # fmt: skip
@click.option(
    "--database", metavar="URL", envvar="VAKA_DATABASE",
    help="A PostgreSQL 15 or later that is Vaka's alone, instead of the embedded one.",
)  # fmt: skip
@options.backup_dir
@options.law
@options.wire
def command(
    *,
    data: str,
    host: str,
    port: int,
    demo: bool,
    copies: int | None,
    journal_port: int | None,
    database: str | None,
    backup_dir: Path | None,
    law: Settings,
    wire: Wire,
) -> None:
    """Start Vaka here and keep it running, until Ctrl-C or SIGTERM. It says when it is ready, at which address.

    \b
    vaka up --demo                                       to try it, with made-up people
    vaka up --copies 2                                   two copies in front of the journal
    vaka up --data /srv/vaka --backup-dir /mnt/other     backups on another disk
    vaka up --host 0.0.0.0 --tls-own --name ehr.example  for others on the network
    VAKA_DATABASE='host=… user=vaka' vaka up             on a PostgreSQL of your own

    Exit code 78: it cannot start here, and says what to do.
    """
    _require_address(database)
    count = copies if copies is not None else 2 if demo else 1
    if count == 0 and journal_port is not None:
        raise errors.Setup("without copies the journal is at --port", help="leave out --journal-port, or --copies 0")
    start = assemble.Start(
        assemble.directory(data), host, port, demo, database, backup_dir, wire, law, count, journal_port
    )
    filling: list[subprocess.Popen[bytes]] = []

    def ready(seconds: float) -> None:
        click.echo(
            f"Vaka is ready at {start.url} after {seconds:.1f} s (data in {start.directory.path}; Ctrl-C stops it)"
        )
        if law != CLOSED:
            click.echo(f"Points of law that are open here: {', '.join(law.arguments)}")
        if wire.behind_proxy:
            believed = ", ".join(("loopback", *wire.proxies))
            click.echo(
                f"Behind a proxy: what comes in is not encrypted, and {believed} is believed on who calls and by which name"
            )
        if demo:
            filling.append(_fill(data, database, start.url))

    try:
        assemble.up(start, ready)
    finally:
        for child in filling:
            child.terminate()


def _require_address(database: str | None) -> None:
    """Setup error for what is no address of a PostgreSQL, and for a password among the arguments: every user of the machine
    could read it in the process list."""
    if database is None:
        return
    try:
        held = conninfo_to_dict(database).get("password")
    except ProgrammingError as wrong:
        raise errors.Setup(
            "what --database or VAKA_DATABASE gives is not the address of a PostgreSQL",
            help="for example postgresql://vaka@db.example/vaka, or 'host=/run/postgresql user=vaka dbname=vaka'",
        ) from wrong
    given = click.get_current_context().get_parameter_source("database")
    if held and given is ParameterSource.COMMANDLINE:
        raise errors.Setup(
            "the password in --database would stand in the process list",
            help="give the address in the environment (VAKA_DATABASE), or the password in a passfile of PostgreSQL's",
        )


def _fill(data: str, database: str | None, url: str) -> subprocess.Popen[bytes]:
    """Starts filling the record beside what runs; it stops when this process does."""
    command = [sys.executable, "-P", "-m", "vaka.cli", "fill-demo", "--data", data, "--url", url]
    environment = {**os.environ, **({"VAKA_DATABASE": database} if database else {})}
    return subprocess.Popen(  # nosec B603 # this Python with our own command; no shell
        command,
        env=environment,
        preexec_fn=process.before_exec(signal.SIGTERM),  # noqa: PLW1509
    )
