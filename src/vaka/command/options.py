"""Options that several commands share."""

from __future__ import annotations

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
