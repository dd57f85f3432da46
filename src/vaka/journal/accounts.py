"""People's accounts in the journal's own tables (``store.accounts``)."""

from __future__ import annotations

from vaka import config
from vaka.access.session import Session
from vaka.journal import people
from vaka.journal.journal import Journal
from vaka.journal.people import now_us, run
from vaka.store.accounts import Came, Passkey, Recent, Revocation, Used


class JournalAccounts:
    """The accounts of one journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def passkey(self, credential: bytes) -> Passkey | None:
        rows = await run(self._journal, "passkey", credential=credential)
        if not rows:
            return None
        id_, person, site, public_key, signs, demo = rows[0]
        return Passkey(bytes(id_), person, site, bytes(public_key), signs, demo)

    async def passkeys_of(self, person: str) -> list[bytes]:
        return [bytes(row[0]) for row in await run(self._journal, "passkeys_of", person=person)]

    async def spend(self, kind: str, value: str, *, alive_s: int) -> bool:
        return await people.spend(self._journal, kind, value, alive_s=alive_s)

    async def use(self, used: Used) -> bool:
        if not await self.spend("challenge", used.challenge, alive_s=config.LOGIN_MAX_S):
            return False
        await run(self._journal, "passkey_used", credential=used.credential, signs=used.signs)
        return True

    async def begun(self, session: Session, came: Came, token: str, used: Used | None = None) -> bool:
        if used is not None and not await self.use(used):
            return False
        told = {
            "person": session.person, "way": came.way, "source": came.source, "device": came.device,
            "began_us": session.began_us,
        }  # fmt: skip
        at = session.assignment
        await run(
            self._journal, "session_begun", session=session.id, unit=at.unit, title=at.title, now_us=came.at_us,
            until_us=session.expires_us, **told,
        )  # fmt: skip
        await run(self._journal, "logged_in", **told)
        return True

    async def renewed(self, session: Session) -> None:
        await run(self._journal, "session_renewed", session=session.id, now_us=now_us(), until_us=session.expires_us)

    async def recent(self, session: Session) -> Recent | None:
        other = await self._other(session)
        since_us = min(other.at_us, session.began_us) if other is not None else 0
        changes = await run(
            self._journal, "way_changes", person=session.person, since_us=since_us, limit=config.WAY_CHANGES_SHOWN_MAX
        )
        living = await run(
            self._journal, "sessions_of", person=session.person, now_us=now_us(), limit=config.OWN_SESSIONS_MAX
        )
        return Recent(len(living), other, [(int(at_us), str(what)) for at_us, what in changes])

    async def _other(self, session: Session) -> Came | None:
        """The newest login of the session's person that is not its own; None where there was none."""
        rows = await run(self._journal, "logins_of", person=session.person)
        if not rows:
            return None
        newest, before = rows[0][:4], rows[0][4:]
        if newest[0] != session.began_us:
            return Came(*newest)
        return Came(*before) if before[0] is not None else None

    async def revoke(self, person: str, session: str | None, reason: str, token: str) -> Revocation:
        return await people.revoke(self._journal, person, session, reason)

    async def revocations(self, start: str) -> tuple[list[Revocation], str]:
        epoch, _, xid = start.partition("/")
        if epoch != str(self._journal.epoch):  # another history: its transactions are counted anew
            epoch, xid = str(self._journal.epoch), "0"
        found, following = await people.revocations(self._journal, xid)
        return found, f"{epoch}/{following}"
