"""Finds the owner row of what is written: unit and provider are inherited through the encounter to its Organization.

A person writes as the unit of the assignment, a program of one provider as that provider where nothing says which unit.
A deletion keeps the owner of what it deletes. Within one write an owner may depend on another resource of the same write (an
encounter and its notes in one transaction): organisations are settled first, then encounters, then the rest. Owner rows never
change, so both directions are cached; what a resource inherits is read under the transaction and never cached.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vaka.access.filter import AccessFilter
from vaka.access.ownership import Ownership, inherits_from, kind_of
from vaka.errors import Forbidden
from vaka.fhir.keys import resource_key
from vaka.journal.arrays import integers
from vaka.journal.statements import statements
from vaka.store.said import Place

if TYPE_CHECKING:
    from psycopg import AsyncConnection

    from vaka.journal.write import Write

_ORDER = {"Organization": 0, "Location": 1, "PractitionerRole": 1, "Encounter": 2}
_CACHE_MAX = 100_000
_Owned = tuple[str | None, str | None, str]


class Owners:
    """The owner rows of one journal, shared by its connections."""

    def __init__(self) -> None:
        self._numbers: dict[Ownership, int] = {}
        self._owned: dict[int, _Owned] = {}

    async def assign(
        self,
        connection: AsyncConnection[Any],
        writes: Sequence[Write],
        before: Mapping[int, int],
        *,
        access: AccessFilter,
    ) -> list[tuple[int, Place]]:
        """The owner number of each write, and its unit and provider, in their order. ``before``: owner numbers by key of what
        stands already: a deletion keeps its owner, and so does a change that tells no other."""
        sql = statements("write")
        author = access.session.practitioner if access.session is not None else None
        source = access.principal
        standing = await self._standing(connection, before)
        settled: dict[int, tuple[str | None, str | None]] = {}
        wanted = [inherits_from(write.resource) if write.resource else None for write in writes]
        ours = {write.rkey for write in writes}
        outside = sorted({resource_key(*w) for w in wanted if w} - ours)
        if outside:
            cursor = await connection.execute(sql["owner_of"], {"keys": integers(outside)})
            for rkey, unit, provider in await cursor.fetchall():
                settled[rkey] = (unit, provider)
        ownerships: dict[int, Ownership] = {}
        order = sorted(range(len(writes)), key=lambda i: _ORDER.get(writes[i].type, 3))
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
                kind = kind_of(writes[i].resource or {"resourceType": writes[i].type})
                stands = standing.get(writes[i].rkey)
                if (owned := writes[i].owned) is not None:
                    unit, provider, kind = owned
                elif (writes[i].deletes or writes[i].keep_owner) and stands is not None:
                    unit, provider, kind = stands
                elif access.session is not None:
                    unit, provider = access.session.assignment.unit, access.session.assignment.provider
                elif writes[i].type == "Organization":
                    unit, provider = writes[i].id, provider or writes[i].id
                elif provider is None and stands is not None and stands[1] is not None:
                    unit, provider, _ = stands
                elif provider is None:
                    provider = access.provider
                settled[writes[i].rkey] = (unit, provider)
                given = writes[i].given
                ownerships[i] = Ownership(
                    unit, provider, kind, *((author, source) if given is None else (given.author, given.source))
                )
            if len(left) == len(waiting):  # a ring of partOf: nobody owns it
                for i in left:
                    ownerships[i] = Ownership(None, None, kind_of(writes[i].resource or {}), author, source)
                    settled[writes[i].rkey] = (None, None)
                left = []
            waiting = left
        if access.session is None and access.provider is not None:
            for i, found in ownerships.items():
                if found.provider != access.provider:
                    raise Forbidden(f"this {writes[i].type} would be another care provider's", path=writes[i].path)
        return [
            (await self._number(connection, ownerships[i]), (ownerships[i].unit, ownerships[i].provider))
            for i in range(len(writes))
        ]

    async def _standing(self, connection: AsyncConnection[Any], before: Mapping[int, int]) -> dict[int, _Owned]:
        """Unit, provider and kind by key of what stands already."""
        missing = sorted(set(before.values()) - self._owned.keys())
        if missing:
            if len(self._owned) >= _CACHE_MAX:
                self._owned.clear()
                missing = sorted(set(before.values()))
            cursor = await connection.execute(statements("access")["owners_by_number"], {"owners": integers(missing)})
            self._owned |= {number: (unit, provider, kind) for number, unit, provider, kind in await cursor.fetchall()}
        return {rkey: self._owned[number] for rkey, number in before.items()}

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
