"""``vaka copy snapshot`` and ``vaka copy open``: one unit's patients on an ordinary PC, with no network (decision 0014)."""

from __future__ import annotations

from pathlib import Path

import click

from vaka import config
from vaka.access.settings import Settings
from vaka.api.wire import Wire
from vaka.assemble.snapshots import Keeping, Opening, keep, open_
from vaka.command import options
from vaka.copy.sheet.clock import in_words
from vaka.copy.snapshot.about import About
from vaka.copy.snapshot.place import Place

_FILE = click.Path(path_type=Path, dir_okay=False, resolve_path=True)
_DIR = click.Path(path_type=Path, file_okay=False, resolve_path=True)
_data = click.option(
    "--data", type=_DIR, metavar="DIR",
    help="What this machine keeps beside the file: key, token, logs.  [default: FILE.d]",
)  # fmt: skip
_key = click.option(
    "--key-file",
    type=_FILE,
    metavar="FILE",
    help="The key that the snapshot is encrypted with.  [default: made in DIR/keys]",
)
_authority = click.option(
    "--authority", type=_FILE, metavar="FILE", help="Whom the copy's certificate is verified with (authority.pem)."
)


@click.command("snapshot")
@click.option("--unit", required=True, metavar="HSA-ID", help="The unit whose patients it holds.")
@click.option("--to", "file", required=True, type=_FILE, metavar="FILE", help="Where it goes.")
@click.option(
    "--from", "source", default="http://127.0.0.1:8080", show_default=True, metavar="URL", help="A copy's address."
)
@click.option(
    "--token-file", type=_FILE, metavar="FILE", help="A token of vaka token --snapshot UNIT.  [default: DIR/keys/token]"
)
@click.option(
    "--hours", default=config.SNAPSHOT_HOURS, show_default=True, metavar="HOURS",
    type=click.FloatRange(0, config.SNAPSHOT_MAX_HOURS, min_open=True), help="How long it may be used.",
)  # fmt: skip
@click.option(
    "--every", "minutes", type=click.FloatRange(0.01), metavar="MINUTES",
    help="Stay, and fetch a newer one so often while a copy can be reached; the last good one is kept.",
)  # fmt: skip
@click.option("--name", default="", metavar="NAME", help="With a copy's own token: under which name it is given.")
@_data
@_key
@_authority
def snapshot(
    unit: str, file: Path, source: str, token_file: Path | None, hours: float, minutes: float | None, name: str,
    data: Path | None, key_file: Path | None, authority: Path | None,
) -> None:  # fmt: skip
    """Fetch one unit's patients from a copy, as an encrypted file that this machine can open with no network.

    \b
    vaka token --system ward-7-pc --snapshot SE2321000016-7AVD > pc.token               at the journal
    vaka copy snapshot --unit SE2321000016-7AVD --to ward.vaka --from https://ehr.example.org --token-file pc.token
    vaka copy snapshot --unit SE2321000016-7AVD --to ward.vaka --from https://ehr.example.org --every 15
    vaka copy open ward.vaka

    Exit code 66: the snapshots of this machine were revoked.
    """
    keep(
        Keeping(
            Place.at(file, data, key_file), source, unit, token_file, hours, name,
            minutes * 60 if minutes is not None else None, authority,
        ),
        lambda about: click.echo(_told(file, about)),
    )  # fmt: skip


@click.command("open")
@click.argument("file", type=_FILE)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", default=8090, show_default=True, type=click.IntRange(1, 65535), help="The port to listen at.")
@_data
@_key
@_authority
@options.law
@options.wire
def open_command(
    file: Path,
    host: str,
    port: int,
    data: Path | None,
    key_file: Path | None,
    authority: Path | None,
    law: Settings,
    wire: Wire,
) -> None:
    """Open a ward snapshot: its pages, for the unit's staff, until Ctrl-C or SIGTERM. It needs no network.

    What people do is logged here and brought to the journal when a copy can be reached again.

    Exit code 66: it has expired or was revoked. 78: it cannot be opened here, and says what to do.
    """
    place = Place.at(file, data, key_file)

    def told(about: About) -> None:
        click.echo(_told(file, about))
        name = wire.names[0] if wire.names else "localhost" if host in ("127.0.0.1", "::1") else host
        click.echo(f"Open {wire.scheme}://{name}:{port} (Ctrl-C stops it)")

    open_(Opening(place, host, port, wire, law, authority), told)


def _told(file: Path, about: About) -> str:
    logins = f"{about.logins or 'nobody'} of its staff can log in with a passkey"
    if not about.logins and not about.demo:
        logins += ": WITHOUT ONE NOBODY CAN OPEN IT; passkeys are made at /login/passkeys of a copy"
    return (
        f"{file}: {about.unit_name}, {about.patients} patients, as of {in_words(about.as_of_us, 'en')}, "
        f"to be used until {in_words(about.expires_us, 'en')}; {logins}"
    )
