"""What is asked of people's accounts, be it at the journal or on a copy: the same login stands above either.

Invariants: a thing is spent once where it was given out; a session that was ended is ended durably before it is told; on a copy
what happens here counts here at once, and reaches the journal later, once. Passphrases, codes and set-up codes are no part of
this: they are the journal's alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from vaka.access.session import Session

# What can have happened to somebody's ways in (``Recent.changes``).
PASSPHRASE, SET_UP, PASSKEY, SET_UP_CODE, TAKEN_BACK = "passphrase", "set-up", "passkey", "set-up-code", "taken-back"
CODE_AGAIN: Final = "code-again"  # nothing changed: who knows the passphrase tried a code that was used


class Passkey(NamedTuple):
    """The public key of a passkey. ``signs``: how often it has signed, as far as it counts; ``demo``: made by a demo login."""

    credential: bytes
    person: str
    site: str
    public_key: bytes
    signs: int
    demo: bool


@dataclass(frozen=True, slots=True)
class Revocation:
    """``session``: that one; None: all sessions of ``person`` that began before ``at_us``. Moot after ``until_us``."""

    session: str | None
    person: str
    at_us: int
    until_us: int


@dataclass(frozen=True, slots=True)
class Came:
    """A login."""

    at_us: int
    way: str
    source: str
    device: str


@dataclass(frozen=True, slots=True)
class Recent:
    """What a person is told of the own logins. ``living``: how many sessions; ``other``: the login before this one; ``changes``
    of ways in since then, (time, what)."""

    living: int
    other: Came | None
    changes: Sequence[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Used:
    """What a login with a passkey uses: its ``challenge``, once, and the passkey, which has signed ``signs`` times now."""

    challenge: str
    credential: bytes
    signs: int


class Accounts(Protocol):
    """``token``: the signed session itself, which proves to the journal what a copy tells it."""

    async def passkey(self, credential: bytes) -> Passkey | None:
        """The passkey of this credential id."""

    async def passkeys_of(self, person: str) -> list[bytes]:
        """Credential ids of a person's passkeys."""

    async def spend(self, kind: str, value: str, *, alive_s: int) -> bool:
        """Whether this is the first use of ``value`` here; it counts for ``alive_s``."""

    async def use(self, used: Used) -> bool:
        """Keeps that a passkey was used; False, and nothing is kept, where its challenge was used before here."""

    async def begun(self, session: Session, came: Came, token: str, used: Used | None = None) -> bool:
        """A session begins, by a login that uses ``used``; False, and nothing is kept, as ``use``."""

    async def renewed(self, session: Session) -> None:
        """A session lives for longer."""

    async def recent(self, session: Session) -> Recent | None:
        """What its person is told; None where only the journal knows."""

    async def revoke(self, person: str, session: str | None, reason: str, token: str) -> Revocation:
        """Ends a session, or all that a person has, for good."""

    async def revocations(self, start: str) -> tuple[list[Revocation], str]:
        """Those since ``start`` (``""``: all in force), and where to start the next time."""
