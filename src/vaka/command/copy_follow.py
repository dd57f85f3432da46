"""``vaka copy-follow``: the follower of a read copy, as a child of ``vaka copy``. Not for people."""

from __future__ import annotations

import click

from vaka import errors
from vaka.assemble.copies import Copy
from vaka.command.copy import asked


@click.command("copy-follow", hidden=True)
@asked
def command(copy: Copy | None) -> None:
    """Follow the journal into the copy in DIR."""
    if copy is None:
        raise errors.Setup("vaka copy-follow is a part of vaka copy", help="start with vaka copy")
    from vaka.copy.running import Options, run

    run(
        Options(
            copy.directory.path, copy.key_file, copy.token_file, copy.authority, copy.certificate, copy.neighbours,
            copy.hold_back_s, frozenset(copy.announced),
        )
    )  # fmt: skip
