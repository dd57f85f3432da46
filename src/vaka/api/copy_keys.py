"""The keys on a copy: the region's, as the private feed gave them, and the one that this copy signs sessions with.

Invariants: the copy's own key lies in its folder, readable by its owner alone, and never leaves it; a key that the journal has
taken away, or that of a copy that was shut out, verifies nothing here as soon as the feed has told it.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from vaka.api.keyring import key_id
from vaka.api.secrets import kept
from vaka.copy.accounts import Record
from vaka.copy.statements import statements
from vaka.errors import Fault

_LOOK_EVERY_S: Final = 0.2


def private_key(folder: Path) -> Ed25519PrivateKey:
    """The key in ``DIR/keys`` that this copy signs with, made on first use."""
    return Ed25519PrivateKey.from_private_bytes(kept(folder / "session.key"))


class CopyKeys:
    """``use``: session or token. ``private``: None where this copy signs nothing of that use."""

    def __init__(self, record: Record, use: str, private: Ed25519PrivateKey | None = None) -> None:
        self._record, self._use, self._private = record, use, private
        self._kid = key_id(private.public_key()) if private is not None else ""
        self._told: tuple[dict[str, bytes], dict[str, bytes]] = ({}, {})
        self._public: dict[str, Ed25519PublicKey] = {}
        self._looked = -_LOOK_EVERY_S
        self._generation = 0

    def look(self) -> int:
        now = time.monotonic()
        if now - self._looked >= _LOOK_EVERY_S:
            self._looked = now
            told = self._read()
            if told != self._told:
                self._told = told
                found = {kid: Ed25519PublicKey.from_public_bytes(key) for keys in told for kid, key in keys.items()}
                self._public = found
                self._generation += 1
        return self._generation

    def _read(self) -> tuple[dict[str, bytes], dict[str, bytes]]:
        record, sql = self._record(), statements("private")
        ours = {kid: key for use, kid, key in record.execute(sql["journal_keys"]) if use == self._use}
        copies = {kid: key for kid, key in record.execute(sql["copy_keys"])} if self._use == "session" else {}  # noqa: C416
        return ours, copies

    def signing(self) -> tuple[str, Ed25519PrivateKey]:
        if self._private is None:
            raise Fault(f"a copy signs no {self._use}")
        return self._kid, self._private

    def public(self, kid: str) -> Ed25519PublicKey | None:
        self.look()
        found = self._public.get(kid)
        if found is None and self._private is not None and kid == self._kid and not self._was_introduced():
            return self._private.public_key()  # the journal does not know it yet: it counts here
        return found

    def _was_introduced(self) -> bool:
        """Whether the journal has told of this copy's own key: then its word counts, a removal too."""
        row = self._record().execute(statements("private")["copy_key_known"], {"kid": self._kid}).fetchone()
        return row is not None

    def is_of_copy(self, kid: str) -> bool:
        return kid not in self._told[0]


class JournalSecret:
    """The journal's key of forms or page addresses, as the private feed gave it; one of this copy's own before that."""

    def __init__(self, record: Record, use: str, otherwise: Path) -> None:
        self._record, self._use, self._otherwise = record, use, otherwise
        self._content = b""
        self._looked = -_LOOK_EVERY_S

    def __call__(self) -> bytes:
        now = time.monotonic()
        if now - self._looked >= _LOOK_EVERY_S:
            self._looked = now
            found = [
                key for use, _, key in self._record().execute(statements("private")["journal_keys"]) if use == self._use
            ]
            self._content = bytes(found[0]) if found else kept(self._otherwise)
        return self._content
