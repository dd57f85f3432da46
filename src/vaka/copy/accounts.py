"""People's accounts on a copy (``store.accounts``): what came by the private feed, and what was done here.

Invariant: it works with the journal away; what only the journal can decide (all sessions of a person at once) says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

import apsw

from vaka import config
from vaka.access.session import Session
from vaka.copy.own import Owed, Own, Spent, now_us
from vaka.copy.statements import statements
from vaka.errors import OnlyJournal
from vaka.store.accounts import Came, Passkey, Recent, Revocation, Used

Record: TypeAlias = Callable[[], apsw.Connection]
"""Gives this thread's connection for reading to the record.db in use now: another one after a new seed."""


class CopyAccounts:
    """The accounts of one copy."""

    def __init__(self, own: Own, record: Record) -> None:
        self._own, self._record = own, record
        self._sql = statements("private")

    async def passkey(self, credential: bytes) -> Passkey | None:
        row = self._record().execute(self._sql["passkey"], {"credential": credential}).fetchone()
        if row is None:
            return None
        id_, person, site, public_key, signs, demo = row
        return Passkey(id_, person, site, public_key, signs, bool(demo))

    async def passkeys_of(self, person: str) -> list[bytes]:
        return [row[0] for row in self._record().execute(self._sql["passkeys_of"], {"person": person})]

    async def spend(self, kind: str, value: str, *, alive_s: int) -> bool:
        return await self._kept(Spent(kind, value, alive_s))

    async def use(self, used: Used) -> bool:
        return await self._kept(_spent(used), _signed(used))

    async def begun(self, session: Session, came: Came, token: str, used: Used | None = None) -> bool:
        told = {"came": {"source": came.source, "device": came.device}, "token": token}
        began = Owed("began", told)
        if used is None:
            return await self._kept(None, began)
        return await self._kept(_spent(used), _signed(used), began)

    async def renewed(self, session: Session) -> None:
        told = {"session": session.id, "person": session.person, "until_us": session.expires_us}
        await self._kept(None, Owed("renewed", told, key=f"renewed {session.id}"))

    async def _kept(self, spent: Spent | None, *owed: Owed) -> bool:
        return await asyncio.wrap_future(self._own.use_later(spent, owed))

    async def recent(self, session: Session) -> Recent | None:
        return None

    async def revoke(self, person: str, session: str | None, reason: str, token: str) -> Revocation:
        if session is None or not token:
            raise OnlyJournal("only the journal can end this", help="try again when the journal can be reached")
        at_us, until_us = await asyncio.to_thread(self._own.revoke, person, session, reason, token)
        return Revocation(session, person, at_us, until_us)

    async def revocations(self, start: str) -> tuple[list[Revocation], str]:
        record = self._record()
        file, came, own = start.split("|") if start else ("", "0", "0")
        if file != record.filename:  # another seed: its lines are counted anew
            came = "0"
        rows: list[Any] = record.execute(self._sql["revocations"], {"after": int(came), "now_us": now_us()}).fetchall()
        mine = await asyncio.to_thread(self._own.revocations, int(own))
        found = [Revocation(session, person, at_us, until_us) for _, session, person, at_us, until_us in [*rows, *mine]]
        following = (rows[-1][0] if rows else int(came), mine[-1][0] if mine else int(own))
        return found, f"{record.filename}|{following[0]}|{following[1]}"


def _spent(used: Used) -> Spent:
    return Spent("challenge", used.challenge, config.LOGIN_MAX_S)


def _signed(used: Used) -> Owed:
    credential = used.credential.hex()
    return Owed("signed", {"credential": credential, "signs": used.signs}, key=f"signed {credential}")


class CopyClients:
    """The register of programs, as far as a copy needs it: whose tokens still count."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def registered(self, name: str, number: int) -> bool:
        values = {"name": name, "client": number}
        return self._record().execute(statements("private")["clients_registered"], values).fetchone() is not None
