"""Sessions that were ended before their time: every process knows them within a second, and after a restart.

Invariants: nothing is served before all that are in force were read; a session ended here is known here at once; while the
database is away, what was known stays known.
"""

from __future__ import annotations

import asyncio

from vaka import config, log
from vaka.access.session import Session
from vaka.api.sessions import REFUSED
from vaka.errors import Unauthenticated
from vaka.store.accounts import Accounts, Revocation
from vaka.store.through import now_us


class Revocations:
    """Follows the revocations that one journal or copy knows."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._sessions: dict[str, int] = {}
        self._persons: dict[str, int] = {}
        self._start = ""
        self._away = False

    async def load(self) -> None:
        """Reads those that were made since the last time."""
        found, self._start = await self._accounts.revocations(self._start)
        for revocation in found:
            self._note(revocation)
        now = now_us()
        if len(self._sessions) > config.REVOCATIONS_KEPT:
            self._sessions = {id_: until for id_, until in self._sessions.items() if until > now}

    def _note(self, revocation: Revocation) -> None:
        if revocation.session is not None:
            self._sessions[revocation.session] = revocation.until_us
        else:
            self._persons[revocation.person] = max(revocation.at_us, self._persons.get(revocation.person, 0))

    async def follow(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(config.REVOCATIONS_POLL_S)
            try:
                await self.load()
                self._away = False
            except Exception as error:  # whatever it is: who was ended must be heard of again as soon as it is over
                if not self._away:
                    log.error("revocations cannot be read", exception=error)
                self._away = True

    async def end(self, session: Session, reason: str, token: str) -> None:
        """Ends ``session``, whose token this is; returns when that is durable."""
        self._note(await self._accounts.revoke(session.person, session.id, reason, token))

    async def end_all(self, person: str, reason: str) -> None:
        """Ends all that ``person`` has. On a copy only the journal can (OnlyJournal)."""
        self._note(await self._accounts.revoke(person, None, reason, ""))

    async def end_one(self, person: str, session: str, reason: str) -> None:
        """Ends the session of this id, which is ``person``'s. On a copy only the journal can (OnlyJournal)."""
        self._note(await self._accounts.revoke(person, session, reason, ""))

    def ended(self, session: Session) -> bool:
        """Whether ``session`` was ended."""
        return session.id in self._sessions or session.began_us <= self._persons.get(session.person, 0)

    def check(self, session: Session) -> None:
        """Unauthenticated if ``session`` was ended."""
        if self.ended(session):
            raise Unauthenticated(REFUSED, why=f"session {session.id} was ended")
