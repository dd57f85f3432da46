"""A passkey's authenticator in software: signs challenges as a person's device does (WebAuthn, ES256)."""

from __future__ import annotations

import base64
import os
from hashlib import sha256
from typing import Any

import cbor2
import orjson
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

_VERIFIED = 0x05  # user present and verified


def b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


class Authenticator:
    """One passkey for the site ``localhost``."""

    def __init__(self) -> None:
        self.credential = os.urandom(32)
        self._key = ec.generate_private_key(ec.SECP256R1())

    @property
    def public_key(self) -> bytes:
        """As WebAuthn keeps it (COSE)."""
        numbers = self._key.public_key().public_numbers()
        point = (numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big"))
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: point[0], -3: point[1]})

    def answer(self, challenge: str, origin: str, site: str = "localhost") -> dict[str, Any]:
        """What the browser sends of it."""
        client = orjson.dumps({"type": "webauthn.get", "challenge": challenge, "origin": origin, "crossOrigin": False})
        told = sha256(site.encode()).digest() + bytes([_VERIFIED]) + (0).to_bytes(4, "big")
        signature = self._key.sign(told + sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        response = {"authenticatorData": b64(told), "clientDataJSON": b64(client), "signature": b64(signature)}
        return {"id": b64(self.credential), "rawId": b64(self.credential), "type": "public-key", "response": response}
