"""``vaka fill-demo`` (hidden): what ``vaka up --demo`` runs when the journal is ready. Fills an empty record only."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import psycopg
import zstandard

from vaka import assemble
from vaka.command import load as loading
from vaka.command import options
from vaka.fhir.definitions import type_number
from vaka.load.target import dsn_of
from vaka.region import demo


@click.command("fill-demo")
@options.data
@click.option("--database", metavar="URL", envvar="VAKA_DATABASE")
@click.option("--url", required=True)
def command(data: str, database: str | None, url: str) -> int:
    """Fill an empty record with the demo region."""
    directory = assemble.directory(data)
    with psycopg.connect(dsn_of(directory, database)) as connection:
        row = connection.execute(
            "SELECT count(*), count(*) FILTER (WHERE type = %s) FROM resource", (type_number("Patient"),)
        ).fetchone()
    assert row is not None
    code = 0
    path = directory.run / "demo.ndjson.zst"
    cut_off = path.exists()  # a fill that was stopped goes on, however far it came
    if row[0] and not row[1] and not cut_off:
        click.echo("The record holds something already, but no patients: the demo region is left out.", err=True)
        return 0
    if not row[0] or cut_off:
        click.echo("Filling the record with the demo region (synthetic people, today's dates) …", err=True)
        if not cut_off:
            _write(path)
        context = click.Context(loading.command)
        code = context.invoke(
            loading.command, paths=(str(path),), data=data, database=database, url=None, token=None, count=None,
            report_path=None, as_json=False,
        )  # fmt: skip
        if code == 0:
            path.unlink()
    else:
        click.echo(f"The record holds {row[1]} patients.", err=True)
    token = f"$(./vaka token --system me --data '{data}')"
    click.echo(f"Open {url.replace('//127.0.0.1:', '//localhost:')} and log in as one of the staff.", err=True)
    click.echo(f"Try:  curl -H \"Authorization: Bearer {token}\" '{url}/fhir/Patient?_count=3'", err=True)
    return int(code)


def _write(target: Path) -> None:
    now = datetime.now(ZoneInfo("Europe/Stockholm"))
    partial = target.with_suffix(".partial")
    with partial.open("wb") as file, zstandard.ZstdCompressor(level=1).stream_writer(file) as out:
        for text in demo.resources(now.date(), now):
            out.write(text + b"\n")
    partial.replace(target)
