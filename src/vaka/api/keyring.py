"""Signing keys that can be changed while Vaka runs: one signs, those before it still verify until they are taken away.

Invariants: a key is a file of ``DIR/secret`` that its owner alone can read; what was signed names its key (``kid``, the first 16
hex digits of the SHA-256 of the public key, RFC 7638 in spirit); a key that is not here verifies nothing.
"""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from vaka.api.secrets import Watched, read, renew, secret

if TYPE_CHECKING:
    from vaka.journal.copies import Copies


def key_id(key: Ed25519PublicKey) -> str:
    """The ``kid`` of a key."""
    return sha256(key.public_bytes_raw()).hexdigest()[:16]


class Keys(Protocol):
    """What sessions and tokens are signed and verified with, be it at the journal or on a copy."""

    def look(self) -> int:
        """The generation: another number when keys have changed, and what was verified must be verified again."""

    def signing(self) -> tuple[str, Ed25519PrivateKey]:
        """The key to sign with now, and its ``kid``."""

    def public(self, kid: str) -> Ed25519PublicKey | None:
        """The key that ``kid`` names, None if it is not one of the region's, or not any more."""

    def is_of_copy(self, kid: str) -> bool:
        """Whether it is a copy's key: what it signs must be vouched for (``api.vouched``)."""


class Keyring:
    """The keys called ``name`` in ``DIR/secret``: ``NAME.key`` signs, ``NAME.<kid>.old`` verify."""

    def __init__(self, data_dir: Path, name: str) -> None:
        self._data_dir, self._name = data_dir, name
        self._watched = Watched(data_dir)
        self.generation = 0
        self._read()

    def _read(self) -> None:
        self.private = Ed25519PrivateKey.from_private_bytes(secret(self._data_dir, f"{self._name}.key"))
        self.kid = key_id(self.private.public_key())
        self._public = {self.kid: self.private.public_key()}
        for path in (self._data_dir / "secret").glob(f"{self._name}.*.old"):
            with suppress(FileNotFoundError):  # forgotten at this moment
                public = Ed25519PrivateKey.from_private_bytes(read(path)).public_key()
                self._public[key_id(public)] = public
        self.generation += 1

    def look(self) -> int:
        """Reads the keys again where another process has changed them: within a second. Returns the generation, a number that
        is another one then: what was verified with the keys before it must be verified again."""
        if self._watched.changed():
            self._read()
        return self.generation

    def signing(self) -> tuple[str, Ed25519PrivateKey]:
        """The key to sign with now, and its ``kid``."""
        self.look()
        return self.kid, self.private

    def public(self, kid: str) -> Ed25519PublicKey | None:
        """The key that ``kid`` names, None if it is not one of ours; one made meanwhile by another process is found."""
        self.look()
        return self._public.get(kid)

    def is_of_copy(self, kid: str) -> bool:
        """None of these is."""
        return False

    def publics(self) -> dict[str, bytes]:
        """The public keys that verify now, by kid."""
        self.look()
        return {kid: key.public_bytes_raw() for kid, key in self._public.items()}

    def kids(self) -> list[str]:
        """All that verify, the one that signs first."""
        return [self.kid, *sorted(kid for kid in self._public if kid != self.kid)]

    def rotate(self) -> str:
        """A new key signs from now on; the one before verifies until ``forget``. Returns the new kid."""
        folder = self._data_dir / "secret"
        with suppress(FileExistsError):  # a change that was cut off here: it goes on
            os.link(folder / f"{self._name}.key", folder / f"{self._name}.{self.kid}.old")
        renew(self._data_dir, f"{self._name}.key")
        self._read()
        return self.kid

    def forget(self, kid: str) -> bool:
        """What ``kid`` signed is void within a second, everywhere; False if there is no such old key."""
        path = self._data_dir / "secret" / f"{self._name}.{kid}.old"
        there = path.exists()
        path.unlink(missing_ok=True)
        self._read()
        return there


class RegionKeys:
    """The journal's own keys, and those of its copies."""

    def __init__(self, own: Keyring, copies: Copies) -> None:
        self._own, self._copies = own, copies

    def look(self) -> int:
        return self._own.look() + self._copies.generation

    def signing(self) -> tuple[str, Ed25519PrivateKey]:
        return self._own.signing()

    def public(self, kid: str) -> Ed25519PublicKey | None:
        found = self._own.public(kid)
        if found is not None or (key := self._copies.key(kid)) is None:
            return found
        return Ed25519PublicKey.from_public_bytes(key.public_key)

    def is_of_copy(self, kid: str) -> bool:
        return self._own.public(kid) is None
