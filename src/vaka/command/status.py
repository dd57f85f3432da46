"""``vaka status``: what runs, checked against the living processes and the API's own word."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Final
from urllib.parse import urlsplit

import click
import orjson

from vaka import assemble
from vaka.command import options
from vaka.watch import status
from vaka.watch.probe import http_status

PROBE_TIMEOUT_S: Final = 5.0
NOT_RUNNING: Final = 3  # as the init scripts of the Linux Standard Base say it


@click.command("status")
@options.data
@options.as_json
def command(data: str, as_json: bool) -> int:
    """Every process: name, role, pid, address, state. Exit code 3 where Vaka is not running, 1 where not ready."""
    directory = assemble.directory(data)
    found = status.read(directory.status)
    running = status.alive(found)
    answers = {path: _ask(found.url, path) if found and running else None for path in ("/health", "/ready")}
    if as_json:
        processes = [asdict(part) for part in status.rows(found)] if found else []
        told = {"running": running, "processes": processes, **{path[1:]: code for path, code in answers.items()}}
        click.echo(orjson.dumps(told | {"note": found.note if found else None}, option=orjson.OPT_INDENT_2))
    elif not found or not running:
        click.echo(f"Vaka is not running in {directory.path}" + (f" (last: {found.note})" if found else ""))
    else:
        _table(found)
        click.echo("  ".join(f"{path} {code or 'no answer'}" for path, code in answers.items()))
    if not running:
        return NOT_RUNNING
    return 0 if answers["/ready"] == 200 else 1


def _ask(url: str, path: str) -> int | None:
    address = urlsplit(url)
    try:
        return asyncio.run(
            asyncio.wait_for(http_status(address.hostname or "", address.port or 80, path), PROBE_TIMEOUT_S)
        )
    except (OSError, TimeoutError):
        return None


def _table(found: status.Status) -> None:
    rows = [("NAME", "ROLE", "PID", "ADDRESS", "STATE")]
    rows += [(p.name, p.role, str(p.pid or "-"), p.address or "-", p.state) for p in status.rows(found)]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for row in rows:
        click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
