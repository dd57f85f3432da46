"""What stands of one patient, as a sheet is made of it: for who asks at a copy that lags (S1).

Invariants: of what a reader does not see, owner and kind alone leave the database, for the rules to say what may be told of it
(S3); the filter is part of the statement; at most ``limit`` rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from vaka.access.filter import AccessFilter
from vaka.fhir.definitions import type_number
from vaka.fhir.keys import resource_key
from vaka.journal.access import gate
from vaka.journal.arrays import integers
from vaka.journal.statements import statements
from vaka.store.granted import READING

if TYPE_CHECKING:
    from vaka.journal.journal import Journal


class Row(NamedTuple):
    """A current version. ``kind``, ``provider``, ``unit``: whose it is, '' where that is not known; ``body``: None where the
    reader does not see it."""

    type: int
    id: str
    rkey: int
    seq: int
    owner: int
    kind: str
    provider: str
    unit: str
    body: bytes | None


async def rows(
    journal: Journal, patient: int, types: Sequence[str], *, access: AccessFilter, limit: int
) -> tuple[list[Row], bool]:
    """The newest ``limit`` rows of ``patient`` (a resource key), and whether there are more."""
    through = gate(access, letter=READING)
    text = through.into(statements("sheets")["rows"])
    values = {
        "patient": patient, "types": integers([type_number(type_) for type_ in types]), "limit": limit + 1,
        **dict(through.values),
    }  # fmt: skip
    async with journal.reading.connection() as connection:
        found = await (await connection.execute(text.encode(), values)).fetchall()
    made = [
        Row._make([*owned, journal.codec.decompress(dictionary, bytes(body)) if body is not None else None])
        for *owned, dictionary, body in found[:limit]
    ]
    return made, len(found) > limit


async def is_protected(journal: Journal, patient: int) -> bool:
    """Whether the identity of ``patient`` (a resource key) is protected."""
    async with journal.reading.connection() as connection:
        found = await connection.execute(statements("access")["is_protected"], {"patient": patient})
        row = await found.fetchone()
    return row is not None and bool(row[0])


async def named(journal: Journal, references: Sequence[str]) -> dict[str, bytes]:
    """Bodies of the Organizations and Locations (``Type/id``) that are there: what they are called is nobody's secret."""
    keys = {resource_key(*one.split("/", 1)): one for one in references if one.count("/") == 1}
    if not keys:
        return {}
    async with journal.reading.connection() as connection:
        found = await connection.execute(statements("sheets")["named"], {"keys": integers(sorted(keys))})
        rows = await found.fetchall()
    return {keys[rkey]: journal.codec.decompress(dictionary, bytes(body)) for rkey, dictionary, body in rows}
