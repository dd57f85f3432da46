"""What is given out to come back: login states, choices to be made, known devices; and secrets of one-time codes at rest.

AES-256-GCM with the key of ``DIR/secret/login.key``. Invariant: what was sealed for one purpose opens for no other, nor after
its time, nor changed.
"""

from __future__ import annotations

import base64
import os
import time
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12
_FOREVER_S = 100 * 365 * 86_400


class Sealed:
    """Seals and opens small contents."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, purpose: str, content: dict[str, Any], *, alive_s: int = _FOREVER_S) -> str:
        plain = orjson.dumps([int(time.time()) + alive_s, content])
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, plain, purpose.encode())
        return base64.urlsafe_b64encode(nonce + sealed).rstrip(b"=").decode()

    def open(self, purpose: str, text: str | None) -> dict[str, Any] | None:
        """What ``seal`` was given for this purpose; None for anything else."""
        if not text:
            return None
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            expires, content = orjson.loads(
                self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], purpose.encode())
            )
        except (ValueError, InvalidTag):
            return None
        return content if isinstance(content, dict) and expires >= time.time() else None
