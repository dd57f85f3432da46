"""``vaka region``: writes a synthetic region of any size as compressed NDJSON."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import click
import orjson
import zstandard
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vaka.command import options
from vaka.errors import Setup
from vaka.region.days import ZONE
from vaka.region.generate import generate

_LEVEL = 3
PATIENTS_MAX = 1_000_000


def _counted(resources: Iterator[tuple[str, bytes]], patients: int) -> Iterator[tuple[str, bytes]]:
    """The same resources, with a progress bar of patients on stderr where that is a terminal."""
    columns = (TextColumn("patients"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("patients", total=patients)
        for type_, text in resources:
            if type_ == "Patient":
                progress.advance(task)
            yield type_, text


def _to_stream(resources: Iterator[tuple[str, bytes]], out: BinaryIO) -> int:
    """One mixed stream, in an order in which every reference leads back."""
    count = 0
    with zstandard.ZstdCompressor(level=_LEVEL).stream_writer(out, closefd=False) as stream:
        for _, text in resources:
            stream.write(text + b"\n")
            count += 1
    return count


def _to_directory(resources: Iterator[tuple[str, bytes]], directory: Path) -> int:
    """A file for each type, as bulk exports have it."""
    count = 0
    with ExitStack() as stack:
        files: dict[str, zstandard.ZstdCompressionWriter] = {}
        for type_, text in resources:
            if type_ not in files:
                file = stack.enter_context((directory / f"{type_}.ndjson.zst").open("wb"))
                writer = zstandard.ZstdCompressor(level=_LEVEL).stream_writer(file, closefd=False)
                files[type_] = stack.enter_context(closing(writer))
            files[type_].write(text + b"\n")
            count += 1
    return count


@click.command("region")
@click.option("--patients", type=click.IntRange(1, PATIENTS_MAX), required=True, help="How many patients.")
@click.option(
    "--to", "target", required=True, metavar="DIR|-", help="A new or empty directory, or - for standard output."
)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed makes the same region.")
@click.option("--today", type=click.DateTime(["%Y-%m-%d"]), help="The day that is today; else this day.")
@options.as_json
def command(patients: int, target: str, seed: int, today: datetime | None, as_json: bool) -> None:
    """Write a synthetic region of any size as compressed NDJSON, which `vaka load` takes.

    \b
    vaka region --patients 10000 --to region && vaka load region

    A directory gets one file for each resource type; standard output gets one stream, in loading order.
    """
    now = datetime.now(UTC).astimezone(ZONE)
    day, moment = (now.date(), now) if today is None else (today.date(), None)
    resources = generate(patients, seed, day, moment)
    if target == "-":
        count = _to_stream(_counted(resources, patients), sys.stdout.buffer)
    else:
        directory = Path(target)
        if directory.exists() and any(directory.iterdir()):
            raise Setup(f"{directory} is not empty", help="name a new directory, or empty this one")
        directory.mkdir(parents=True, exist_ok=True)
        try:
            count = _to_directory(_counted(resources, patients), directory)
        except BaseException:  # half a region must not be taken for one
            for file in directory.iterdir():
                file.unlink()
            raise
    if as_json:
        told = {"to": target, "patients": patients, "resources": count, "today": f"{day}", "seed": seed}
        click.echo(orjson.dumps(told), err=target == "-")
    else:
        click.echo(f"{count} resources of {patients} patients", err=True)
