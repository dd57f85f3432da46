"""What PostgreSQL keeps of logging in beside the record: revocations, things used once, attempts, credentials.

Invariants: a thing is spent once, however many processes try at once; a revocation is durable before it is told as done, and
``revocations`` misses none that commits late (the feed's rule: all above the oldest open transaction is read again).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from vaka import config
from vaka.journal.journal import Journal
from vaka.journal.pool import Connection
from vaka.journal.statements import statements
from vaka.store.accounts import Revocation


def now_us() -> int:
    return time.time_ns() // 1_000


async def _run(connection: Connection, name: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    cursor = await connection.execute(statements("people")[name], values)
    return await cursor.fetchall() if cursor.description is not None else []


async def run(journal: Journal, name: str, **values: Any) -> list[tuple[Any, ...]]:
    """One statement of people.sql, committed; its rows."""
    async with journal.pool.connection() as connection:
        return await _run(connection, name, values)


async def revoke(
    journal: Journal, person: str, session: str | None, reason: str, *, kept_s: int = config.SESSION_MAX_S
) -> Revocation:
    """Ends a session, or all that a person has, for good. ``kept_s``: the longest that what is ended could have lasted."""
    at_us = now_us()
    until_us = at_us + (kept_s + config.CLOCK_SKEW_S) * 1_000_000
    await run(journal, "revoke", session=session, person=person, at_us=at_us, until_us=until_us, reason=reason)
    return Revocation(session, person, at_us, until_us)


async def revocations(journal: Journal, start: str) -> tuple[list[Revocation], str]:
    """Those that may have committed since ``start`` (``"0"``: all), and where to start the next time."""
    async with journal.pool.connection() as connection:
        following = (await _run(connection, "revocations_from", {}))[0][0]
        rows = await _run(connection, "revocations", {"start": start, "now_us": now_us()})
    return [Revocation(*row) for row in rows], following


async def spend(journal: Journal, kind: str, value: str, *, alive_s: int) -> bool:
    """Whether this is the first use of ``value``; it counts for ``alive_s``."""
    what = sha256(f"{kind}\0{value}".encode()).digest()
    return bool(await run(journal, "spend", what=what, until_us=now_us() + alive_s * 1_000_000))


async def enrol(journal: Journal, person: str, code: bytes, hashed: str, secret: str) -> bool:
    """Uses up a set-up code and keeps passphrase and secret, both or neither. False if it was used before."""
    async with journal.pool.connection() as connection, connection.transaction():
        if not await _run(connection, "enrolled", {"person": person, "code": code}):
            return False
        await _run(connection, "keep_passphrase", {"person": person, "hash": hashed, "secret": secret})
        await _run(connection, "way_changed", {"person": person, "now_us": now_us(), "what": "set-up"})
        return True


async def forget(journal: Journal) -> None:
    """Drops what is past its time."""
    now = now_us()
    await run(journal, "forget_revocations", now_us=now)
    await run(journal, "forget_spent", now_us=now)
    await run(journal, "forget_sessions", now_us=now)
    await run(journal, "forget_way_changes", before_us=now - config.WAY_CHANGES_KEPT_DAYS * 86_400 * 1_000_000)
    await run(journal, "forget_attempts", before_us=now - 4 * config.ATTEMPT_HALVING_S * 1_000_000)
