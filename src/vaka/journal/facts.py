"""Writes what the record says about access (``access.facts``) beside the version that says it, in the same statement.

Invariant: the tables care_relation, block, consent and protected hold what the current versions say, nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vaka.access.facts import TYPES, Facts, facts_of
from vaka.fhir.keys import resource_key
from vaka.journal.arrays import booleans, integers, texts
from vaka.journal.statements import statements
from vaka.store.said import NO_FACTS, Place, Said, say

if TYPE_CHECKING:
    from vaka.journal.pool import Connection
    from vaka.journal.write import Write


async def forget(connection: Connection, writes: Iterable[Write]) -> None:
    """Takes away what these resources said before: they are changed or deleted."""
    keys = [write.rkey for write in writes if write.type in TYPES]
    if keys:
        await connection.execute(statements("access")["forget_facts"], {"keys": integers(keys)})


async def rows(connection: Connection, writes: Sequence[Write], places: Sequence[Place]) -> dict[str, Any]:
    """The columns that ``append`` takes. ``places``: unit and provider of each write's owner."""
    said = [facts_of(w.resource) if w.type in TYPES and w.resource is not None else NO_FACTS for w in writes]
    known = await _organizations(connection, writes, places, said)
    rows = Said()
    for write, place, facts in zip(writes, places, said, strict=True):
        if facts is not NO_FACTS and write.patient is not None:
            say(rows, write.rkey, resource_key("Patient", write.patient), place, facts, known)
    return _columns(rows.relations, rows.blocks, rows.consents, rows.protected)


async def _organizations(
    connection: Connection, writes: Sequence[Write], places: Sequence[Place], said: Sequence[Facts]
) -> Mapping[str, Place]:
    """Unit and provider of each Organization that is named, from this write or the record."""
    wanted = {name for facts in said if facts is not NO_FACTS for name in facts.organizations}
    if not wanted:
        return {}
    known = {
        w.id: place for w, place in zip(writes, places, strict=True) if w.type == "Organization" and w.id in wanted
    }
    outside = {resource_key("Organization", name): name for name in wanted - known.keys()}
    if outside:
        cursor = await connection.execute(statements("write")["owner_of"], {"keys": integers(sorted(outside))})
        known |= {outside[rkey]: (unit, provider) for rkey, unit, provider in await cursor.fetchall()}
    return known


def _columns(
    relations: Sequence[tuple[int, int, str, int, int]],
    blocks: Sequence[tuple[Any, ...]],
    consents: Sequence[tuple[int, int, str, int, int]],
    protected: Sequence[int],
) -> dict[str, Any]:
    r, b, c = _turned(relations, 5), _turned(blocks, 12), _turned(consents, 5)
    return {
        "r_rkey": integers(r[0]), "r_patient": integers(r[1]), "r_unit": texts(r[2]),
        "r_from": integers(r[3]), "r_until": integers(r[4]),
        "b_rkey": integers(b[0]), "b_patient": integers(b[1]), "b_provider": texts(b[2]), "b_unit": texts(b[3]),
        "b_kind": texts(b[4]), "b_inner": booleans(b[5]), "b_outer": booleans(b[6]), "b_from": integers(b[7]),
        "b_until": integers(b[8]), "b_lifted_for": texts(b[9]), "b_lifted_from": integers(b[10]),
        "b_lifted_until": integers(b[11]),
        "c_rkey": integers(c[0]), "c_patient": integers(c[1]), "c_receiver": texts(c[2]),
        "c_from": integers(c[3]), "c_until": integers(c[4]),
        "p_patient": integers(protected),
    }  # fmt: skip


def _turned(rows: Sequence[tuple[Any, ...]], columns: int) -> list[list[Any]]:
    """Rows as columns."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(columns)]
