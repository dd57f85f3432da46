"""How Vaka listens: on loopback; elsewhere with TLS, or behind a proxy that has it. Asked for by ``vaka up``, checked at once.

Invariants: nothing beyond this machine is ever served in the clear without ``--behind-proxy``; a certificate that has
expired is told, and stops no start (outages: va-certificate); keys lie in files that their owner alone can read, and only
their paths are arguments."""

from __future__ import annotations

import ipaddress
import re
import ssl
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from vaka.errors import Setup

_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9A-Fa-f:]{2,39}")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens at ``host``."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True, slots=True)
class Wire:
    """``names``: by which callers reach it; ``own``: certificate and key are made here; ``proxies``: addresses, beside
    loopback, whose word on the caller is believed; ``peer_port``: where copies come in, each with a certificate of its own;
    ``behind_copies``: copies of this machine stand in front, and have what is said of certificates; ``peer_host``: the
    address of ``peer_port``, where it is another; ``near_port``: where copies of this machine come in, on loopback alone."""

    certificate: Path | None = None
    key: Path | None = None
    own: bool = False
    names: tuple[str, ...] = ()
    behind_proxy: bool = False
    proxies: tuple[str, ...] = ()
    peer_port: int | None = None
    behind_copies: bool = False
    peer_host: str | None = None
    near_port: int | None = None

    @property
    def secure(self) -> bool:
        """Whether it speaks TLS itself."""
        return (self.own or self.certificate is not None) and not self.behind_copies

    @property
    def believed(self) -> frozenset[str] | None:
        """Whose word on the caller is believed, beside loopback's; None: nobody's, not loopback's either."""
        return frozenset(self.proxies) if self.behind_proxy or self.behind_copies else None

    def of_journal(self, host: str) -> Wire:
        """How the journal listens, on loopback, behind copies that listen as this says at ``host``."""
        return replace(
            self, behind_proxy=False, proxies=(), names=(*self.names, host), behind_copies=True, peer_host=host
        )

    def of_copy(self) -> Wire:
        """How a copy listens in front of it: peers come to the journal."""
        return replace(self, peer_port=None)

    @property
    def scheme(self) -> str:
        return "https" if self.secure else "http"

    def check(self, host: str, *, demo: bool = False) -> None:
        """Setup error, with what to do, where this is not safe or not whole."""
        try:
            near = ipaddress.ip_address(host).is_loopback
        except ValueError as error:
            raise Setup(f"--host {host} is no address", help="give one as 127.0.0.1, 0.0.0.0 or ::") from error
        if not near and not (self.secure or self.behind_proxy):
            raise Setup(
                f"at {host} others on the network could read what is sent: it is served with TLS only",
                help="add --tls-certificate FILE --tls-key FILE, or --tls-own --name HOST (one made here), or --behind-proxy",
            )
        if demo and not near:
            raise Setup("the demo region is for this machine only", help="leave out --host, or --demo")
        if (self.certificate is None) != (self.key is None):
            raise Setup("a certificate and its key belong together", help="give both --tls-certificate and --tls-key")
        if self.own and self.certificate is not None:
            raise Setup("--tls-own makes a certificate, --tls-certificate gives one", help="take one of them")
        if self.behind_proxy and self.secure:
            raise Setup(
                "behind a proxy, the proxy has the certificate", help="take --behind-proxy or --tls-…, not both"
            )
        if self.behind_proxy and not self.names:
            raise Setup(
                "behind a proxy it cannot see by which name callers come", help="say it: --name journal.example.org"
            )
        if self.proxies and not self.behind_proxy:
            raise Setup("--proxy names a proxy, without --behind-proxy there is none", help="add --behind-proxy")
        for name in self.names:
            if not _NAME.fullmatch(name):
                raise Setup(
                    f"--name {name} is neither a host name nor an address", help="for example journal.example.org"
                )
        for proxy in self.proxies:
            try:
                ipaddress.ip_address(proxy)
            except ValueError as error:
                raise Setup(f"--proxy {proxy} is no address", help="give the address that it comes from") from error
        if self.own and not near and not self.names:
            raise Setup(
                "a certificate needs the names that callers use", help="--name journal.example.org, as often as needed"
            )
        if self.certificate is not None and self.key is not None:
            check_pair(self.certificate, self.key)

    def arguments(self) -> list[str]:
        """The same as arguments of ``vaka serve``."""
        told = (
            [f"--tls-certificate={self.certificate}", f"--tls-key={self.key}"] if self.certificate is not None else []
        )
        told += ["--tls-own"] if self.own else []
        told += [f"--name={name}" for name in self.names]
        told += ["--behind-proxy"] if self.behind_proxy else []
        told += [f"--proxy={proxy}" for proxy in self.proxies]
        told += ["--behind-copies"] if self.behind_copies else []
        told += [f"--peer-host={self.peer_host}"] if self.peer_host is not None else []
        told += [f"--near-port={self.near_port}"] if self.near_port is not None else []
        return told + ([f"--peer-port={self.peer_port}"] if self.peer_port is not None else [])


def check_pair(certificate: Path, key: Path) -> None:
    """Setup error unless these are a certificate and its key, the key closed to others. Expiry is no reason."""
    for path in (certificate, key):
        if not path.is_file():
            raise Setup(f"there is no file {path}", help="give the path of a PEM file")
    if key.stat().st_mode & 0o077:
        raise Setup(f"{key} can be read by others", help=f"chmod 600 {key}")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=_no_password)
    except (ssl.SSLError, OSError, ValueError) as error:
        raise Setup(
            f"{certificate} and {key} are not a certificate and its key: {getattr(error, 'reason', None) or error}",
            help="both in PEM, the key without a passphrase, the certificate with its chain",
        ) from error


def _no_password() -> str:
    raise ValueError("the key has a passphrase")
