"""``vaka up``: start everything here, and keep it running until Ctrl-C or SIGTERM."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import click

from vaka import assemble, process
from vaka.command import options


@click.command("up")
@options.data
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65535), help="The port to listen at.")
@click.option("--demo", is_flag=True, help="Fill an empty record with the demo region.")
@click.option(
    "--database", metavar="URL", envvar="VAKA_DATABASE",
    help="A PostgreSQL 15 or later that is Vaka's alone, instead of the embedded one.",
)  # fmt: skip
@options.backup_dir
def command(*, data: str, host: str, port: int, demo: bool, database: str | None, backup_dir: Path | None) -> None:
    """Start Vaka here and keep it running."""
    start = assemble.Start(assemble.directory(data), host, port, demo, database, backup_dir)
    filling: list[subprocess.Popen[bytes]] = []

    def ready(seconds: float) -> None:
        click.echo(
            f"Vaka is ready at {start.url} after {seconds:.1f} s (data in {start.directory.path}; Ctrl-C stops it)"
        )
        if demo:
            filling.append(_fill(data, database, start.url))

    try:
        assemble.up(start, ready)
    finally:
        for child in filling:
            child.terminate()


def _fill(data: str, database: str | None, url: str) -> subprocess.Popen[bytes]:
    """Starts filling the record beside what runs; it stops when this process does."""
    command = [sys.executable, "-P", "-m", "vaka.cli", "fill-demo", "--data", data, "--url", url]
    environment = {**os.environ, **({"VAKA_DATABASE": database} if database else {})}
    return subprocess.Popen(  # nosec B603 # this Python with our own command; no shell
        command,
        env=environment,
        preexec_fn=process.before_exec(signal.SIGTERM),  # noqa: PLW1509
    )
