"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from vaka.access.settings import NAMES, settings_of
from vaka.api.wire import Wire

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
database = click.option(
    "--database", metavar="URL", envvar="VAKA_DATABASE", help="The PostgreSQL that `vaka up --database` was given."
)
law = click.option(
    "--law", multiple=True, metavar="NAME=on", callback=lambda _, __, given: settings_of(given),
    help=f"Switch on a point of law that the region has settled: {', '.join(NAMES)}. All are off by default.",
)  # fmt: skip
_FILE = click.Path(path_type=Path, dir_okay=False, resolve_path=True)


def passphrase(*, confirm: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The passphrase of the recovery key as the argument ``passphrase``: from a file, else asked for and not shown."""

    def decorated(command: Callable[..., Any]) -> Callable[..., Any]:
        @click.option(
            "--passphrase-file", type=_FILE, metavar="FILE", help="Its passphrase.  [default: it is asked for]"
        )
        @wraps(command)
        def asked(*, passphrase_file: Path | None, **others: Any) -> Any:
            if passphrase_file is not None:
                told = passphrase_file.read_text().strip()
            else:
                told = click.prompt("Passphrase of the recovery key", hide_input=True, confirmation_prompt=confirm)
            return command(**others, passphrase=told)

        return asked

    return decorated


def wire(command: Callable[..., Any]) -> Callable[..., Any]:
    """How it listens, as one argument ``wire``."""

    @click.option(
        "--tls-certificate", type=_FILE, metavar="FILE", help="Serve with TLS: this certificate, with its chain."
    )
    @click.option("--tls-key", type=_FILE, metavar="FILE", help="The certificate's private key.")
    @click.option("--tls-own", is_flag=True, help="Serve with TLS: a certificate made here, renewed by itself.")
    @click.option("--name", "names", multiple=True, metavar="HOST", help="A name or address that callers use.")
    @click.option("--behind-proxy", is_flag=True, help="A proxy in front has the certificate and speaks TLS.")
    @click.option(
        "--proxy", "proxies", multiple=True, metavar="ADDRESS", help="Where that proxy is, if not on this machine."
    )
    @click.option(
        "--peer-port", type=click.IntRange(1, 65535), help="Where copies come in, each with a certificate of its own."
    )
    @click.option("--behind-copies", is_flag=True, hidden=True, help="Read copies of this machine are in front.")
    @click.option("--peer-host", hidden=True, help="The address of --peer-port, where it is another.")
    @click.option(
        "--near-port", type=click.IntRange(1, 65535), hidden=True, help="Where other copies of this machine come in."
    )
    @wraps(command)
    def listening(
        *,
        tls_certificate: Path | None,
        tls_key: Path | None,
        tls_own: bool,
        names: tuple[str, ...],
        behind_proxy: bool,
        proxies: tuple[str, ...],
        peer_port: int | None,
        behind_copies: bool,
        peer_host: str | None,
        near_port: int | None,
        **others: Any,
    ) -> Any:
        chosen = Wire(
            tls_certificate, tls_key, tls_own, names, behind_proxy, proxies, peer_port, behind_copies, peer_host,
            near_port,
        )  # fmt: skip
        return command(**others, wire=chosen)

    return listening
