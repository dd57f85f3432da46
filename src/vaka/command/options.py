"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

data = click.option(
    "--data",
    default="./vaka-data",
    show_default=True,
    metavar="DIR",
    envvar="VAKA_DATA",
    help="The folder of this Vaka.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
backup_dir = click.option(
    "--backup-dir",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where backups are kept, if not in DIR/backup: another disk, or better another machine.",
)
