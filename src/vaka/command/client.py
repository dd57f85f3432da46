"""``vaka client``: the programs that may ask for tokens with a signed assertion."""

from __future__ import annotations

import re
from pathlib import Path

import click
import orjson

from vaka import assemble, errors
from vaka.access.scopes import parse_scopes
from vaka.api.assertions import public_keys
from vaka.command import options
from vaka.journal import clients
from vaka.load.target import dsn_of

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_FILE = click.Path(exists=True, path_type=Path, dir_okay=False)


@click.group("client")
def command() -> None:
    """Programs that ask for tokens with a signed assertion (SMART Backend Services)."""


@command.command("add")
@click.argument("name")
@options.data
@options.database
@click.option("--jwks", type=_FILE, metavar="FILE", help="Its public keys, a JSON Web Key Set.")
@click.option("--public-key", type=_FILE, metavar="FILE", help="Its public key in PEM.")
@click.option(
    "--scope", "scopes", multiple=True, required=True, metavar="SCOPE",
    help="What it may do, for example 'system/Observation.rs?category=laboratory'.",
)  # fmt: skip
@click.option("--provider", metavar="ID", help="Only this care provider's information: its HSA-id or Organization id.")
@options.as_json
def add(
    name: str, data: str, database: str | None, jwks: Path | None, public_key: Path | None, scopes: tuple[str, ...],
    provider: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Register a program. Only its public key is kept; it signs with the private one, which stays with it."""
    if not _NAME.fullmatch(name):
        raise errors.Invalid("a client's name is 1 to 64 letters, digits, dots, hyphens and underscores")
    path = jwks or public_key
    if path is None or (jwks and public_key):
        raise errors.Invalid("name the public key", help="--jwks FILE or --public-key FILE, one of them")
    keys = public_keys(path.read_bytes())
    grants, others = parse_scopes(" ".join(scopes))
    if others and provider is not None:
        raise errors.Invalid(
            "the feed holds every provider's information", help=f"leave out --provider, or the scope {min(others)}"
        )
    granted = " ".join([*(grant.text for grant in grants), *sorted(others)])
    owned = clients.add(dsn_of(assemble.directory(data), database), name, keys, granted, provider)
    kids = [str(key["kid"]) for key in keys]
    if as_json:
        click.echo(orjson.dumps({"client": name, "keys": kids, "scopes": granted.split(" "), "provider": owned}))
    else:
        click.echo(f"{name} may ask for tokens at /auth/token, with the key{'s' * (len(kids) > 1)} {', '.join(kids)}")


@command.command("list")
@options.data
@options.database
@options.as_json
def list_(data: str, database: str | None, as_json: bool) -> None:
    """The registered programs."""
    found = clients.registered(dsn_of(assemble.directory(data), database))
    if as_json:
        told = [
            {
                "client": c.name,
                "keys": list(c.keys),
                "scopes": c.scopes.split(" "),
                "provider": c.provider,
                "added": c.added,
            }
            for c in found
        ]
        click.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2))
        return
    for client in found:
        of = f" of {client.provider}" if client.provider else ""
        click.echo(f"{client.name}{of}: {client.scopes} (keys {', '.join(client.keys)}; since {client.added:%Y-%m-%d})")


@command.command("remove")
@click.argument("name")
@options.data
@options.database
def remove(name: str, data: str, database: str | None) -> None:
    """End a program's access. Tokens that it has are void within a second."""
    clients.remove(dsn_of(assemble.directory(data), database), name)
    click.echo(f"{name} is removed, and its tokens are void")
