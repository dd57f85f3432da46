"""``vaka copy-serve``: what answers, as a child of ``vaka copy``. Not for people."""

from __future__ import annotations

import click

from vaka import assemble
from vaka.assemble.copies import Copy
from vaka.command.copy import asked


@click.command("copy-serve", hidden=True)
@asked
@click.option("--number", default=1, type=click.IntRange(1, 64))
def command(copy: Copy, number: int) -> None:
    """Answer from the copy in DIR, and pass on what it cannot."""
    assemble.serve_copy(copy, number)
