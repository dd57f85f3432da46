"""Signing keys that can be changed while Vaka runs: one signs, those before it still verify until they are taken away.

Invariants: a key is a file of ``DIR/secret`` that its owner alone can read; what was signed names its key (``kid``, the first 16
hex digits of the SHA-256 of the public key, RFC 7638 in spirit); a key that is not here verifies nothing.
"""

from __future__ import annotations

import os
import time
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from vaka.api.secrets import secret

_LOOK_AGAIN_S = 1.0


def key_id(key: Ed25519PublicKey) -> str:
    """The ``kid`` of a key."""
    return sha256(key.public_bytes_raw()).hexdigest()[:16]


class Keyring:
    """The keys called ``name`` in ``DIR/secret``: ``NAME.key`` signs, ``NAME.<kid>.old`` verify."""

    def __init__(self, data_dir: Path, name: str) -> None:
        self._data_dir, self._name = data_dir, name
        self._looked = 0.0
        self._read()

    def _read(self) -> None:
        self.private = Ed25519PrivateKey.from_private_bytes(secret(self._data_dir, f"{self._name}.key"))
        self.kid = key_id(self.private.public_key())
        self._public = {self.kid: self.private.public_key()}
        for path in (self._data_dir / "secret").glob(f"{self._name}.*.old"):
            public = Ed25519PrivateKey.from_private_bytes(secret(self._data_dir, path.name)).public_key()
            self._public[key_id(public)] = public
        self._looked = time.monotonic()

    def public(self, kid: str) -> Ed25519PublicKey | None:
        """The key that ``kid`` names, None if it is not one of ours; one made meanwhile by another process is found."""
        found = self._public.get(kid)
        if found is None and time.monotonic() - self._looked > _LOOK_AGAIN_S:
            self._read()
            found = self._public.get(kid)
        return found

    def kids(self) -> list[str]:
        """All that verify, the one that signs first."""
        return [self.kid, *sorted(kid for kid in self._public if kid != self.kid)]

    def rotate(self) -> str:
        """A new key signs from now on; the one before verifies until ``forget``. Returns the new kid."""
        folder = self._data_dir / "secret"
        os.link(folder / f"{self._name}.key", folder / f"{self._name}.{self.kid}.old")
        made = folder / f".{self._name}.key.{os.getpid()}"
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(32))
            file.flush()
            os.fsync(file.fileno())
        made.rename(folder / f"{self._name}.key")
        self._read()
        return self.kid

    def forget(self, kid: str) -> bool:
        """What ``kid`` signed is void from the next start on; False if there is no such old key."""
        path = self._data_dir / "secret" / f"{self._name}.{kid}.old"
        there = path.exists()
        path.unlink(missing_ok=True)
        self._read()
        return there
