"""``vaka copy-follow``: the follower of a read copy, as a child of ``vaka copy``. Not for people."""

from __future__ import annotations

from pathlib import Path

import click

from vaka import errors
from vaka.assemble.copies import Copy
from vaka.command.copy import asked

_FILE = click.Path(path_type=Path, dir_okay=False, resolve_path=True)


@click.command("copy-follow", hidden=True)
@asked
@click.option("--authority", type=_FILE, metavar="FILE", help="Whom the journal's certificate is verified with.")
@click.option("--certificate", type=_FILE, metavar="FILE", help="This copy's own certificate and key.")
@click.option("--neighbour", "neighbours", multiple=True, metavar="URL", help="A copy that may give a seed.")
@click.option("--hold-back", "hold_back_s", type=float, default=0.0, metavar="SECONDS", help="Apply nothing younger.")
@click.option("--announced", "exempt", multiple=True, metavar="SOURCE", help="A load that the brake does not count.")
def command(
    copy: Copy | None,
    authority: Path | None,
    certificate: Path | None,
    neighbours: tuple[str, ...],
    hold_back_s: float,
    exempt: tuple[str, ...],
) -> None:
    """Follow the journal into the copy in DIR."""
    if copy is None:
        raise errors.Setup("vaka copy-follow is a part of vaka copy", help="start with vaka copy")
    from vaka.copy.running import Options, run

    run(
        Options(
            copy.directory.path, copy.key_file, copy.token_file, authority, certificate, neighbours, hold_back_s,
            frozenset(exempt),
        )
    )  # fmt: skip
