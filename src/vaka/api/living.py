"""What the journal tells people of their own logins: living sessions, and what happened to their ways in.

Invariants: a person is told of the own logins only; a session stands here from its beginning until it has ended, and nothing here
lets anybody in (``api.sessions`` and ``api.revocations`` do). Source: OWASP ASVS 4.0.3, 2.2.3, 2.5.5, 3.3.4.
"""

from __future__ import annotations

from dataclasses import dataclass

from vaka import config
from vaka.journal import people
from vaka.journal.journal import Journal


@dataclass(frozen=True, slots=True)
class Living:
    """A session. ``unit``: Organization id; ``device``: browser and system as they call themselves; times in microseconds."""

    session: str
    way: str
    unit: str
    title: str
    source: str
    device: str
    began_us: int
    used_us: int


async def of(journal: Journal, person: str) -> list[Living]:
    """The living sessions of a person, newest first."""
    rows = await people.run(
        journal, "sessions_of", person=person, now_us=people.now_us(), limit=config.OWN_SESSIONS_MAX
    )
    return [Living(*row) for row in rows]


async def changed(journal: Journal, person: str, what: str) -> None:
    """Writes down that a way in of ``person`` was made, changed, taken back or tried with a used code."""
    await people.run(journal, "way_changed", person=person, now_us=people.now_us(), what=what)
