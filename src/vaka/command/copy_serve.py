"""``vaka copy-serve``: what answers, as a child of ``vaka copy``. Not for people."""

from __future__ import annotations

import click

from vaka import assemble, errors
from vaka.assemble.copies import Copy
from vaka.command.copy import asked


@click.command("copy-serve", hidden=True)
@asked
@click.option("--number", default=1, type=click.IntRange(1, 64), help="Which of the processes that answer.")
def command(copy: Copy | None, number: int) -> None:
    """Answer from the copy in DIR, and pass on what it cannot."""
    if copy is None:
        raise errors.Setup("vaka copy-serve is a part of vaka copy", help="start with vaka copy")
    assemble.serve_copy(copy, number)
