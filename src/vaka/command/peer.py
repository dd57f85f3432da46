"""``vaka peer``: the certificates with which copies come in at ``--peer-port``."""

from __future__ import annotations

import os
from pathlib import Path

import click
import orjson

from vaka import assemble, errors
from vaka.api.certificates import Authority, write_closed
from vaka.command import options


@click.group("peer")
def command() -> None:
    """Certificates of the copies that come in at --peer-port."""


@command.command("certificate")
@click.argument("name")
@options.data
@click.option(
    "--to", "to", type=click.Path(path_type=Path, file_okay=False), default=".", show_default=True, metavar="DIR",
    help="The folder to write the two files to.",
)  # fmt: skip
def certificate(name: str, data: str, to: Path) -> None:
    """Make the certificate of the copy NAME: NAME.pem (with its private key) and authority.pem (whom it trusts).

    The private key is in that file and nowhere else. Bring both to the copy over a way that you trust.
    """
    authority = _authority(data)
    to.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = to / f"{name}.pem"
    if path.exists():
        raise errors.Conflict(f"{path} is there already", help="give another folder with --to")
    write_closed(path, authority.peer(name))
    write_closed(to / "authority.pem", authority.certificate_path.read_bytes())
    click.echo(
        f"{path} is the copy's certificate and private key, {to / 'authority.pem'} what it verifies this Vaka with"
    )


@command.command("list")
@options.data
@options.as_json
def list_(data: str, as_json: bool) -> None:
    """The copies that have a certificate, and until when."""
    found = _authority(data).peers()
    if as_json:
        click.echo(
            orjson.dumps([{"peer": one.name, "expires": one.expires} for one in found], option=orjson.OPT_INDENT_2)
        )
        return
    for one in found:
        click.echo(f"{one.name}  expires {one.expires:%Y-%m-%d}")


@command.command("remove")
@click.argument("name")
@options.data
def remove(name: str, data: str) -> None:
    """Void the certificate of a copy; a running Vaka refuses it within seconds."""
    _authority(data).remove(name)
    click.echo(f"the certificate of {name} is void")


def _authority(data: str) -> Authority:
    directory = assemble.directory(data)
    if not directory.secret.is_dir():
        raise errors.Setup(
            f"there is no Vaka in {directory.path}", help="start one with `vaka up`, or name it with --data"
        )
    os.umask(0o077)
    return Authority(directory.path)
