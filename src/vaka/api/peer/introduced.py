"""``POST /peer/key``: a copy brings the public key that it signs sessions with, and proves that it has the private one."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, Final

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from vaka import config, log
from vaka.api.http import Request
from vaka.api.keyring import key_id
from vaka.copy.deliver import Post
from vaka.errors import Invalid

if TYPE_CHECKING:
    from vaka.api.server import Server

_AGAIN_S: Final = 60.0
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


async def keep_introduced(name: str, private: Ed25519PrivateKey, post: Post) -> None:
    """Until cancelled: the journal knows this copy's key, also after it was restored to before it did."""
    body = orjson.dumps(introduction(name, private))
    known = False
    while True:
        try:
            status, answer = await post("/peer/key", body)
            if status != 200:
                log.error(
                    "the journal does not take this copy's key",
                    status=status,
                    answer=answer[:300].decode("utf-8", "replace"),
                )
            known = status == 200
        except OSError:
            pass
        await asyncio.sleep(_AGAIN_S if known else config.OWED_RETRY_S)
