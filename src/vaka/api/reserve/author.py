"""Who wrote a reserve entry, as the journal knew them when it was written.

Invariant: the journal believes the signed session or token alone (traps: Trust): what the copy says of who wrote is never
taken; a session that had expired, had been ended, or whose assignment was over at the time it was written is refused.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from vaka.access.filter import AccessFilter
from vaka.api.sessions import is_session
from vaka.copy.reserve.entry import Entry
from vaka.errors import Unauthenticated
from vaka.journal.reserve import ended_before, version_at
from vaka.store.version import Version

if TYPE_CHECKING:
    from vaka.api.server import Server


def written_us(entry: Entry) -> int:
    """When the entry was written by this side's clock, as far as the copy knew how far its own was off; never in the future."""
    return min(entry.recorded_us - 1_000 * (entry.offset_ms or 0), time.time_ns() // 1_000)


async def author_of(server: Server, entry: Entry) -> AccessFilter:
    """The filter of who wrote ``entry``, as of then. Unauthenticated where nobody did who might."""
    at_us = written_us(entry)
    if is_session(entry.author):
        access = await _person(server, entry.author, at_us)
    else:
        access = replace(server.tokens.verify_at(entry.author, at_us), at_us=at_us)
    if access.principal != entry.principal:
        raise Unauthenticated("the entry is another's than it says", why="reserve: principal and author differ")
    return access


async def _person(server: Server, token: str, at_us: int) -> AccessFilter:
    callers, journal = server.callers, server.journal
    session, vouched = callers.sessions.verify_at(token, at_us)
    if vouched is not None:
        await callers.prove(session, vouched)
    if await ended_before(journal, session, at_us):
        raise Unauthenticated("the person had logged out", why=f"reserve: session {session.id} had been ended")

    async def then(type_: str, id_: str) -> Version | None:
        return await version_at(journal, type_, id_, at_us)

    rights = await callers.people.standing(session, at_us=at_us, read=then)
    if rights is not None and vouched is not None:  # a copy said which rights: no more than the record gives
        rights &= await callers.people.offered(session) or frozenset()
    if rights is None:
        raise Unauthenticated(
            "the person's assignment had ended when this was written",
            why=f"reserve: assignment {session.assignment.id} ended",
        )
    now = replace(session, assignment=replace(session.assignment, rights=rights))
    return AccessFilter(f"person:{now.person}", session=now, settings=server.settings, at_us=at_us)
