"""The list of removed certificates that a copy keeps: who stands in it is refused by the journal, and so by other copies.

Invariants: a list counts only if the authority whose certificates are taken has signed it; an older one never takes the place of
a newer. Source: RFC 5280, 5.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from vaka.copy.files import Folder, replace
from vaka.errors import Invalid

USE: Final = "revoked"
"""What the list is called among the journal's keys in the private feed (DER)."""


def keep(folder: Folder, authority: Path, told: bytes) -> bool:
    """Keeps the list that the journal has told of; whether it is newer than what was kept. Invalid for one that ``authority`` has
    not signed."""
    try:
        new = x509.load_der_x509_crl(told)
        signers = x509.load_pem_x509_certificates(authority.read_bytes())
        signed = any(one.subject == new.issuer and new.is_signature_valid(one.public_key()) for one in signers)  # type: ignore[arg-type]
    except (ValueError, TypeError) as error:
        raise Invalid("this is no list of removed certificates") from error
    if not signed:
        raise Invalid(
            f"the journal's list of removed certificates is not signed by {authority.name}",
            help="vaka peer certificate gives the journal's authority.pem: give that one as --authority",
        )
    if (before := _kept(folder)) is not None and before.last_update_utc >= new.last_update_utc:
        return False
    replace(folder.revoked, new.public_bytes(Encoding.PEM))
    return True


def _kept(folder: Folder) -> x509.CertificateRevocationList | None:
    try:
        return x509.load_pem_x509_crl(folder.revoked.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
