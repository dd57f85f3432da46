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
    """Restore beside the live record, verify, and swap in once Vaka is stopped. The old record is kept."""
    from vaka.recover import restore

    if sum((to is not None, finish, cancel)) != 1:
        raise click.UsageError("give one of --to, --finish and --cancel")
    directory = assemble.directory(data)
    home = directory.path
    directory.create()
    log.setup("restore", directory.log / "restore.jsonl")
    if cancel:
        if (found := restore.load(home)) is not None and found.step == "swap":
            raise errors.Conflict("the swap has begun", help="vaka restore --finish ends it")
        restore.cancel(home)
        return 0
    with directory.lock("restore.lock"):
        if finish:
            plan = restore.load(home)
            if plan is None:
                raise errors.NotFound("no restore is under way here", help="begin one with --to")
        else:
            plan = restore.begin(home, (backup_dir or directory.backup).resolve(), _time(to))
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
