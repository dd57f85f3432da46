"""``vaka restore``: bring back the record as it was, beside the live one, and swap it in when it is verified."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import click
import orjson
from rich.progress import TaskID

from vaka import assemble, errors, log
from vaka.command import options
from vaka.command.backup import bar


def _time(text: str | None) -> datetime | None:
    if text is None or text == "latest":
        return None
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError as bad:
        raise errors.Invalid(
            f"{text} is not a time",
            help="latest, or a time such as 2026-03-01T08:30:00+01:00 (no zone: this machine's)",
        ) from bad


@click.command("restore")
@click.option("--to", metavar="latest|TIME", help="How far to go: all there is, or the record as it was at TIME.")
@click.option("--finish", is_flag=True, help="Go on with a restore that was interrupted or waits for the swap.")
@click.option("--cancel", is_flag=True, help="Give up a restore that is not swapped in.")
@click.option("--no-swap", is_flag=True, help="Prepare and verify only; --finish swaps it in.")
@options.data
@options.backup_dir
@options.as_json
def command(
    *, to: str | None, finish: bool, cancel: bool, no_swap: bool, data: str, backup_dir: Path | None, as_json: bool
) -> int:
    """Restore beside the live record, verify, and swap in once Vaka is stopped. The old record is kept.

    \b
    vaka restore --to latest
    vaka restore --to 2026-03-01T08:30:00+01:00
    vaka restore --to latest --no-swap && vaka restore --cancel    a rehearsal
    """
    from vaka.recover import place as places
    from vaka.recover import restore

    if sum((to is not None, finish, cancel)) != 1:
        raise click.UsageError("give one of --to, --finish and --cancel")
    directory = assemble.directory(data)
    home = directory.path
    root, moment = (backup_dir or directory.backup).resolve(), _time(to)
    # Before anything is made: a folder that was mistyped stays as it is.
    if to is not None:
        places.wanted(places.of(root, directory.pgdata).bases(), moment)
    elif not (home / restore.FOLDER).exists():
        raise _none_here(home)
    directory.create()
    log.setup("restore", directory.log / "restore.jsonl")
    with directory.lock("restore.lock"):
        if cancel:
            _give_up(home, as_json=as_json)
            return 0
        plan = restore.begin(home, root, moment) if to is not None else restore.load(home)
        if plan is None:
            raise _none_here(home)
        with bar() as shown:
            tasks: dict[str, TaskID] = {}

            def progress(what: str, done: int, total: int) -> None:
                if what not in tasks:
                    tasks[what] = shown.add_task(what, total=total or None)
                shown.update(tasks[what], completed=done)

            plan = restore.prepare(home, plan, progress)
        before = None if no_swap else assemble.swap_in(directory, plan)
    report = asdict(plan.report) if plan.report else {}
    if as_json:
        click.echo(orjson.dumps({"swapped": before is not None, "before": str(before) if before else None, **report}))
    else:
        last = report["last_change"] or "never"
        click.echo(f"restored {report['versions']} versions, the last of {last}, epoch {report['epoch']}")
        if report["cut"]:
            click.echo(f"the backup is damaged, and the record ends where the damage begins: {report['cut']}")
        if before is not None:
            click.echo(f"swapped in; the record as it was before is kept in {before}")
        else:
            click.echo("verified and waiting: stop Vaka, then vaka restore --finish")
    return 0


def _none_here(home: Path) -> errors.NotFound:
    return errors.NotFound(
        f"no restore is under way in {home}", help="begin one with --to, or give the folder with --data"
    )


def _give_up(home: Path, *, as_json: bool) -> None:
    from vaka.recover import restore

    found = restore.load(home)
    if found is not None and found.step == "swap":
        raise errors.Conflict("the swap has begun", help="vaka restore --finish ends it")
    restore.cancel(home)
    click.echo(orjson.dumps({"cancelled": True}) if as_json else "given up; the live record is as it was")
