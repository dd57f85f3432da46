"""Passphrases: argon2id, off the event loop, a few at a time.

Invariants: an account without passphrase takes as long as one with it; more than a named number wait for nobody (Busy).
Source: RFC 9106; OWASP ASVS 4.0.3, 2.1 and 2.4.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from vaka import config
from vaka.errors import Busy

T = TypeVar("T")


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
        return await self._aside(lambda: self._hasher.hash(passphrase))

    async def verify(self, hashed: str | None, passphrase: str) -> bool:
        """Whether ``passphrase`` has this hash; the same work where there is none."""

        def work() -> bool:
            try:
                return self._hasher.verify(hashed or self._nobodys, passphrase) and hashed is not None
            except (VerificationError, InvalidHashError):
                return False

        return await self._aside(work)

    def outdated(self, hashed: str) -> bool:
        """Whether it was made with less work than is usual now."""
        return self._hasher.check_needs_rehash(hashed)
