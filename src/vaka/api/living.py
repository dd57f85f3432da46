"""What people are told of their own logins: living sessions, the login before, changes of their ways in.

Invariants: a person is told of the own logins only; a session stands here from its beginning until it has ended, and nothing here
lets anybody in (``api.sessions`` and ``api.revocations`` do). Source: OWASP ASVS 4.0.3, 2.2.3, 2.5.5, 3.3.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vaka import config
from vaka.access.session import Session
from vaka.api.http import Request
from vaka.journal import people
from vaka.journal.journal import Journal
from vaka.store.accounts import Came

# The first that a User-Agent holds is what it is: most call themselves by the others' names too.
_BROWSERS: Final = (("Edg", "Edge"), ("Firefox/", "Firefox"), ("Chrom", "Chrome"), ("Safari/", "Safari"))
_SYSTEMS: Final = (
    ("Windows", "Windows"), ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Mac OS", "Mac"),
    ("Linux", "Linux"),
)  # fmt: skip
# What can have happened to somebody's ways in (``way_change.what``).
PASSPHRASE, SET_UP, PASSKEY, SET_UP_CODE, TAKEN_BACK = "passphrase", "set-up", "passkey", "set-up-code", "taken-back"
CODE_AGAIN: Final = "code-again"  # nothing changed: who knows the passphrase tried a code that was used


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


def device_of(request: Request) -> str:
    """Browser and system, as far as they say; empty where they do not."""
    agent = request.header("user-agent") or ""
    found = (next((name for mark, name in marks if mark in agent), "") for marks in (_BROWSERS, _SYSTEMS))
    return ", ".join(name for name in found if name)


def coming(request: Request, session: Session) -> Came:
    """From where, and how, the person of a session that begins has come."""
    return Came(people.now_us(), session.way, request.source[:64], device_of(request))


async def of(journal: Journal, person: str) -> list[Living]:
    """The living sessions of a person, newest first."""
    rows = await people.run(
        journal, "sessions_of", person=person, now_us=people.now_us(), limit=config.OWN_SESSIONS_MAX
    )
    return [Living(*row) for row in rows]


async def changed(journal: Journal, person: str, what: str) -> None:
    """Writes down that a way in of ``person`` was made, changed, taken back or tried with a used code."""
    await people.run(journal, "way_changed", person=person, now_us=people.now_us(), what=what)
