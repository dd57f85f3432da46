"""``vaka keys``: the secrets that this Vaka signs and seals with, and changing them while it runs."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import click
import orjson

from vaka import assemble, errors
from vaka.api.keyring import Keyring
from vaka.api.published import RECOVERY
from vaka.api.secrets import read, renew
from vaka.command import options
from vaka.copy import files
from vaka.copy.reserve import recovery

SIGNING = ("token", "session")
PAGE = "page"
_ROTATED = {
    "token": "Tokens of before are valid until they expire, or until: vaka keys forget token {kid}",
    "session": "Sessions of before are valid until they expire, or until: vaka keys forget session {kid}",
    "page": "Addresses of further pages that were given before are void: searches start again.",
}


@click.group("keys")
def command() -> None:
    """The keys that tokens, sessions and page addresses are made with."""


@command.command("list")
@options.data
@options.as_json
def list_(data: str, as_json: bool) -> None:
    """Each key: its name, its id, whether it signs or only verifies, since when."""
    folder = _folder(data)
    rows = []
    for name in SIGNING:
        path = folder / f"{name}.key"
        if path.exists():
            kids = Keyring(folder.parent, name).kids()
            rows.append((name, kids[0], "signs", path))
            rows += [(name, kid, "verifies", folder / f"{name}.{kid}.old") for kid in kids[1:]]
    page = folder / f"{PAGE}.key"
    if page.exists():
        rows.append((PAGE, sha256(read(page)).hexdigest()[:16], "seals", page))
    told = [
        {"name": name, "kid": kid, "state": state, "since": datetime.fromtimestamp(path.stat().st_mtime, UTC)}
        for name, kid, state, path in rows
    ]
    if as_json:
        click.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2))
        return
    for one in told:
        click.echo(f"{one['name']:8} {one['kid']}  {one['state']:9} {one['since']:%Y-%m-%d %H:%M}")


@command.command("rotate")
@click.argument("name", type=click.Choice((*SIGNING, PAGE)))
@options.data
def rotate(name: str, data: str) -> None:
    """Make a new key; a running Vaka uses it within a second."""
    folder = _folder(data)
    if name == PAGE:
        renew(folder.parent, f"{PAGE}.key")
        click.echo(_ROTATED[PAGE])
        return
    ring = Keyring(folder.parent, name)
    before = ring.kid
    click.echo(f"{name}: {ring.rotate()} signs now. " + _ROTATED[name].format(kid=before))


@command.command("forget")
@click.argument("name", type=click.Choice(SIGNING))
@click.argument("kid")
@options.data
def forget(name: str, kid: str, data: str) -> None:
    """Take an old key away: what it signed is void within a second."""
    ring = Keyring(_folder(data).parent, name)
    if kid == ring.kid:
        raise errors.Invalid(f"{kid} is the key that signs now", help=f"vaka keys rotate {name} first")
    if kid not in ring.kids() or not ring.forget(kid):
        raise errors.NotFound(f"there is no old key {kid[:32]} called {name}", help="vaka keys list shows them")
    click.echo(f"what {kid} signed is void")


@command.group("recovery")
def recovery_() -> None:
    """The region's recovery key: it opens the reserve of a copy whose own key is lost (`vaka reserve recover`)."""


@recovery_.command("make")
@click.option(
    "--to", required=True, type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Where the private half goes, under a passphrase. The public half goes beside it, in FILE.pub.",
)  # fmt: skip
@options.passphrase(confirm=True)
def recovery_make(to: Path, passphrase: str) -> None:
    """Make a recovery key, best on a machine without a network. Keep FILE and its passphrase apart, and offline."""
    public = to.with_name(to.name + ".pub")
    if to.exists() or public.exists():
        raise errors.Conflict(f"{to} or {public} is there already", help="a recovery key is never overwritten")
    private, half = recovery.make(passphrase)
    files.replace(to, private)
    files.replace(public, half)
    click.echo(f"Recovery key {recovery.fingerprint(recovery.public_half(half))} is in {to}: keep it offline.")
    click.echo(f"Next, at the journal: vaka keys recovery use {public}")


@recovery_.command("use")
@click.argument("public", type=click.Path(exists=True, path_type=Path, dir_okay=False))
@options.data
def recovery_use(public: Path, data: str) -> None:
    """Give copies the public half: within seconds each wraps the key of its reserve to it."""
    half = public.read_bytes()
    kid = recovery.fingerprint(recovery.public_half(half))
    files.replace(_folder(data) / RECOVERY, half)
    click.echo(f"Copies wrap their reserves' keys to {kid}; `vaka reserve list` on a copy says when it has.")


def _folder(data: str) -> Path:
    folder = assemble.directory(data).secret
    if not folder.is_dir():
        raise errors.Setup(
            f"there is no Vaka in {folder.parent}", help="start one with `vaka up`, or name it with --data"
        )
    return folder
