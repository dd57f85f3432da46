"""Bearer tokens: signed by this journal's key, verified without asking anybody (RFC 6750, RFC 7519, EdDSA).

Invariants: one algorithm, one issuer, one audience; a token is taken from the Authorization header alone; what is
wrong with a token is told to the log, not to the caller.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import replace

import jwt

from vaka.access.filter import AccessFilter
from vaka.access.trail import Trail
from vaka.api.keyring import Keyring
from vaka.errors import Invalid, Unauthenticated

_ISSUER = "vaka"
_CACHE_MAX = 10_000
_NAME_MAX_CHARS = 64
DEFAULT_DAYS = 90


class Tokens:
    """Makes and verifies tokens with the keys called ``token``."""

    def __init__(self, keys: Keyring) -> None:
        self._keys = keys
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
        return jwt.encode(claims, self._keys.private, algorithm="EdDSA", headers={"kid": self._keys.kid})

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
            key = self._keys.public(str(jwt.get_unverified_header(token.strip()).get("kid", "")))
            if key is None:
                raise Unauthenticated("the token is not valid here, or not any more", why="signed by no key of ours")
            claims = jwt.decode(
                token.strip(),
                key,
                algorithms=["EdDSA"],
                audience=_ISSUER,
                issuer=_ISSUER,
                options={"require": ["exp", "iat", "sub", "aud", "iss", "jti"]},
            )
        except jwt.PyJWTError as error:
            raise Unauthenticated("the token is not valid here, or not any more", why=str(error)) from error
        access = AccessFilter(str(claims["sub"]), frozenset(str(claims.get("scope", "")).split()))
        if len(self._verified) >= _CACHE_MAX:
            self._verified.clear()
        self._verified[authorization] = (access, float(claims["exp"]))
        return replace(access, trail=Trail())
