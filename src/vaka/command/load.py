"""``vaka load``: whole files into the record. docs/operating/loading.md tells how to use it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

import click
import orjson

from vaka import assemble, errors
from vaka.accesslog.direct import log_command
from vaka.command import options
from vaka.load.progress import REFUSALS_SHOWN, Bar, sentence, summary
from vaka.load.report import EXIT_ALL, EXIT_INTERRUPTED, EXIT_SOME_REFUSED, Refusal
from vaka.load.run import Run, Stopped, Work
from vaka.load.sources import files
from vaka.load.target import dsn_of, settle

_WORKERS_MAX = 16


@click.command("load")
@click.argument("paths", nargs=-1, required=True, type=click.Path())
@options.data
@options.database
@click.option("--url", help="Load over HTTP into the Vaka at this address (…/fhir) instead of into the local one.")
@click.option(
    "--token", envvar="VAKA_TOKEN", help="The token for --url; better in VAKA_TOKEN than on the command line."
)
@click.option(
    "--workers",
    "count",
    type=click.IntRange(1, _WORKERS_MAX),
    help="Processes (with --url: connections).  [default: one a core]",
)
@click.option(
    "--report", "report_path", type=click.Path(dir_okay=False, writable=True), help="Write refusals here, as NDJSON."
)
@options.as_json
def command(
    paths: tuple[str, ...], data: str, database: str | None, url: str | None, token: str | None,
    count: int | None, report_path: str | None, as_json: bool,
) -> int:  # fmt: skip
    """Load transaction, batch and collection bundles and NDJSON, also .gz and .zst, and folders of them.

    \b
    vaka load export/ --report refused.ndjson            into the Vaka in ./vaka-data, which runs
    VAKA_TOKEN=… vaka load --url https://HOST/fhir FILE  into another one

    Loading the same again changes nothing, so a load that was stopped is resumed by the same command. Exit code 0: all
    is there; 65: some was refused, the rest is there; 75: the journal went away; 130: stopped.
    """
    found = files(paths)
    shown = 0
    with ExitStack() as stack:
        report: IO[bytes] | None = stack.enter_context(Path(report_path).open("wb")) if report_path else None
        stop = stack.enter_context(_signals())
        bar = stack.enter_context(Bar(found))

        def refused(refusal: Refusal) -> None:
            nonlocal shown
            shown += 1
            if report is not None:
                report.write(orjson.dumps(refusal.row(), option=orjson.OPT_APPEND_NEWLINE))
                report.flush()
            if shown <= REFUSALS_SHOWN:
                bar.refusal(refusal)

        dsn = None if url else dsn_of(assemble.directory(data), database)
        if dsn is not None:
            log_command(dsn, "load", "begins: " + " ".join(paths))
        lanes, work = _lanes(dsn, url, token, count or os.cpu_count() or 1)
        bar.begin()
        run = Run(lanes, work, lambda: bool(stop), refused)
        stopped = False
        try:
            run.load(found, lambda path, read: bar.at(path, read, run.counts))
        except Stopped:
            stopped = True
        except KeyboardInterrupt:  # the second: nobody is waited for, and what was not committed is not there
            stack.close()
            if dsn is not None:
                from vaka.load import workers

                workers.abandon()
            os._exit(EXIT_INTERRUPTED)
        finally:
            seconds = bar.seconds
            for lane in lanes:
                lane.shutdown(wait=True, cancel_futures=True)
        if dsn is not None and not stopped and run.counts.written:
            settle(dsn)
        if dsn is not None:
            log_command(dsn, "load", f"{'stopped' if stopped else 'ends'}: {sentence(run.counts, seconds)}")
    if shown > REFUSALS_SHOWN:
        where = f"all are in {report_path}" if report_path else "--report FILE writes them all"
        click.echo(f"… and {shown - REFUSALS_SHOWN} more refusals ({where})", err=True)
    if as_json:
        click.echo(orjson.dumps({**summary(run.counts, seconds), "stopped": stopped}))
    else:
        click.echo(sentence(run.counts, seconds) + ("; stopped: the same command goes on" if stopped else ""), err=True)
    if stopped:
        return EXIT_INTERRUPTED
    return EXIT_SOME_REFUSED if run.counts.refused else EXIT_ALL


def _lanes(dsn: str | None, url: str | None, token: str | None, count: int) -> tuple[list[Executor], Work]:
    if dsn is not None:
        from vaka.load import workers

        started = workers.lanes(dsn, count)
        workers.ready(started)
        return started, workers.work
    if not token:
        raise errors.Setup("loading over HTTP needs a token", help="make one with vaka token, give it in VAKA_TOKEN")
    from vaka.load import remote

    return remote.lanes(url or "", token, count)


@contextmanager
def _signals() -> Iterator[list[int]]:
    """A list that is filled when the first SIGINT or SIGTERM asks for the end; the second one ends at once."""
    asked: list[int] = []

    def note(number: int, _: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
