"""Sessions of people: signed, so that the journal and every copy of the region verify them alone (A1; traps: Trust).

Invariants: one algorithm (EdDSA) with the keys called ``session``, and an audience of their own, so that a program's token is
never a session nor the reverse; a session carries ``access.session.Session`` whole; it lives 15 minutes, and 12 hours after
the login nothing renews it; what is wrong with one is told to the log, not to the caller.
Sources: RFC 7519, RFC 8725 (types and audiences against confusion), RFC 9470 (a login that is too old for what is asked).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, ClassVar, Final

import jwt

from vaka import config
from vaka.access.session import Assignment, Purpose, Right, Session
from vaka.api.keyring import Keys
from vaka.api.vouched import Offered, Vouched, offer, same
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
    """Makes and verifies sessions with the keys called ``session``. ``demo``: a demo's logins need no proof here."""

    def __init__(self, keys: Keys, *, demo: bool = False) -> None:
        self._keys, self.demo = keys, demo
        self._verified: dict[str, Session] = {}
        self._vouched: dict[str, Vouched] = {}
        self._generation = keys.look()

    def make(self, session: Session, *, former: str | None = None, proof: Mapping[str, Any] | None = None) -> str:
        """``session`` as the token that a cookie or an Authorization header carries. What vouches for it where a copy signs:
        ``former``, the token that it renews, or ``proof``, of its login (``api.vouched``)."""
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
        self._look()
        kid, key = self._keys.signing()
        if self._keys.is_of_copy(kid):
            if former is not None:
                claims["root"] = jwt.decode(former, options={"verify_signature": False}).get("root", former)
            elif proof is not None:
                claims["proof"] = dict(proof)
        token = jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": kid, "typ": TYPE})
        self._know(token, kid, claims)
        return token

    def _know(self, token: str, kid: str, claims: dict[str, Any]) -> None:
        """What was signed here a moment ago is not verified again, where it would be good."""
        if len(token) > _TOKEN_MAX_CHARS or self._keys.public(kid) is None:
            return  # whoever asks with it is told
        told = _session(claims)
        try:
            self._keep(token, told, self._vouches(kid, claims, told))
        except (jwt.PyJWTError, KeyError, TypeError, ValueError):
            return

    def offer(self) -> Offered | None:
        """A challenge for a passkey, that the session to be made will be vouched for by; None where the journal signs."""
        kid, _ = self._keys.signing()
        return offer(kid) if self._keys.is_of_copy(kid) else None

    def vouched(self, token: str) -> Vouched | None:
        """What has still to be looked at of a token that ``verify`` took: a login that a copy, and not the journal, has seen."""
        return self._vouched.get(token)

    @property
    def generation(self) -> int:
        """Another number when the keys have changed: what was verified before must be verified again."""
        return self._keys.look()

    def verify(self, token: str) -> Session:
        """The session that ``token`` carries. Unauthenticated if it is forged, expired, or something else."""
        self._look()
        known = self._verified.get(token)
        if known is not None and not _over(known):
            return known
        try:
            session, vouched = self._decoded(token)
        except (jwt.PyJWTError, KeyError, TypeError, ValueError) as error:
            raise Unauthenticated(REFUSED, why=f"session refused: {error}") from error
        self._keep(token, session, vouched)
        return session

    def verify_at(self, token: str, at_us: int) -> tuple[Session, Vouched | None]:
        """The session that ``token`` carried at a time that is past: for what a copy took in then. Unauthenticated if it was none
        at that time, or a key that it rests on is not good any more."""
        try:
            session, vouched = self._decoded(token, at_us)
        except (jwt.PyJWTError, KeyError, TypeError, ValueError) as error:
            raise Unauthenticated(REFUSED, why=f"session refused: {error}") from error
        return session, vouched

    def _look(self) -> None:
        if (generation := self.generation) != self._generation:  # a key may have been taken away
            self._forget()
            self._generation = generation

    def _keep(self, token: str, session: Session, vouched: Vouched | None) -> None:
        if len(self._verified) >= _CACHE_MAX:
            self._forget()
        self._verified[token] = session
        if vouched is not None:
            self._vouched[token] = vouched

    def _forget(self) -> None:
        self._verified.clear()
        self._vouched.clear()

    def _decoded(self, token: str, at_us: int | None = None) -> tuple[Session, Vouched | None]:
        if len(token) > _TOKEN_MAX_CHARS:
            raise ValueError("longer than any session")
        kid, claims = self._claims(token, timely=at_us is None)
        session = _session(claims)
        if at_us is None:
            if _over(session):
                raise ValueError("it has lasted as long as a session may")
        elif not int(claims["iat"]) <= at_us / 1_000_000 + config.CLOCK_SKEW_S or _over(session, at_us / 1_000_000):
            raise ValueError("it was not alive at that time")
        return session, self._vouches(kid, claims, session)

    def _claims(self, token: str, *, timely: bool) -> tuple[str, dict[str, Any]]:
        """The key's id and the claims of a token that is rightly signed. ``timely``: and not past its time."""
        header = jwt.get_unverified_header(token)
        kid = str(header.get("kid", ""))
        key = self._keys.public(kid)
        if header.get("typ") != TYPE or key is None:
            raise ValueError("signed by no key of ours" if key is None else "not a session")
        claims = jwt.decode(
            token, key, algorithms=["EdDSA"], audience=AUDIENCE, issuer=_ISSUER, leeway=config.CLOCK_SKEW_S,
            options={"require": _REQUIRED, "strict_aud": True, "verify_exp": timely},
        )  # fmt: skip
        return kid, claims

    def _vouches(self, kid: str, claims: dict[str, Any], session: Session) -> Vouched | None:
        """What has to be looked at of the login that ``session`` rests on; None: the journal has seen it. ValueError where a copy
        has signed and nothing vouches for it."""
        if not self._keys.is_of_copy(kid):
            return None
        if (root := claims.get("root")) is not None:
            kid, claims = self._claims(str(root), timely=False)
            if not same(_session(claims), session):
                raise ValueError("it is not the session that it says it renews")
            if not self._keys.is_of_copy(kid):
                return None
            if "root" in claims:
                raise ValueError("what it renews was renewed itself")
        if session.way == "demo" and self.demo:
            return Vouched(kid, None)
        if session.way != "passkey" or not isinstance(claims.get("proof"), dict):
            raise ValueError("nothing vouches for what a copy has signed")
        return Vouched(kid, claims["proof"])


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


def _over(session: Session, at_s: float | None = None) -> bool:
    return session.expires_us / 1_000_000 + config.CLOCK_SKEW_S <= (time.time() if at_s is None else at_s)
