"""Addresses of further pages: encrypted, since they hold what was searched for, and bound to who asked.

AES-256-GCM with the key of ``DIR/secret/page.key``; forged, expired and foreign addresses are refused alike.
"""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Callable
from typing import Any

import orjson
import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vaka import config
from vaka.access.filter import AccessFilter
from vaka.errors import Invalid

_NONCE_BYTES = 12


class Pages:
    """Seals and opens page addresses. ``key``: or what gives the one to use now; addresses die with theirs."""

    def __init__(self, key: bytes | Callable[[], bytes]) -> None:
        self._key = key

    @property
    def _cipher(self) -> AESGCM:
        return AESGCM(self._key if isinstance(self._key, bytes) else self._key())

    def seal(self, content: dict[str, Any], *, access: AccessFilter) -> str:
        """``content`` as the value of a ``_page`` parameter."""
        plain = orjson.dumps([int(time.time()) + config.PAGE_ADDRESS_LIFETIME_S, content])
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, zstandard.compress(plain), access.principal.encode())
        return base64.urlsafe_b64encode(nonce + sealed).rstrip(b"=").decode()

    def open(self, text: str, *, access: AccessFilter) -> dict[str, Any]:
        """What ``seal`` was given. Invalid for any other address, and after its time."""
        refused = Invalid(
            "this page address was not given to you, or has expired", path="_page", help="start the search again"
        )
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            plain = self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], access.principal.encode())
            expires, content = orjson.loads(zstandard.decompress(plain, max_output_size=config.QUERY_MAX_BYTES * 8))
        except (ValueError, InvalidTag, zstandard.ZstdError, OverflowError) as error:
            raise refused from error
        if expires < time.time():
            raise refused
        assert isinstance(content, dict)
        return content
