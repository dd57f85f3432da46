"""The identity services that people may log in at: settings of ``DIR/settings/identity.json``.

    [{"name": "Region Vikmark", "issuer": "https://id.example.org", "client_id": "vaka",
      "secret_file": "/etc/vaka/identity-secret", "provider": "SE2321000016-A001"}]

Invariants: an issuer is https, or on this machine; a secret stands in a file that its owner alone can read; a service that
names a provider (HSA-id) logs nobody in to another provider's assignments.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from vaka.errors import Setup

FILE: Final = "identity.json"
_ALGORITHMS: Final = frozenset({"RS256", "PS256", "ES256", "EdDSA"})


@dataclass(frozen=True, slots=True)
class Service:
    """One identity service. ``provider``: HSA-id of the only care provider that it speaks for; None: for all.
    ``algorithm``: what it signs with, and nothing else is taken. ``acr``: levels of assurance of which one is asked for and
    has to be told; empty: the service itself is trusted to ask for several factors."""

    name: str
    issuer: str
    client_id: str
    secret: str
    provider: str | None = None
    scope: str = "openid"
    algorithm: str = "RS256"
    acr: tuple[str, ...] = ()


def services(data_dir: Path) -> tuple[Service, ...]:
    """The services that are set up; none where there is no file. Setup error for what cannot be right."""
    path = data_dir / "settings" / FILE
    if not path.exists():
        return ()
    try:
        told = orjson.loads(path.read_bytes())
        return tuple(_service(path, one) for one in told)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Setup(
            f"{path} is not a list of identity services: {error}", help="docs/operating/login.md shows one"
        ) from error


def _service(path: Path, told: dict[str, Any]) -> Service:
    address = urlsplit(told["issuer"])
    if address.scheme != "https" and address.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise Setup(
            f"{path}: the issuer {told['issuer']} is not https", help="only a service on this machine may do without"
        )
    algorithm = told.get("algorithm", "RS256")
    if algorithm not in _ALGORITHMS:
        raise Setup(f"{path}: algorithm {algorithm} is not taken", help=f"one of {', '.join(sorted(_ALGORITHMS))}")
    secret_file = Path(told["secret_file"])
    secret_file = secret_file if secret_file.is_absolute() else path.parent / secret_file
    try:
        if secret_file.stat().st_mode & 0o077:
            raise Setup(f"{secret_file} can be read by others", help=f"chmod 600 {secret_file}")
        secret = secret_file.read_text().strip()
    except OSError as error:
        raise Setup(f"{secret_file} cannot be read: {error.strerror}", help=f"{path} names it") from error
    return Service(
        told["name"], told["issuer"], told["client_id"], secret, told.get("provider"), told.get("scope", "openid"),
        algorithm, tuple(told.get("acr", ())),
    )  # fmt: skip
