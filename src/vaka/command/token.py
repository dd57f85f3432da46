"""``vaka token``: a bearer token for a program."""

from __future__ import annotations

import click
import orjson

from vaka import assemble, errors
from vaka.access.scopes import FEED, FEED_PRIVATE, RESERVE, SNAPSHOT, parse_scopes
from vaka.api.keyring import Keyring
from vaka.api.tokens import DEFAULT_DAYS, Tokens
from vaka.command import options

_FULL = ("system/*.*", FEED)
_KNOWN = (*_FULL, FEED_PRIVATE, RESERVE)


@click.command("token")
@options.data
@click.option(
    "--system", "name", required=True, metavar="NAME", help="The program that the token is for; logs name it."
)
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(_KNOWN),
    help=f"What it may do; {FEED_PRIVATE}, for read copies alone, is never given by default.  [default: {', '.join(_FULL)}]",
)
@click.option(
    "--snapshot",
    "unit",
    metavar="HSA-ID",
    help="For a PC that fetches this unit's ward snapshot, and nothing else; NAME is what is revoked when the PC is lost.",
)
@click.option(
    "--days",
    default=float(DEFAULT_DAYS),
    show_default=True,
    type=click.FloatRange(0.01, 3_650),
    help="How long it is valid.",
)
@options.as_json
def command(data: str, name: str, scopes: tuple[str, ...], unit: str | None, days: float, as_json: bool) -> None:
    """Make a token for a program, and print it. Whoever has it can do what it allows until it expires: keep it safe.

    \b
    TOKEN=$(vaka token --system laboratory)
    curl -H "Authorization: Bearer $TOKEN" localhost:8080/fhir/Patient
    """
    directory = assemble.directory(data).path
    if not directory.is_dir():
        raise errors.Setup(f"there is no Vaka in {directory}", help="start one with `vaka up`, or name it with --data")
    granted = frozenset(scopes or _FULL) if unit is None else frozenset({SNAPSHOT + unit})
    if unit is not None and (scopes or parse_scopes(SNAPSHOT + unit)[1] != granted):
        raise errors.Setup(
            "--snapshot takes the id of one unit, and no --scope beside it", help="for example SE2321000016-7AVD"
        )
    token = Tokens(Keyring(directory, "token")).make(name, scopes=granted, days=days)
    if as_json:
        click.echo(orjson.dumps({"token": token, "system": name, "scopes": sorted(granted), "days": days}))
    else:
        click.echo(token)
