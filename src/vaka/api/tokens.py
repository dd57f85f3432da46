"""Bearer tokens: signed by this journal's key, verified without asking anybody (RFC 6750, RFC 7519, EdDSA).

Invariants: one algorithm, one issuer, one audience; a token is taken from the Authorization header alone; what is
wrong with a token is told to the log, not to the caller.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import jwt

from vaka import config
from vaka.access.filter import AccessFilter, program_filter
from vaka.api.keyring import Keys
from vaka.errors import Invalid, Unauthenticated

if TYPE_CHECKING:
    from vaka.journal.clients import Client

_ISSUER = "vaka"
_CACHE_MAX = 10_000
_NAME_MAX_CHARS = 64
DEFAULT_DAYS = 90
CLIENT_SECONDS = 300
_CLIENT = "client:"
_RESERVED = (_CLIENT, "vaka:")


class Registered(Protocol):
    """The register of programs."""

    def registered(self, name: str, number: int) -> bool:
        """Whether the client that had ``number`` under this name still has it."""


class Tokens:
    """Makes and verifies tokens with the keys called ``token``. ``clients``: None where no registered program can come."""

    def __init__(self, keys: Keys, clients: Registered | None = None) -> None:
        self._keys, self._clients = keys, clients
        self._verified: dict[str, tuple[AccessFilter, float, tuple[str, int] | None]] = {}
        self._generation = keys.look()

    def make(self, name: str, *, scopes: frozenset[str], days: float = DEFAULT_DAYS) -> str:
        """A token for the program ``name``."""
        if not name or len(name) > _NAME_MAX_CHARS or not name.isprintable() or name.startswith(_RESERVED):
            raise Invalid(
                f"a token's name is 1 to 64 printable characters, and does not begin with {' or '.join(_RESERVED)}"
            )
        return self._signed(name, " ".join(sorted(scopes)), int(days * 86_400))

    def for_client(self, client: Client, scope: str) -> str:
        """A token for a registered program: for five minutes, and only as long as it is registered."""
        also: dict[str, object] = {"client": client.number}
        if client.provider is not None:
            also["provider"] = client.provider
        return self._signed(_CLIENT + client.name, scope, CLIENT_SECONDS, also)

    def _signed(self, name: str, scope: str, seconds: int, also: Mapping[str, object] | None = None) -> str:
        now = int(time.time())
        claims = {
            "iss": _ISSUER,
            "aud": _ISSUER,
            "sub": name,
            "scope": scope,
            "iat": now,
            "exp": now + seconds,
            "jti": uuid.uuid4().hex,
            **(also or {}),
        }
        kid, key = self._keys.signing()
        return jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": kid})

    def verify(self, authorization: str | None) -> AccessFilter:
        """Who sends this Authorization header. Unauthenticated if it is missing, forged, expired or for another."""
        if authorization is None:
            raise Unauthenticated(
                "this needs a bearer token",
                help="`vaka token --system NAME` makes one; send it as Authorization: Bearer …",
            )
        if (generation := self._keys.look()) != self._generation:
            self._verified.clear()
            self._generation = generation
        known = self._verified.get(authorization)
        if known is not None and known[1] > time.time():
            self._require_registered(known[2])
            return known[0].anew()
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or len(token) > 8_192:
            raise Unauthenticated("the Authorization header is not a bearer token")
        claims = self._claims(token.strip())
        client = _client(claims)
        self._require_registered(client)
        try:
            access = program_filter(str(claims["sub"]), str(claims.get("scope", "")), claims.get("provider"))
        except Invalid as error:
            raise Unauthenticated("the token is not valid here, or not any more", why=error.message) from error
        if len(self._verified) >= _CACHE_MAX:
            self._verified.clear()
        self._verified[authorization] = (access, float(claims["exp"]), client)
        return access.anew()

    def verify_at(self, token: str, at_us: int) -> AccessFilter:
        """Who sent ``token`` at ``at_us``, though it has expired since: for what a program wrote then in a copy's reserve. A
        program that was removed since sends nothing any more. Unauthenticated if it was not valid then."""
        claims = self._claims(token, expired=True)
        if not int(claims["iat"]) - config.CLOCK_SKEW_S <= at_us / 1_000_000 < int(claims["exp"]) + config.CLOCK_SKEW_S:
            raise Unauthenticated("the token was not valid then", why="reserve: token of another time")
        self._require_registered(_client(claims))
        return program_filter(str(claims["sub"]), str(claims.get("scope", "")), claims.get("provider"))

    def _claims(self, token: str, *, expired: bool = False) -> dict[str, Any]:
        try:
            key = self._keys.public(str(jwt.get_unverified_header(token).get("kid", "")))
            if key is None:
                raise Unauthenticated("the token is not valid here, or not any more", why="signed by no key of ours")
            claims: dict[str, Any] = jwt.decode(
                token, key, algorithms=["EdDSA"], audience=_ISSUER, issuer=_ISSUER,
                options={"require": ["exp", "iat", "sub", "aud", "iss", "jti"], "verify_exp": not expired},
            )  # fmt: skip
        except jwt.PyJWTError as error:
            raise Unauthenticated("the token is not valid here, or not any more", why=str(error)) from error
        return claims

    def _require_registered(self, client: tuple[str, int] | None) -> None:
        if client is not None and (self._clients is None or not self._clients.registered(*client)):
            raise Unauthenticated("the token is not valid here, or not any more", why="its client was removed")


def _client(claims: Mapping[str, Any]) -> tuple[str, int] | None:
    """The registered program that a token was given to; None: it was made by the operator."""
    name = str(claims["sub"])
    return (name.removeprefix(_CLIENT), int(claims["client"])) if name.startswith(_CLIENT) else None
