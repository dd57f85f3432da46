"""``POST /peer/key``: a copy brings the public key that it signs sessions with, and proves that it has the private one."""

from __future__ import annotations

import re
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from vaka import log
from vaka.api.http import Request
from vaka.api.keyring import key_id
from vaka.api.server import Server
from vaka.errors import Invalid

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def introduction(name: str, private: Ed25519PrivateKey) -> dict[str, Any]:
    """What a copy sends."""
    public = private.public_key()
    return {
        "copy": name, "key": public.public_bytes_raw().hex(),
        "signature": private.sign(_said(name, key_id(public))).hex(),
    }  # fmt: skip


def _said(name: str, kid: str) -> bytes:
    return f"vaka copy\0{name}\0{kid}".encode()


async def key(server: Server, request: Request, told: dict[str, Any]) -> dict[str, Any]:
    """The key's id. Invalid for what is no introduction."""
    name = str(told.get("copy"))
    if not _NAME.fullmatch(name):
        raise Invalid("a copy's name is 1 to 64 letters, digits, dots, hyphens and underscores", path="copy")
    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(str(told.get("key"))))
        kid = key_id(public)
        public.verify(bytes.fromhex(str(told.get("signature"))), _said(name, kid))
    except (ValueError, InvalidSignature) as error:
        raise Invalid("the key is none, or was not signed with its private half", path="key") from error
    await server.journal_copies.register(name, request.access.principal, kid, public.public_bytes_raw())
    log.info("copy introduced", copy=name, kid=kid, principal=request.access.principal)
    return {"kid": kid}
