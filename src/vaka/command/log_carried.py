"""``vaka log carried``: what a copy carries of other copies' access logs, why the journal refuses it, and bringing it again.

Invariant: nothing of what a log tells of people is shown; nothing that is carried is ever thrown away.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson

from vaka import assemble, errors
from vaka.command import options
from vaka.store.version import instant

if TYPE_CHECKING:
    from vaka.copy.own import Own


@click.command("carried")
@click.option("--again", is_flag=True, help="Bring what the journal has refused to it again.")
@click.option("--item", metavar="ID", help="With --again: this one alone.")
@click.option("--data", required=True, metavar="DIR", help="The copy's folder; of a copy of vaka up, DIR/copies/N.")
@click.option("--key-file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="The copy's key.")
@options.as_json
def carried(*, again: bool, item: str | None, data: str, key_file: Path | None, as_json: bool) -> int:
    """List what this copy keeps of other copies' access logs, to bring it to the journal for them: a copy whose disk is full
    while the journal is away gives its log to a neighbour. What the journal has refused stays, with the reason.

    \b
    vaka log carried --data /srv/copy
    vaka log carried --data /srv/copy --again        after the reason is gone: the copy was refused, and is let in again

    Exit code 1 where something is refused.
    """
    if item is not None and not again:
        raise click.UsageError("--item goes with --again")
    with _own(data, key_file) as own:
        if again:
            count = own.carry_again(item)
            click.echo(f"{count} go to the journal again, as soon as this copy runs and hears it", err=True)
        found = own.all_carried()
    for one in found:
        told = {"item": one.id, **_said(one.body), "state": "refused" if one.refused else "waits"}
        if one.refused:
            told |= {"at": instant(one.at_us) if one.at_us else None, "reason": one.reason or "no reason was kept"}
        click.echo(orjson.dumps(told) if as_json else "  ".join(f"{name} {value}" for name, value in told.items()))
    refused = sum(one.refused for one in found)
    if not as_json:
        click.echo(f"{len(found)} parts of logs, {refused} refused" + (": vaka log carried --again" if refused else ""))
    return 1 if refused else 0


def _said(body: bytes) -> dict[str, object]:
    from vaka.api.peer.carried import said

    try:
        found = said(body)
    except errors.Invalid as error:
        return {"unread": error.message}
    return {
        "copy": found.copy, "stream": found.stream, "blocks": f"{found.first}-{found.last}", "since": instant(found.since_us),
    }  # fmt: skip


@contextmanager
def _own(data: str, key_file: Path | None) -> Iterator[Own]:
    from vaka.copy import engine, files
    from vaka.copy.own import Own

    folder = files.Folder(assemble.directory(data).path)
    if not folder.own.exists():
        raise errors.Setup(
            f"there is no copy in {folder.path}", help="name its folder with --data; vaka up has them in DIR/copies"
        )
    connection = engine.lasting(folder.own, files.key(folder, key_file))
    try:
        yield Own(connection)
    finally:
        connection.close()
