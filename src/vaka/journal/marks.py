"""Making marks, and what stands of an entry: the doing behind the operations on records.

Invariant: a mark is written under the lock of the entry that it is on, with that entry's home patient, unit, provider and kind.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import orjson

from vaka.access.law import Act, Owes, is_locked
from vaka.access.marks import Actor, mark_id, provenance
from vaka.errors import Fault
from vaka.fhir.accept import require_valid
from vaka.fhir.extract import owner_hints
from vaka.fhir.parse import as_parsed
from vaka.journal.accept import write_of
from vaka.journal.statements import statements
from vaka.store.version import Version, instant

if TYPE_CHECKING:
    from vaka.journal.journal import Transaction
    from vaka.journal.pool import Connection

Owned = tuple[str | None, str | None, str]
"""Unit, provider and kind of a version's owner."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands of an entry. ``since``: seq of the version that it says; times in microseconds since 1970."""

    since: int = 0
    signed_us: int | None = None
    locked_us: int | None = None
    owes: Owes | None = None
    unit: str | None = None
    person: str | None = None

    @property
    def locked(self) -> bool:
        return is_locked(self.signed_us, self.locked_us, now_us())

    @property
    def seen(self) -> bool:
        """Signed, or a result that somebody has read."""
        return self.signed_us is not None or (self.since > 0 and self.owes in (None, Owes.ACTION))


def now_us() -> int:
    return time.time_ns() // 1_000


async def entry_of(connection: Connection, rkey: int) -> Entry:
    """What stands of the entry ``rkey``; all empty where it is not followed."""
    row = await (await connection.execute(statements("law")["entry"], {"rkey": rkey})).fetchone()
    if row is None:
        return Entry()
    return Entry(row[0], row[1], row[2], Owes(row[3]) if row[3] is not None else None, row[4], row[5])


async def actors(connection: Connection, rkey: int, act: Act) -> list[str]:
    """Who has made marks of this kind on what the entry says now."""
    values = {"entry": rkey, "act": int(act)}
    rows = await (await connection.execute(statements("law")["actors"], values)).fetchall()
    return [row[0] for row in rows]


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest mark of a kind on an entry. ``id``: its Provenance."""

    id: str
    actor: str
    at_us: int
    detail: str | None


async def latest(connection: Connection, rkey: int, act: Act) -> Latest | None:
    sql = statements("law")
    row = await (await connection.execute(sql["latest_mark"], {"entry": rkey, "act": int(act)})).fetchone()
    if row is None:
        return None
    named = await (await connection.execute(sql["mark_resource"], {"rkey": row[0]})).fetchone()
    return Latest(named[0], row[1], row[2], row[3]) if named is not None else None


async def owned_by(connection: Connection, version: Version) -> Owned:
    """Unit, provider and kind of information of a version."""
    row = await (await connection.execute(statements("law")["owned"], {"owner": version.owner})).fetchone()
    if row is None:
        raise Fault(f"version {version.seq} has no owner")
    return row[0], row[1], row[2]


async def first_saved_us(connection: Connection, rkey: int) -> int:
    row = await (await connection.execute(statements("law")["first_saved"], {"rkey": rkey})).fetchone()
    if row is None:
        raise Fault("a resource without versions")
    return int(row[0])


def address(version: Version) -> str:
    """As a mark names a version."""
    return f"{version.type}/{version.id}/_history/{version.version_id}"


def home(version: Version) -> str | None:
    """The id of the patient that a version names as its own."""
    return owner_hints(orjson.loads(version.body)) if version.body is not None else None


async def mark(
    tx: Transaction,
    act: Act,
    on: Version,
    actor: Actor,
    *,
    also: Sequence[str] = (),
    reason: str | None = None,
    entities: Sequence[tuple[str, str]] = (),
    detail: str | date | None = None,
    policy: Sequence[str] = (),
    patient: str | None = None,
    once: bool = True,
    whole: bool = False,
) -> tuple[Version, bool]:
    """Makes a mark on the version ``on``, whose resource is locked; False where this actor has made it before (``once``).

    ``also``: further targets; ``entities``: (role, reference) of other versions it concerns; ``patient``: id of the home
    patient, if it is not the one that ``on`` names; ``whole``: the mark is on the resource, not on one version of it."""
    target = f"{on.type}/{on.id}" if whole else address(on)
    id_ = mark_id(act, target, actor) if once else mark_id(act, f"{target}\x1f{time.time_ns()}", actor)
    if once and (before := await tx.any_version("Provenance", id_)) is not None and not before.deleted:
        return before, False
    made = provenance(
        act, [target, *also], actor, instant(tx.acted_us or now_us()),
        reason=reason, entities=entities, detail=detail, policy=policy,
    )  # fmt: skip
    parsed = as_parsed(made, orjson.dumps(made))
    require_valid(parsed)
    write = write_of(parsed, id_, act=act, owned=await owned_by(tx.connection, on))
    write.patient = patient or home(on)
    version = (await tx.write([write]))[0]
    if version is None:
        raise Fault("a mark was not written")
    return version, True
