"""Certificates made here: an authority of this Vaka's own, its server's certificate, and one for each copy that comes in.

Everything lies in ``DIR/secret/tls``. Invariants: private keys are readable by their owner alone; a peer's private key
leaves with the peer and is not kept; the server's certificate is renewed long before it expires; a peer that was removed
stands in the revocation list. Source: RFC 5280.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from vaka.errors import Conflict, Invalid, NotFound, Setup

AUTHORITY_DAYS: Final = 3_650
SERVER_DAYS: Final = 90
PEER_DAYS: Final = 397
RENEW_BEFORE_DAYS: Final = 30
LIST_DAYS: Final = 3_650
NAME_MAX_CHARS: Final = 63
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_Key = ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Peer:
    name: str
    serial: int
    expires: datetime


class Authority:
    """The authority of the Vaka in ``data_dir``; made on first use."""

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / "secret" / "tls"
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.certificate_path = self.folder / "authority.pem"
        self.revoked_path = self.folder / "revoked.pem"
        self.server_certificate, self.server_key = self.folder / "server.pem", self.folder / "server.key"
        key_path = self.folder / "authority.key"
        if not key_path.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Vaka {os.urandom(4).hex()}")])
            made = _builder(name, name, key, AUTHORITY_DAYS)
            made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            made = made.add_extension(_usage(signs=True), critical=True)
            write_closed(self.certificate_path, made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
            write_closed(key_path, _pem(key))
        if key_path.stat().st_mode & 0o077:
            raise Setup(f"{key_path} can be read by others", help=f"chmod 600 {key_path}")
        self._key = load_pem_private_key(key_path.read_bytes(), None)
        self._certificate = x509.load_pem_x509_certificate(self.certificate_path.read_bytes())
        if not self.revoked_path.exists():
            self._list(())

    def server(self, names: Sequence[str]) -> bool:
        """Sees to a server certificate for ``names`` and loopback that is good for long enough. True if it is new."""
        wanted = list(dict.fromkeys([*names, *LOOPBACK]))
        if self.server_certificate.exists() and self.server_key.exists():
            have = x509.load_pem_x509_certificate(self.server_certificate.read_bytes())
            if sorted(names_of(have)) == sorted(wanted) and days_left(have) > RENEW_BEFORE_DAYS:
                return False
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._issue(wanted[0], key, SERVER_DAYS, ExtendedKeyUsageOID.SERVER_AUTH)
        made = made.add_extension(x509.SubjectAlternativeName([_general(name) for name in wanted]), critical=False)
        certificate = made.sign(self._signer, hashes.SHA256())
        write_closed(self.server_key, _pem(key))
        write_closed(
            self.server_certificate, certificate.public_bytes(Encoding.PEM) + self.certificate_path.read_bytes()
        )
        return True

    def peer(self, name: str, hosts: Sequence[str] = ()) -> bytes:
        """A certificate for the copy ``name`` with its private key, in PEM. ``hosts``: by which other copies reach it, where it
        listens for them; it can be shown as a server's under these alone. Conflict if it has one already; Invalid for a host that
        is the server's own."""
        if (
            not name
            or len(name) > NAME_MAX_CHARS
            or not name.replace("-", "").replace(".", "").isalnum()
            or name[0] == "."
        ):
            raise Invalid(f"a peer's name is 1 to {NAME_MAX_CHARS} letters, digits, hyphens and dots")
        ours = self._server_names()
        if taken := [host for host in hosts if host.lower() in ours]:
            raise Invalid(f"{taken[0]} is this server's own name: a copy must not be taken for it")
        path = self.folder / f"peer.{name}.pem"
        if path.exists():
            raise Conflict(f"the peer {name} has a certificate", help=f"vaka peer remove {name} voids it first")
        key = ec.generate_private_key(ec.SECP256R1())
        uses = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if hosts else [])]
        made = self._issue(name, key, PEER_DAYS, *uses)
        if hosts:
            made = made.add_extension(x509.SubjectAlternativeName([_general(host) for host in hosts]), critical=False)
        certificate = made.sign(self._signer, hashes.SHA256()).public_bytes(Encoding.PEM)
        write_closed(path, certificate)
        return _pem(key) + certificate

    def _server_names(self) -> list[str]:
        """Of the server's certificate, loopback's not counted: every machine has those."""
        if not self.server_certificate.exists():
            return []
        found = names_of(x509.load_pem_x509_certificate(self.server_certificate.read_bytes()))
        return [name.lower() for name in found if name not in LOOPBACK]

    def peers(self) -> list[Peer]:
        found = []
        for path in sorted(self.folder.glob("peer.*.pem")):
            certificate = x509.load_pem_x509_certificate(path.read_bytes())
            name = path.name.removeprefix("peer.").removesuffix(".pem")
            found.append(Peer(name, certificate.serial_number, certificate.not_valid_after_utc))
        return found

    def remove(self, name: str) -> None:
        """Voids the certificate of ``name``. NotFound if it has none."""
        found = next((peer for peer in self.peers() if peer.name == name), None)
        if found is None:
            raise NotFound(f"there is no peer {name}", help="vaka peer list shows them")
        before = x509.load_pem_x509_crl(self.revoked_path.read_bytes())
        self._list([*(one.serial_number for one in before), found.serial])
        (self.folder / f"peer.{name}.pem").unlink()

    def _list(self, serials: Sequence[int]) -> None:
        now = datetime.now(UTC) - timedelta(minutes=5)
        if self.revoked_path.exists():  # a verifier that has several takes the newest, to the second
            now = max(
                now, x509.load_pem_x509_crl(self.revoked_path.read_bytes()).last_update_utc + timedelta(seconds=1)
            )
        made = x509.CertificateRevocationListBuilder().issuer_name(self._certificate.subject)
        made = made.last_update(now).next_update(now + timedelta(days=LIST_DAYS))
        for serial in serials:
            made = made.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
            )
        # A verifier demands both: which key signed it, and that lists are told apart.
        made = made.add_extension(self._identifier, critical=False)
        made = made.add_extension(x509.CRLNumber(int(now.timestamp() * 1_000)), critical=False)
        write_closed(self.revoked_path, made.sign(self._signer, hashes.SHA256()).public_bytes(Encoding.PEM))

    @property
    def _signer(self) -> _Key:
        assert isinstance(self._key, _Key)
        return self._key

    @property
    def _identifier(self) -> x509.AuthorityKeyIdentifier:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(self._signer.public_key())

    def _issue(self, name: str, key: _Key, days: int, *uses: x509.ObjectIdentifier) -> x509.CertificateBuilder:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:NAME_MAX_CHARS])])
        made = _builder(subject, self._certificate.subject, key, days)
        made = made.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        made = made.add_extension(_usage(signs=False), critical=True)
        made = made.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        return made.add_extension(self._identifier, critical=False)


def names_of(certificate: x509.Certificate) -> list[str]:
    """The host names and addresses of a certificate."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [
        *found.get_values_for_type(x509.DNSName),
        *(str(address) for address in found.get_values_for_type(x509.IPAddress)),
    ]


def days_left(certificate: x509.Certificate) -> float:
    return (certificate.not_valid_after_utc - datetime.now(UTC)).total_seconds() / 86_400


def write_closed(path: Path, content: bytes) -> None:
    """Writes a file whole, readable by its owner alone."""
    made = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    made.rename(path)


def _builder(subject: x509.Name, issuer: x509.Name, key: _Key, days: int) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number())
    # Clocks differ: a copy whose clock is a little behind must not refuse a certificate as not yet valid.
    made = made.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=days))
    return made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs, key_cert_sign=signs, crl_sign=signs, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(key: _Key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
