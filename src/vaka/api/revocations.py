"""Sessions that were ended before their time: every process knows them within a second, and after a restart.

Invariants: nothing is served before all that are in force were read; a session ended here is known here at once; while the
database is away, what was known stays known.
"""

from __future__ import annotations

import asyncio

from vaka import config, log
from vaka.access.session import Session
from vaka.api.sessions import REFUSED
from vaka.errors import Unauthenticated, VakaError
from vaka.journal import people
from vaka.journal.journal import Journal


class Revocations:
    """Follows the table of revocations of one journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._sessions: dict[str, int] = {}
        self._persons: dict[str, int] = {}
        self._start = "0"
        self._epoch = 0
        self._away = False

    async def load(self) -> None:
        """Reads those that were made since the last time."""
        if self._epoch != self._journal.epoch:  # another history: its transactions are counted anew
            self._start, self._epoch = "0", self._journal.epoch
        found, self._start = await people.revocations(self._journal, self._start)
        for revocation in found:
            self._note(revocation)
        now = people.now_us()
        if len(self._sessions) > config.REVOCATIONS_KEPT:
            self._sessions = {id_: until for id_, until in self._sessions.items() if until > now}

    def _note(self, revocation: people.Revocation) -> None:
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
            except VakaError as error:
                if not self._away:
                    log.warning("revocations cannot be read", reason=error.message)
                self._away = True

    async def end(self, session: Session, reason: str) -> None:
        """Ends ``session``; returns when that is durable."""
        self._note(await people.revoke(self._journal, session.person, session.id, reason))

    async def end_all(self, person: str, reason: str) -> None:
        """Ends all that ``person`` has."""
        self._note(await people.revoke(self._journal, person, None, reason))

    async def end_one(self, person: str, session: str, reason: str) -> None:
        """Ends the session of this id, which is ``person``'s."""
        self._note(await people.revoke(self._journal, person, session, reason))

    def check(self, session: Session) -> None:
        """Unauthenticated if ``session`` was ended."""
        if session.id in self._sessions or session.began_us <= self._persons.get(session.person, 0):
            raise Unauthenticated(REFUSED, why=f"session {session.id} was ended")
