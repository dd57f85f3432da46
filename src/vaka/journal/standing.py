"""What stands in the journal, as far as `vaka load` must know it to leave unchanged what is unchanged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from vaka.fhir.parse import Parsed
from vaka.fhir.splice import splice
from vaka.journal.arrays import integers
from vaka.journal.journal import Journal
from vaka.journal.statements import statements
from vaka.store.version import instant, version_id


@dataclass(frozen=True, slots=True)
class Standing:
    """The current version under a key; ``hash`` is of its stored bytes."""

    version: int
    epoch: int
    updated_us: int
    deleted: bool
    hash: bytes

    def holds(self, parsed: Parsed, id_: str) -> bool:
        """Whether the stored bytes are what ``parsed`` would be stored as, but for number and time."""
        if self.deleted:
            return False
        body = splice(
            parsed.body, parsed.resource,
            id=id_, version_id=version_id(self.version, self.epoch), last_updated=instant(self.updated_us),
        )  # fmt: skip
        return sha256(body).digest() == self.hash


async def standing(journal: Journal, keys: Iterable[int]) -> dict[int, Standing]:
    """By resource key. Read before a transaction begins: it says what may be skipped, never what may be overwritten."""
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    async with journal.reading.connection() as connection:
        cursor = await connection.execute(statements("standing")["standing"], {"keys": integers(wanted)})
        return {row[0]: Standing(row[1], row[2], row[3], row[4], bytes(row[5])) for row in await cursor.fetchall()}


async def settle(journal: Journal) -> None:
    """Brings statistics and visibility up to date after a load."""
    async with journal.pool.connection() as connection:
        await connection.execute(statements("standing")["vacuum"])
