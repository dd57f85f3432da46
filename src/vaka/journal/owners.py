"""Finds the owner row of what is written: unit and provider are inherited through the encounter to its Organization.

Within one write an owner may depend on another resource of the same write (an encounter and its notes in one
transaction): organisations are settled first, then encounters, then the rest. Owner rows never change, so both
directions are cached; what a resource inherits is read under the transaction and never cached.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vaka.access.ownership import Ownership, inherits_from, kind_of
from vaka.fhir.keys import resource_key
from vaka.journal.arrays import integers
from vaka.journal.statements import statements

if TYPE_CHECKING:
    from psycopg import AsyncConnection

    from vaka.journal.write import Write

_ORDER = {"Organization": 0, "Encounter": 1}
_CACHE_MAX = 100_000


class Owners:
    """The owner rows of one journal, shared by its connections."""

    def __init__(self) -> None:
        self._numbers: dict[Ownership, int] = {}

    async def assign(
        self, connection: AsyncConnection[Any], writes: Sequence[Write], *, author: str | None, source: str
    ) -> list[int]:
        """The owner number of each write, in their order."""
        sql = statements("write")
        settled: dict[int, tuple[str | None, str | None]] = {}
        wanted = [inherits_from(write.resource) if write.resource else None for write in writes]
        ours = {write.rkey for write in writes}
        outside = sorted({resource_key(*w) for w in wanted if w} - ours)
        if outside:
            cursor = await connection.execute(sql["owner_of"], {"keys": integers(outside)})
            for rkey, unit, provider in await cursor.fetchall():
                settled[rkey] = (unit, provider)
        ownerships: dict[int, Ownership] = {}
        order = sorted(range(len(writes)), key=lambda i: _ORDER.get(writes[i].type, 2))
        waiting = order
        while waiting:  # organisations may stand in any order: go round until nothing more is settled
            left = []
            for i in waiting:
                parent = wanted[i]
                key = resource_key(*parent) if parent else None
                if key is not None and key in ours and key not in settled and key != writes[i].rkey:
                    left.append(i)
                    continue
                unit, provider = settled.get(key, (None, None)) if key is not None else (None, None)
                if writes[i].type == "Organization":
                    unit, provider = writes[i].id, provider or writes[i].id
                settled[writes[i].rkey] = (unit, provider)
                ownerships[i] = Ownership(
                    unit, provider, kind_of(writes[i].resource or {"resourceType": writes[i].type}), author, source
                )
            if len(left) == len(waiting):  # a ring of partOf: nobody owns it
                for i in left:
                    ownerships[i] = Ownership(None, None, kind_of(writes[i].resource or {}), author, source)
                    settled[writes[i].rkey] = (None, None)
                left = []
            waiting = left
        return [await self._number(connection, ownerships[i]) for i in range(len(writes))]

    async def _number(self, connection: AsyncConnection[Any], ownership: Ownership) -> int:
        if (known := self._numbers.get(ownership)) is not None:
            return known
        sql = statements("write")
        values: Mapping[str, str | None] = {
            "unit": ownership.unit,
            "provider": ownership.provider,
            "kind": ownership.kind,
            "author": ownership.author,
            "source": ownership.source,
        }
        row = await (await connection.execute(sql["find_owner"], values)).fetchone()
        if row is None:
            await connection.execute(sql["make_owner"], values)
            row = await (await connection.execute(sql["find_owner"], values)).fetchone()
            assert row is not None
            # Not cached: this transaction may yet roll back and take the row with it.
            return int(row[0])
        if len(self._numbers) >= _CACHE_MAX:
            self._numbers.clear()
        self._numbers[ownership] = int(row[0])
        return int(row[0])
