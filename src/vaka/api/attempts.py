"""Slows who guesses: each attempt is counted before it is tried, for its account and its source, and the count outlives this
process.

Invariants: nobody is locked out by others: a device that a person has logged in from before has a count of its own, and
passkeys and identity services are not counted at all; accounts that do not exist are counted like others.
Source: OWASP ASVS 4.0.3, 2.2.1; NIST SP 800-63B 5.2.2.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from vaka import config
from vaka.journal import people
from vaka.journal.journal import Journal

_SECOND_US: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Count:
    """What is counted. ``free``: failures before the first wait."""

    kind: str
    value: str
    free: int

    @property
    def what(self) -> bytes:
        return sha256(f"{self.kind}\0{self.value}".encode()).digest()

    def values(self) -> dict[str, Any]:
        return {
            "what": self.what, "now_us": people.now_us(), "free": self.free, "least_us": _SECOND_US,
            "most_us": config.ATTEMPT_WAIT_MAX_S * _SECOND_US, "halving_us": config.ATTEMPT_HALVING_S * _SECOND_US,
        }  # fmt: skip


def account(person: str, way: str) -> Count:
    return Count("account", f"{way}:{person}", config.ATTEMPTS_FREE_ACCOUNT)


def device(id_: str, person: str) -> Count:
    return Count("device", f"{id_}:{person}", config.ATTEMPTS_FREE_ACCOUNT)


def source(address: str) -> Count:
    """An address; of IPv6 the network that a subscriber has whole."""
    try:
        found = ipaddress.ip_address(address.strip("[]"))
    except ValueError:
        return Count("source", address, config.ATTEMPTS_FREE_SOURCE)
    if isinstance(found, ipaddress.IPv6Address):
        found = ipaddress.ip_network((found, 64), strict=False).network_address
    return Count("source", str(found), config.ATTEMPTS_FREE_SOURCE)


async def begin(journal: Journal, counts: list[Count]) -> int:
    """Counts an attempt. 0 if it may be tried; else how many seconds to wait first."""
    for count in counts:
        if not await people.run(journal, "attempt", **count.values()):
            waits = await people.run(journal, "attempt_wait", **count.values())
            return max(1, int(waits[0][0]) // _SECOND_US + 1) if waits else 1
    return 0


async def succeeded(journal: Journal, counts: list[Count]) -> None:
    """Takes the attempt back: an account or device begins anew, a source is only forgiven this one."""
    for count in counts:
        await people.run(
            journal, "attempt_forgiven" if count.kind == "source" else "attempt_succeeded", what=count.what
        )
