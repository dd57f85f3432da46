"""Bearer tokens: signed by this journal's key, verified without asking anybody (RFC 6750, RFC 7519, EdDSA).

Invariants: one algorithm, one issuer, one audience; a token is taken from the Authorization header alone; what is
wrong with a token is told to the log, not to the caller.
"""

from __future__ import annotations

import os
import time
import uuid
from dataclasses import replace
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from vaka.access.filter import AccessFilter
from vaka.access.trail import Trail
from vaka.errors import Invalid, Setup, Unauthenticated

_ISSUER = "vaka"
_CACHE_MAX = 10_000
_NAME_MAX_CHARS = 64
DEFAULT_DAYS = 90


def secret(data_dir: Path, name: str) -> bytes:
    """The 32 random bytes of ``DIR/secret/NAME``, made on first use, readable by their owner alone."""
    path = data_dir / "secret" / name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        made = path.with_name(f".{name}.{os.getpid()}")
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(32))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(made, path)  # whoever is first wins; both then read the same key
        except FileExistsError:
            pass
        made.unlink()
    if path.stat().st_mode & 0o077:
        raise Setup(f"{path} can be read by others", help=f"chmod 600 {path}")
    content = path.read_bytes()
    if len(content) != 32:
        raise Setup(f"{path} does not hold a key", help="restore it from a backup; a new key makes every token void")
    return content


class Tokens:
    """Makes and verifies tokens with the key of ``DIR/secret/token.key``."""

    def __init__(self, key: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(key)
        self._public = self._private.public_key()
        self._verified: dict[str, tuple[AccessFilter, float]] = {}

    def make(self, name: str, *, scopes: frozenset[str], days: float = DEFAULT_DAYS) -> str:
        """A token for the program ``name``."""
        if not name or len(name) > _NAME_MAX_CHARS or not name.isprintable():
            raise Invalid("a token's name is 1 to 64 printable characters")
        now = int(time.time())
        claims = {
            "iss": _ISSUER,
            "aud": _ISSUER,
            "sub": name,
            "scope": " ".join(sorted(scopes)),
            "iat": now,
            "exp": now + int(days * 86_400),
            "jti": uuid.uuid4().hex,
        }
        return jwt.encode(claims, self._private, algorithm="EdDSA")

    def verify(self, authorization: str | None) -> AccessFilter:
        """Who sends this Authorization header. Unauthenticated if it is missing, forged, expired or for another."""
        if authorization is None:
            raise Unauthenticated(
                "this needs a bearer token",
                help="`vaka token --system NAME` makes one; send it as Authorization: Bearer …",
            )
        now = time.time()
        known = self._verified.get(authorization)
        if known is not None and known[1] > now:
            return replace(known[0], trail=Trail())
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or len(token) > 8_192:
            raise Unauthenticated("the Authorization header is not a bearer token")
        try:
            claims = jwt.decode(
                token.strip(),
                self._public,
                algorithms=["EdDSA"],
                audience=_ISSUER,
                issuer=_ISSUER,
                options={"require": ["exp", "iat", "sub", "aud", "iss", "jti"]},
            )
        except jwt.PyJWTError as error:
            raise Unauthenticated("the token is not valid here, or not any more") from error
        access = AccessFilter(str(claims["sub"]), frozenset(str(claims.get("scope", "")).split()))
        if len(self._verified) >= _CACHE_MAX:
            self._verified.clear()
        self._verified[authorization] = (access, float(claims["exp"]))
        return replace(access, trail=Trail())
