"""What the access log's numbers are called in the record: resources by their keys and versions, owners by their rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vaka.access.filter import AccessFilter
from vaka.errors import Forbidden
from vaka.fhir.definitions import type_name
from vaka.journal.arrays import integers
from vaka.journal.journal import Journal
from vaka.journal.statements import statements


@dataclass(frozen=True, slots=True)
class Owner:
    """A row of ``owner``: Organization ids (None: unknown) and kind of information."""

    unit: str | None
    provider: str | None
    kind: str


def _require(access: AccessFilter) -> None:
    if not access.full:
        raise Forbidden(f"{access.principal} may not ask what the log's numbers stand for")


async def resources(journal: Journal, keys: Iterable[int], *, access: AccessFilter) -> dict[int, tuple[str, str]]:
    """(type, id) by resource key. ``access``: a system's; the keys are those of a log that its reader may read."""
    _require(access)
    async with journal.reading.connection() as connection:
        rows = await connection.execute(statements("names")["resources"], {"keys": integers(sorted(set(keys)))})
        return {rkey: (type_name(type_), id_) for rkey, type_, id_ in await rows.fetchall()}


async def versions(journal: Journal, seqs: Iterable[int], *, access: AccessFilter) -> dict[int, tuple[str, str, int]]:
    """(type, id, epoch) by sequence number."""
    _require(access)
    async with journal.reading.connection() as connection:
        rows = await connection.execute(statements("names")["versions"], {"seqs": integers(sorted(set(seqs)))})
        return {seq: (type_name(type_), id_, epoch) for seq, type_, id_, epoch in await rows.fetchall()}


async def owners(journal: Journal, numbers: Iterable[int], *, access: AccessFilter) -> dict[int, Owner]:
    """Owners by row number."""
    _require(access)
    async with journal.reading.connection() as connection:
        rows = await connection.execute(statements("names")["owners"], {"numbers": integers(sorted(set(numbers)))})
        return {number: Owner(unit, provider, kind) for number, unit, provider, kind in await rows.fetchall()}
