"""Who calls: a program by its token, a person by a session in the Authorization header or a cookie.

Invariants: a token or session in an address is refused, and never logged; a session is as good as its signature, its time, the
revocations known here, and the record's word on its assignment, which is asked again each minute; where the record cannot
be asked, care goes on with what was known.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from vaka import config
from vaka.access.filter import AccessFilter
from vaka.access.session import Right, Session
from vaka.api.cookies import CSRF_HEADER, SAFE, SESSION, Proof, cookie, kept
from vaka.api.http import Request
from vaka.api.people import People
from vaka.api.proofs import Proofs
from vaka.api.revocations import Revocations
from vaka.api.sessions import REFUSED, Sessions, is_session, longer
from vaka.api.vouched import Vouched, check, credential_of
from vaka.errors import Busy, Invalid, Unauthenticated
from vaka.store.accounts import Accounts

if TYPE_CHECKING:
    from vaka.api.server import Server

_JWT: Final = re.compile(r"eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*")
_SECRET_NAMES: Final = frozenset(
    {"access_token", "id_token", "refresh_token", "token", "authorization", "bearer", "session", "jwt", "password"}
)
_STANDING_MAX: Final = 20_000
_AUTHORIZATION_MAX_CHARS: Final = 8_200  # what is longer is neither token nor session, and not worth remembering


def hide_tokens(text: str) -> str:
    """``text`` without anything that looks like a token, for logs."""
    return _JWT.sub("…", text) if "eyJ" in text else text


def refuse_tokens_in_address(request: Request) -> None:
    """Invalid if the address carries a token: it would stand in histories and logs."""
    if _has_token(request):
        request.access.trail.activity = "token-in-address"  # logged at addresses, too, that log nothing else
        raise Invalid(
            "a token never goes into an address",
            help="send it in the Authorization header",
            why="token in the address",
        )


def _has_token(request: Request) -> bool:
    answer = request.path == ("login", "callback")  # an identity service's code may look like a token; it works once
    for name, value in request.query:
        if answer and name in ("code", "state"):
            continue
        if name.lower() in _SECRET_NAMES or ("eyJ" in value and _JWT.search(value)):
            return True
    return any("eyJ" in part and _JWT.search(part) for part in request.path)


@dataclass(slots=True)
class _Standing:
    """A session as the record let it stand. ``at``: monotonic seconds; ``now``: with the rights that the assignment has now, None
    where it has ended."""

    at: float
    told: Session
    now: Session | None


@dataclass(slots=True)
class _Header:
    """An Authorization or Cookie header whose session was looked at whole: good until ``until`` (monotonic seconds), as long
    as the keys are of ``generation`` and nobody ends it."""

    session: Session
    until: float
    generation: int


class Callers:
    """All that is needed to know a person by a session."""

    def __init__(
        self, accounts: Accounts, sessions: Sessions, revocations: Revocations, people: People, proof: Proof
    ) -> None:
        self.sessions, self.revocations, self.people, self.proof = sessions, revocations, people, proof
        self.accounts = accounts
        self.proofs = Proofs()
        self._proven: dict[str, Vouched] = {}
        self._standing: dict[str, _Standing] = {}
        self._headers: dict[str, _Header] = {}

    def known(self, authorization: str) -> Session | None:
        """The living session of an Authorization or Cookie header that was looked at within the last minute: most requests. None
        where it must be looked at. Unauthenticated if it was ended."""
        header = self._headers.get(authorization)
        if header is None:
            return None
        if time.monotonic() > header.until or self.sessions.generation != header.generation:
            del self._headers[authorization]
            return None
        self.revocations.check(header.session)
        return header.session

    def still(self, authorization: str, session: Session, generation: int) -> bool:
        """Whether ``known`` gives this very session, by keys of ``generation``."""
        header = self._headers.get(authorization)
        return (
            header is not None and header.session is session and header.generation == generation
            and time.monotonic() <= header.until and not self.revocations.ended(session)
        )  # fmt: skip

    async def by_header(self, authorization: str, token: str) -> Session:
        """The living session ``token`` of ``authorization``, for ``known`` to know."""
        session, until = await self._living(token)
        self._remember(authorization, session, until)
        return session

    def _remember(self, proof: str, session: Session, until: float) -> None:
        if len(self._headers) >= _STANDING_MAX:
            self._headers.clear()
        left_s = session.expires_us / 1_000_000 - time.time()
        self._headers[proof] = _Header(session, min(until, time.monotonic() + left_s), self.sessions.generation)

    async def session(self, token: str) -> Session:
        """The living session that ``token`` carries. Unauthenticated if it is none, ended, or its assignment has."""
        return (await self._living(token))[0]

    async def _living(self, token: str) -> tuple[Session, float]:
        """The session, and until when (monotonic seconds) what the record says of it need not be asked again."""
        session = self.sessions.verify(token)
        self.revocations.check(session)
        vouched = self.sessions.vouched(token)
        if vouched is not None:
            await self.prove(session, vouched)
        known = self._standing.get(session.id)
        now = time.monotonic()
        if known is not None and known.told is session and now - known.at <= config.STANDING_CHECK_S:
            return _standing(known), known.at + config.STANDING_CHECK_S
        age_s = (time.time_ns() // 1_000 - _made_us(session)) / 1_000_000
        if known is None and age_s < config.STANDING_CHECK_S and vouched is None:
            return session, now + config.STANDING_CHECK_S - age_s  # made after a look at the record
        try:
            # What a copy has made of a login is not believed: it is looked up whether it would be offered.
            rights = await (self.people.standing(session) if vouched is None else self.people.offered(session))
        except Busy:
            return session, now
        known = self._stand(session, now, _with_rights(session, rights))
        return _standing(known), now + config.STANDING_CHECK_S

    def looked_up(self, token: str) -> None:
        """``token`` was made here now for a login whose person and assignment the record has just been asked for: what it says
        of them is not asked again before it is due. Of a copy's session: another process asks all the same."""
        try:
            session = self.sessions.verify(token)
        except Unauthenticated:
            return  # a copy that was shut out: whoever asks with it will be told
        self._stand(session, time.monotonic(), session)

    def _stand(self, session: Session, at: float, now: Session | None) -> _Standing:
        if len(self._standing) >= _STANDING_MAX:
            self._standing.clear()
        known = self._standing[session.id] = _Standing(at, session, now)
        return known

    async def prove(self, session: Session, vouched: Vouched) -> None:
        """Unauthenticated unless what vouches for a copy's session holds (``api.vouched``)."""
        if vouched.proof is None or self._proven.get(session.id) == vouched:
            return
        try:
            passkey = await self.accounts.passkey(credential_of(vouched))
            check(vouched, session, passkey, demo=self.sessions.demo, proofs=self.proofs)
        except ValueError as error:
            raise Unauthenticated(REFUSED, why=f"session of copy key {vouched.kid} refused: {error}") from error
        if len(self._proven) >= _STANDING_MAX:
            self._proven.clear()
        self._proven[session.id] = vouched

    async def of_cookie(self, request: Request) -> Session | None:
        """The living session of a browser; None if it has no cookie. ``request.add_headers`` gets a new one if it is time."""
        token = cookie(request, SESSION)
        if token is None:
            return None
        proof = request.headers["cookie"]
        if (known := self.known(proof)) is not None:
            return known
        session, until = await self._living(token)
        last = session.expires_us >= session.began_us + config.SESSION_MAX_S * 1_000_000
        renewed_in_s = config.SESSION_RENEWED_AFTER_S - (time.time_ns() // 1_000 - _made_us(session)) / 1_000_000
        if not last and renewed_in_s < 0:
            try:
                session = await self.renew(session)
                request.add_headers.append(kept(SESSION, self.sessions.make(session, former=token)))
            except Busy:
                pass  # it lives on as it is
        else:
            self._remember(proof, session, until if last else min(until, time.monotonic() + renewed_in_s))
        return session

    async def renew(self, session: Session) -> Session:
        """The same session for another while, with no more rights than before. Unauthenticated if its assignment is not
        among those that the person has now."""
        person = await self.people.person(session.person)
        offers = await self.people.assignments_of(person) if person is not None else []
        old = session.assignment
        for offer in offers:
            new = offer.assignment
            if (new.id, new.unit, new.provider, new.purpose) == (old.id, old.unit, old.provider, old.purpose):
                self._standing.pop(session.id, None)
                made = longer(replace(session, assignment=replace(new, rights=new.rights & old.rights)))
                await self.accounts.renewed(made)
                return made
        raise Unauthenticated(
            "your assignment has ended", help="log in again to choose another", why=f"assignment {old.id} ended"
        )


def _with_rights(session: Session, rights: frozenset[Right] | None) -> Session | None:
    """``session`` with no more than ``rights``; None where the assignment has ended."""
    if rights is None or rights == session.assignment.rights:
        return session if rights is not None else None
    return replace(session, assignment=replace(session.assignment, rights=rights & session.assignment.rights))


def _standing(known: _Standing) -> Session:
    if known.now is None:
        assignment = known.told.assignment.id
        raise Unauthenticated(
            "your assignment has ended", help="log in again to choose another", why=f"assignment {assignment} ended"
        )
    return known.now


def _made_us(session: Session) -> int:
    """When the session was made or last renewed (sooner, where its end was cut to 12 hours after the login)."""
    return session.expires_us - config.SESSION_ALIVE_S * 1_000_000


async def caller(server: Server, request: Request) -> AccessFilter:
    """Who sends this request to the record. Unauthenticated, Forbidden (a cookie alone does not prove a change)."""
    authorization = request.header("authorization")
    if authorization is not None:
        if (known := server.callers.known(authorization)) is not None:
            return person_filter(server, request, known)
        if (token := _session_in(authorization)) is not None:
            return person_filter(server, request, await server.callers.by_header(authorization, token))
        return server.tokens.verify(authorization)
    session = await server.callers.of_cookie(request)
    if session is None:
        return server.tokens.verify(None)
    access = person_filter(server, request, session)
    if request.method not in SAFE:
        request.access = access  # a refusal below is this person's
        server.callers.proof.check(request, session.id, request.header(CSRF_HEADER))
    return access


def token_of(request: Request) -> str:
    """The signed session that a person's request came with."""
    authorization = request.header("authorization")
    return (_session_in(authorization) if authorization is not None else cookie(request, SESSION)) or ""


def _session_in(authorization: str) -> str | None:
    """The session of an Authorization header, None if it carries something else."""
    return _found_in(authorization) if len(authorization) <= _AUTHORIZATION_MAX_CHARS else None


@lru_cache(maxsize=4_096)
def _found_in(authorization: str) -> str | None:
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" and is_session(token.strip()) else None


def person_filter(server: Server, request: Request, session: Session) -> AccessFilter:
    """The filter of a person, with the trail that this request has already begun."""
    return AccessFilter(
        f"person:{session.person}", session=session, settings=server.settings, trail=request.access.trail
    )
