"""Passphrases: argon2id, off the event loop, a few at a time; and which are too easy to guess.

Invariants: an account without passphrase takes as long as one with it; more than a named number wait for nobody (Busy); the same
letters are the same passphrase, however a keyboard composes them.
Source: RFC 9106; OWASP ASVS 4.0.3, 2.1 and 2.4; NIST SP 800-63B 5.1.1.2; guesses by zxcvbn (Wheeler, USENIX Security 2016).
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from vaka import config
from vaka.errors import Busy

T = TypeVar("T")
_LOOKED_AT_CHARS: Final = (
    24  # what is hard to guess by its beginning stays so; look-alikes like 4@ cost time with the length
)
# The library knows leaked passwords and English; these are what Swedish ones are made of.
_SWEDISH: Final = (  # noqa: SIM905  fewer lines than a list
    "lösenord lösen hemligt hemlig hemlighet sommar sommaren vinter vintern höst hösten vår våren välkommen sverige svenska "
    "stockholm göteborg malmö uppsala sjukhus sjukhuset vård vården vårdcentral vårdcentralen avdelning journal journalen läkare "
    "sköterska sjuksköterska undersköterska patient region regionen landsting landstinget medicin akuten jobbet arbete älskling "
    "älskar kärlek familjen mamma pappa barnen hunden katten fotboll hockey djurgården hammarby januari februari mars april maj "
    "juni juli augusti september oktober november december måndag tisdag onsdag torsdag fredag lördag söndag semester midsommar "
    "julafton glass kaffe solsken blomma fjäril prinsessa hejsan hejhej tjena qwertyuiopå asdfghjklöä vaka inloggning användare "
    "byt bytmig ändra ändramig nytt nyttlösenord"
).split()


def composed(passphrase: str) -> str:
    """``å`` as one character, however it was typed."""
    return unicodedata.normalize("NFC", passphrase)


def easy(passphrase: str, own: Sequence[str]) -> bool:
    """Whether few guesses find it: leaked and common ones, dates, keyboard walks, repetitions, ``own`` words (names, ids)."""
    from zxcvbn import zxcvbn  # imported when it is needed: its lists take 15 MB

    told = [part for text in (*own, *_SWEDISH) for part in (text, *text.replace("-", " ").split())]
    found = zxcvbn(composed(passphrase)[:_LOOKED_AT_CHARS], user_inputs=told)
    return float(found["guesses_log10"]) < config.PASSPHRASE_MIN_GUESSES_LOG10


class Passphrases:
    """Hashes and verifies for this process."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._nobodys = self._hasher.hash("nobody has this passphrase")
        self._free = asyncio.Semaphore(config.PASSPHRASE_CHECKS_AT_ONCE)
        self._waiting = 0

    async def _aside(self, work: Callable[[], T]) -> T:
        if self._waiting >= config.PASSPHRASE_CHECKS_WAITING:
            raise Busy("too many are logging in at this moment", retry_after_s=2)
        self._waiting += 1
        try:
            async with self._free:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1

    async def hash(self, passphrase: str) -> str:
        return await self._aside(lambda: self._hasher.hash(composed(passphrase)))

    async def easy(self, passphrase: str, own: Sequence[str]) -> bool:
        """As ``easy``, off the event loop."""
        return await self._aside(lambda: easy(passphrase, own))

    async def verify(self, hashed: str | None, passphrase: str) -> bool:
        """Whether ``passphrase`` has this hash; the same work where there is none."""

        def work() -> bool:
            try:
                return self._hasher.verify(hashed or self._nobodys, composed(passphrase)) and hashed is not None
            except (VerificationError, InvalidHashError):
                return False

        return await self._aside(work)

    def outdated(self, hashed: str) -> bool:
        """Whether it was made with less work than is usual now."""
        return self._hasher.check_needs_rehash(hashed)
