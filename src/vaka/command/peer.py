"""``vaka peer``: the certificates with which copies come in at ``--peer-port``, and the keys that they sign sessions with."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import click
import orjson

from vaka import assemble, errors
from vaka.accesslog.direct import log_command
from vaka.api.certificates import Authority, write_closed
from vaka.command import options
from vaka.journal import copies
from vaka.load.target import dsn_of


@click.group("peer")
def command() -> None:
    """Certificates of the copies that come in at --peer-port, and shutting copies out."""


@command.command("certificate")
@click.argument("name")
@options.data
@click.option(
    "--host", "hosts", multiple=True, metavar="HOST",
    help="A name or address by which other copies reach it, where it has a --peer-port of its own.",
)  # fmt: skip
@click.option(
    "--to", "to", type=click.Path(path_type=Path, file_okay=False), default=".", show_default=True, metavar="DIR",
    help="The folder to write the two files to.",
)  # fmt: skip
def certificate(name: str, data: str, hosts: tuple[str, ...], to: Path) -> None:
    """Make the certificate of the copy NAME: NAME.pem (with its private key) and authority.pem (whom it trusts).

    The private key is in that file and nowhere else. Bring both to the copy over a way that you trust.
    """
    authority = _authority(data)
    to.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = to / f"{name}.pem"
    if path.exists():
        raise errors.Conflict(f"{path} is there already", help="give another folder with --to")
    write_closed(path, authority.peer(name, hosts))
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


@command.command("keys")
@options.data
@options.database
@options.as_json
def keys_(data: str, database: str | None, as_json: bool) -> None:
    """The keys that copies sign sessions with, and which copies are shut out."""
    rows = [
        {"copy": copy, "kid": kid, "system": principal, "since": added, "state": _state(removed, shut)}
        for copy, kid, principal, added, removed, shut in copies.listed(dsn_of(assemble.directory(data), database))
    ]
    if as_json:
        click.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2))
        return
    for one in rows:
        click.echo(f"{one['copy']:12} {one['kid']}  {one['state']:9} {one['since']:%Y-%m-%d %H:%M}  {one['system']}")


def _state(removed: datetime | None, shut: bool) -> str:
    return "shut out" if shut else "replaced" if removed is not None else "good"


@command.command("refuse")
@click.argument("name")
@options.data
@options.database
def refuse(name: str, data: str, database: str | None) -> None:
    """Shut the copy NAME out: within a second nothing of it is taken, and every session that it has signed is void."""
    dsn = dsn_of(assemble.directory(data), database)
    log_command(dsn, "copy-refused", name)
    copies.refuse(dsn, name)
    click.echo(f"{name} is shut out. Its certificate, if it has one, goes with: vaka peer remove {name}")


@command.command("admit")
@click.argument("name")
@options.data
@options.database
def admit(name: str, data: str, database: str | None) -> None:
    """Take the copy NAME in again, with a new key: remove DIR/keys/session.key there. The one that it had is void for good."""
    dsn = dsn_of(assemble.directory(data), database)
    log_command(dsn, "copy-admitted", name)
    copies.admit(dsn, name)
    click.echo(f"{name} is taken in again")


def _authority(data: str) -> Authority:
    directory = assemble.directory(data)
    if not directory.secret.is_dir():
        raise errors.Setup(
            f"there is no Vaka in {directory.path}", help="start one with `vaka up`, or name it with --data"
        )
    os.umask(0o077)
    return Authority(directory.path)
