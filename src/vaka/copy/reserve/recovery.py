"""The region's recovery key: it opens the reserve of a copy that has gone dark, so that no note is lost (traps: Trust).

The region makes a key pair; the private half, under a passphrase, is kept offline; copies hear the public half at the head of the
private feed, and each wraps the key of its reserve to it, beside the reserve.
Invariants: what is wrapped opens one copy's reserve, and neither the record that it followed nor its log; it can be opened with
the private half alone; what was wrapped for another copy, or has changed, is not opened.

The pair is of curve P-256; the private half is PKCS #12 (RFC 7292; PBES2, AES-256, ``_ROUNDS`` of PBKDF2), wrapping is HPKE
(RFC 9180: DHKEM(P-256), HKDF-SHA256, ChaCha20-Poly1305) with the copy's id in its info.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
    pkcs12,
)

from vaka.copy import files
from vaka.copy.files import Folder
from vaka.errors import Invalid, Setup

USE: Final = "recovery"
"""What the public half is called among the journal's keys in the private feed."""
PASSPHRASE_MIN_CHARS: Final = 16
_ROUNDS: Final = 1_000_000
_SUITE: Final = Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


def make(passphrase: str) -> tuple[bytes, bytes]:
    """(private half, public half): PKCS #12 under ``passphrase``, and PEM. Invalid for a passphrase that is too short."""
    if len(passphrase) < PASSPHRASE_MIN_CHARS:
        raise Invalid(f"a passphrase of the recovery key has at least {PASSPHRASE_MIN_CHARS} characters")
    private = ec.generate_private_key(ec.SECP256R1())
    sealed = (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(_ROUNDS)
        .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
        .hmac_hash(hashes.SHA256())
        .build(passphrase.encode())
    )
    kept = pkcs12.serialize_key_and_certificates(b"vaka recovery", private, None, None, sealed)
    return kept, private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def public_half(pem: bytes) -> bytes:
    """The public half of a PEM file as copies are told it (DER). Invalid for what is none."""
    try:
        return _der(load_pem_public_key(pem))
    except ValueError as error:
        raise Invalid(
            "this is no public half of a recovery key",
            help="`vaka keys recovery make` writes it beside the private one",
        ) from error


def fingerprint(public: bytes) -> str:
    """What people compare it by."""
    return sha256(public).hexdigest()[:16]


def keep(folder: Folder, key: bytes, public: bytes) -> bool:
    """Wraps the key of ``folder``'s reserve to ``public``, beside the reserve; whether that was new. ``key``: the copy's."""
    if (before := _read(folder)) is not None and before.get("for") == public.hex():
        return False
    copy = folder.about().id
    wrapped = _SUITE.encrypt(files.reserve_key(key), _loaded(public), _info(copy))
    told = {"copy": copy, "for": public.hex(), "wrapped": wrapped.hex()}
    files.replace(folder.recovery, orjson.dumps(told, option=orjson.OPT_INDENT_2))
    return True


def kept_for(folder: Folder) -> str | None:
    """The fingerprint of the recovery key that opens the reserve; None where none does."""
    told = _read(folder)
    return fingerprint(bytes.fromhex(told["for"])) if told is not None else None


def opened(folder: Folder, private: Path, passphrase: str) -> bytes:
    """The key of ``folder``'s reserve. Setup where it was not wrapped, or not to this private half."""
    told = _read(folder)
    if told is None:
        raise Setup(
            f"there is no {folder.recovery}: the copy had heard of no recovery key",
            help="the reserve opens with the copy's own key alone: vaka reserve list --key-file FILE",
        )
    try:
        half, *_ = pkcs12.load_key_and_certificates(private.read_bytes(), passphrase.encode())
    except ValueError as error:
        raise Setup(
            f"{private} does not open: another passphrase, or no recovery key",
            help="give the private half that `vaka keys recovery make` wrote, and its passphrase",
        ) from error
    if not isinstance(half, ec.EllipticCurvePrivateKey):
        raise Setup(f"{private} is no recovery key", help="give the file that `vaka keys recovery make` wrote")
    try:
        return bytes(_SUITE.decrypt(bytes.fromhex(told["wrapped"]), half, _info(folder.about().id)))
    except (InvalidTag, ValueError, KeyError) as error:
        mine = fingerprint(_der(half.public_key()))
        raise Setup(
            f"{folder.recovery} does not open with this key",
            help=f"it was made for {kept_for(folder)}, and this is {mine}",
        ) from error


def _read(folder: Folder) -> Mapping[str, Any] | None:
    try:
        told = orjson.loads(folder.recovery.read_bytes())
        bytes.fromhex(told["for"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return told if isinstance(told, dict) else None


def _loaded(public: bytes) -> ec.EllipticCurvePublicKey:
    found = load_der_public_key(public)
    if not isinstance(found, ec.EllipticCurvePublicKey) or not isinstance(found.curve, ec.SECP256R1):
        raise ValueError("a recovery key is of curve P-256")
    return found


def _der(public: Any) -> bytes:
    if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, ec.SECP256R1):
        raise ValueError("a recovery key is of curve P-256")
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _info(copy: str) -> bytes:
    return b"vaka reserve of " + copy.encode()
