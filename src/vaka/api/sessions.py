"""Sessions of people: signed, so that the journal and every copy of the region verify them alone (A1; traps: Trust).

Invariants: one algorithm (EdDSA) with the keys called ``session``, and an audience of their own, so that a program's token is
never a session nor the reverse; a session carries ``access.session.Session`` whole; it lives 15 minutes, and 12 hours after
the login nothing renews it; what is wrong with one is told to the log, not to the caller.
Sources: RFC 7519, RFC 8725 (types and audiences against confusion), RFC 9470 (a login that is too old for what is asked).
"""

from __future__ import annotations

import secrets
import time
from dataclasses import replace
from functools import lru_cache
from typing import Any, ClassVar, Final

import jwt

from vaka import config
from vaka.access.session import Assignment, Purpose, Right, Session
from vaka.api.keyring import Keyring
from vaka.errors import Unauthenticated

AUDIENCE: Final = "vaka-session"
TYPE: Final = "vaka-session+jwt"
_ISSUER: Final = "vaka"
_CACHE_MAX: Final = 10_000
_TOKEN_MAX_CHARS: Final = 4_096
_REQUIRED: Final = ["exp", "iat", "sub", "aud", "iss", "jti"]
REFUSED: Final = "you are not logged in, or not any more"


class StaleLogin(Unauthenticated):
    """The session is good, but the login too long ago for what is asked (RFC 9470)."""

    challenge: ClassVar[str] = (
        f'Bearer realm="vaka", error="insufficient_user_authentication", max_age="{config.FRESH_LOGIN_S}"'
    )


def is_fresh(session: Session) -> bool:
    """Whether the person has just proved who they are."""
    return time.time_ns() // 1_000 - session.began_us < config.FRESH_LOGIN_S * 1_000_000


def require_fresh(session: Session) -> None:
    """StaleLogin unless the person has just proved who they are."""
    if not is_fresh(session):
        raise StaleLogin(
            f"this is done within {config.FRESH_LOGIN_S // 60} minutes after a login",
            help="log out and in again, and do it then; an open screen is not enough for this",
            why=f"step-up: session {session.id} began at {session.began_us}",
        )


def is_session(token: str) -> bool:
    """Whether ``token`` says of itself that it is a session; only ``verify`` knows whether it is one."""
    return len(token) <= _TOKEN_MAX_CHARS and _says_so(token)


@lru_cache(maxsize=_CACHE_MAX)
def _says_so(token: str) -> bool:
    try:
        return jwt.get_unverified_header(token).get("typ") == TYPE
    except jwt.PyJWTError:
        return False


def begin(
    *, person: str, practitioner: str, name: str, assignment: Assignment, way: str, began_us: int | None = None
) -> Session:
    """A new session with an id of its own. ``began_us``: when the person logged in, if that was before."""
    now_us = time.time_ns() // 1_000
    began_us = now_us if began_us is None else began_us
    expires_us = min(now_us + config.SESSION_ALIVE_S * 1_000_000, began_us + config.SESSION_MAX_S * 1_000_000)
    return Session(secrets.token_hex(16), person, practitioner, name, assignment, began_us, expires_us, way)


def longer(session: Session) -> Session:
    """The same session with its time begun anew. Unauthenticated when 12 hours have passed since the login."""
    now_us = time.time_ns() // 1_000
    end_us = session.began_us + config.SESSION_MAX_S * 1_000_000
    if now_us >= end_us:
        raise Unauthenticated(REFUSED, why=f"session {session.id} has lasted as long as a session may")
    return replace(session, expires_us=min(now_us + config.SESSION_ALIVE_S * 1_000_000, end_us))


class Sessions:
    """Makes and verifies sessions with the keys called ``session``."""

    def __init__(self, keys: Keyring) -> None:
        self._keys = keys
        self._verified: dict[str, Session] = {}
        self._generation = keys.generation

    def make(self, session: Session) -> str:
        """``session`` as the token that a cookie or an Authorization header carries."""
        assignment = session.assignment
        claims = {
            "iss": _ISSUER,
            "aud": AUDIENCE,
            "sub": session.person,
            "jti": session.id,
            "iat": int(time.time()),
            "exp": session.expires_us // 1_000_000,
            "auth_us": session.began_us,
            "practitioner": session.practitioner,
            "name": session.name,
            "way": session.way,
            "assignment": {
                "id": assignment.id,
                "unit": assignment.unit,
                "provider": assignment.provider,
                "purpose": assignment.purpose.value,
                "rights": sorted(assignment.rights),
                "title": assignment.title,
            },
        }
        kid, key = self._keys.signing()
        return jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": kid, "typ": TYPE})

    @property
    def generation(self) -> int:
        """Another number when the keys have changed: what was verified before must be verified again."""
        return self._keys.look()

    def verify(self, token: str) -> Session:
        """The session that ``token`` carries. Unauthenticated if it is forged, expired, or something else."""
        if (generation := self.generation) != self._generation:  # a key may have been taken away
            self._verified.clear()
            self._generation = generation
        known = self._verified.get(token)
        if known is not None and not _over(known):
            return known
        try:
            session = self._decoded(token)
        except (jwt.PyJWTError, KeyError, TypeError, ValueError) as error:
            raise Unauthenticated(REFUSED, why=f"session refused: {error}") from error
        if len(self._verified) >= _CACHE_MAX:
            self._verified.clear()
        self._verified[token] = session
        return session

    def verify_at(self, token: str, at_us: int) -> Session:
        """The session that ``token`` carried at ``at_us``, though it has expired since: for what was written then in a
        copy's reserve. Unauthenticated if it was none then."""
        try:
            return self._decoded(token, at_us)
        except (jwt.PyJWTError, KeyError, TypeError, ValueError) as error:
            raise Unauthenticated(REFUSED, why=f"session refused: {error}") from error

    def _decoded(self, token: str, at_us: int | None = None) -> Session:
        if len(token) > _TOKEN_MAX_CHARS:
            raise ValueError("longer than any session")
        header = jwt.get_unverified_header(token)
        key = self._keys.public(str(header.get("kid", "")))
        if header.get("typ") != TYPE or key is None:
            raise ValueError("signed by no key of ours" if key is None else "not a session")
        claims = jwt.decode(
            token, key, algorithms=["EdDSA"], audience=AUDIENCE, issuer=_ISSUER, leeway=config.CLOCK_SKEW_S,
            options={"require": _REQUIRED, "strict_aud": True, "verify_exp": at_us is None},
        )  # fmt: skip
        session = _session(claims)
        at_s = time.time() if at_us is None else at_us / 1_000_000
        if session.expires_us / 1_000_000 + config.CLOCK_SKEW_S <= at_s:
            raise ValueError("it has lasted as long as a session may")
        if at_s + config.CLOCK_SKEW_S < int(claims["iat"]):
            raise ValueError("it was made later")
        return session


def _session(claims: dict[str, Any]) -> Session:
    told = claims["assignment"]
    assignment = Assignment(
        told["id"], told["unit"], told["provider"], Purpose(told["purpose"]),
        frozenset(Right(right) for right in told["rights"]), told["title"],
    )  # fmt: skip
    began_us = int(claims["auth_us"])
    expires_us = min(int(claims["exp"]) * 1_000_000, began_us + config.SESSION_MAX_S * 1_000_000)
    return Session(
        claims["jti"],
        claims["sub"],
        claims["practitioner"],
        claims["name"],
        assignment,
        began_us,
        expires_us,
        claims["way"],
    )


def _over(session: Session) -> bool:
    return session.expires_us / 1_000_000 + config.CLOCK_SKEW_S <= time.time()
