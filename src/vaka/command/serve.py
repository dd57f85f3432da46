"""``vaka serve``: the journal's API as a child of ``vaka up``. Not for people."""

from __future__ import annotations

import click

from vaka import assemble
from vaka.access.settings import Settings
from vaka.api.wire import Wire
from vaka.command import options


@click.command("serve", hidden=True)
@options.data
@click.option("--host", default="127.0.0.1")
@click.option("--port", default=8080, type=int)
@click.option("--demo", is_flag=True)
@options.law
@options.wire
def command(data: str, host: str, port: int, demo: bool, law: Settings, wire: Wire) -> None:
    """Run the journal's API; the database's address comes in the environment."""
    assemble.serve(assemble.Start(assemble.directory(data), host, port, demo, wire=wire, law=law))
