"""Passphrases: argon2id with a pepper, off the event loop, a few at a time; and which are too easy to guess.

Invariants: who has the table alone can try no guess, since each goes through HMAC with a key that is not in the database; an
account without passphrase takes as long as one with it; more than a named number wait for nobody (Busy); the same letters are
the same passphrase, however a keyboard composes them.
Source: RFC 9106; OWASP ASVS 4.0.3, 2.1 and 2.4; NIST SP 800-63B 5.1.1.2; guesses by zxcvbn (Wheeler, USENIX Security 2016).
"""

from __future__ import annotations

import asyncio
import hmac
import unicodedata
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final, TypeVar

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from vaka import config
from vaka.errors import Busy

if TYPE_CHECKING:
    from argon2 import PasswordHasher

T = TypeVar("T")
_LOOKED_AT_CHARS: Final = (
    24  # what is hard to guess by its beginning stays so; look-alikes like 4@ cost time with the length
)
_PEPPERED: Final = "p1"  # before the "$argon2id$" of a hash that was made with the pepper; those of before have none
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
    """Whether few guesses find it."""
    return guesses_log10(passphrase, own) < config.PASSPHRASE_MIN_GUESSES_LOG10


def guesses_log10(passphrase: str, own: Sequence[str]) -> float:
    """How many guesses find it, as a power of ten: leaked and common ones, dates, keyboard walks, repetitions and ``own`` words
    (names, ids) come first."""
    if not passphrase:
        return 0.0
    from zxcvbn import zxcvbn  # imported when it is needed: its lists take 15 MB

    told = [part for text in (*own, *_SWEDISH) for part in (text, *text.replace("-", " ").split())]
    found = zxcvbn(composed(passphrase)[:_LOOKED_AT_CHARS], user_inputs=told)
    return float(found["guesses_log10"])


class Passphrases:
    """Hashes and verifies for this process."""

    def __init__(self, key: bytes) -> None:
        """``key``: 32 secret bytes that lie elsewhere than the hashes; without them no hash of here can be verified."""
        self._pepper = HKDFExpand(SHA256(), 32, b"vaka passphrase pepper").derive(key)
        self._free = asyncio.Semaphore(config.PASSPHRASE_CHECKS_AT_ONCE)
        self._waiting = 0

    @cached_property
    def _hasher(self) -> PasswordHasher:
        from argon2 import PasswordHasher  # a copy checks no passphrase

        return PasswordHasher()

    @cached_property
    def _nobodys(self) -> str:
        return self._made("nobody has this passphrase")

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
        return await self._aside(lambda: self._made(passphrase))

    def _made(self, passphrase: str) -> str:
        return _PEPPERED + self._hasher.hash(self._peppered(passphrase))

    def _peppered(self, passphrase: str) -> bytes:
        return hmac.digest(self._pepper, composed(passphrase).encode(), "sha256")

    async def easy(self, passphrase: str, own: Sequence[str]) -> bool:
        """As ``easy``, off the event loop."""
        return await self._aside(lambda: easy(passphrase, own))

    async def strength(self, passphrase: str, own: Sequence[str]) -> float:
        """As ``guesses_log10``, off the event loop. Busy while others wait: no login stands behind a meter."""
        if self._waiting >= config.PASSPHRASE_CHECKS_AT_ONCE:
            raise Busy("too many are logging in at this moment", retry_after_s=2)
        return await self._aside(lambda: guesses_log10(passphrase, own))

    async def verify(self, hashed: str | None, passphrase: str) -> bool:
        """Whether ``passphrase`` has this hash; the same work where there is none."""

        from argon2.exceptions import InvalidHashError, VerificationError

        def work() -> bool:
            nobodys = self._nobodys  # the first time it takes longer, whoever is asked for
            kept = hashed or nobodys
            tried = self._peppered(passphrase) if kept.startswith(_PEPPERED) else composed(passphrase)
            try:
                return self._hasher.verify(kept.removeprefix(_PEPPERED), tried) and hashed is not None
            except (VerificationError, InvalidHashError):
                return False

        return await self._aside(work)

    def outdated(self, hashed: str) -> bool:
        """Whether it was made without pepper, or with less work than is usual now."""
        return not hashed.startswith(_PEPPERED) or self._hasher.check_needs_rehash(hashed.removeprefix(_PEPPERED))
