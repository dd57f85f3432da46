"""May these changes be made? Looked up in the transaction that makes them.

Invariant: nothing that a caller's filter hides is changed, replaced or confirmed: it looks as if it did not exist, and callers
with limited rights cannot choose ids, so that an id that is taken and one that is free look alike; neither is locked, so that
nobody waits for the one and not for the other.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from vaka.access.filter import AccessFilter
from vaka.access.ownership import kind_of
from vaka.access.session import Session
from vaka.access.writing import BEGINS_RELATION, Change, guardian_blocks, refusal
from vaka.errors import Conflict, Forbidden
from vaka.fhir.keys import resource_key
from vaka.journal.access import gate, require_writing
from vaka.journal.arrays import integers
from vaka.journal.scopes import require_granted
from vaka.journal.statements import statements
from vaka.store.gate import Gate
from vaka.store.granted import KNOWING
from vaka.store.through import now_us

if TYPE_CHECKING:
    from vaka.journal.pool import Connection
    from vaka.journal.write import Write


def known_to(access: AccessFilter) -> Gate:
    """What ``access`` may know to stand."""
    return gate(access, letter="r" if access.session is not None else KNOWING)


async def hidden_from(
    connection: Connection, access: AccessFilter, writes: Sequence[Write], locked: Collection[int]
) -> set[int]:
    """Keys of ``writes`` that stand but are hidden from ``access``, or were when it ``locked`` what it saw. Forbidden where
    something of the rest may not be done."""
    if access.full:
        return set()
    require_writing(access)
    through = known_to(access)
    sql = through.into(statements("access")["standing"])
    values = {"keys": integers(sorted(write.rkey for write in writes)), **dict(through.values)}
    rows = await (await connection.execute(sql, values)).fetchall()
    standing = {row[0]: row[1:] for row in rows}
    hidden = {rkey for rkey, row in standing.items() if not row[0] or rkey not in locked}
    for write in writes:
        write.may_create = write.must_be_new
    doing = [write for write in writes if write.rkey not in hidden and (write.rkey in standing or write.must_be_new)]
    if access.session is not None:
        await _require(connection, access, access.session, doing, standing)
    else:
        await require_granted(connection, access, doing, standing)
    return hidden


async def _require(
    connection: Connection, access: AccessFilter, session: Session, writes: Sequence[Write], standing: dict[int, Any]
) -> None:
    patients: dict[int, int | None] = {}
    for write in writes:
        stands = standing.get(write.rkey)
        named = resource_key("Patient", write.patient) if write.patient is not None else None
        patients[write.rkey] = named if named is not None or stands is None else stands[3]
    attended, protected = await attended_by(
        connection, session, [key for key in patients.values() if key is not None], access.at_us
    )
    attended |= {
        key for w in writes if w.must_be_new and w.type in BEGINS_RELATION and (key := patients[w.rkey]) is not None
    }
    for write in writes:
        stands, patient = standing.get(write.rkey), patients[write.rkey]
        change = Change(
            write.type, kind_of(write.resource or {"resourceType": write.type}), stands is None, patient is not None,
            attended=patient in attended, protected=patient in protected, unit=stands[1] if stands is not None else None,
            moves=stands is not None and not write.deletes and stands[3] != patient,
        )  # fmt: skip
        found = refusal(session, change)
        if found is None and write.type == "Consent" and guardian_blocks(write.resource or {}):
            found = "A5", "a guardian cannot block a child's record"
        if found is not None:
            access.trail.rule = found[0]
            if found[0] == "S5":
                raise Conflict(
                    found[1], help=f"POST {write.type}/{write.id}/$misfiled annuls it here and enters it there",
                    path=write.path, why=f"S5: {write.type}/{write.id} would move to another patient",
                )  # fmt: skip
            raise Forbidden(found[1], path=write.path, why=f"{found[0]}: {write.type}/{write.id}: {found[1]}")


async def attended_by(
    connection: Connection, session: Session, patients: Sequence[int], at_us: int | None = None
) -> tuple[set[int], set[int]]:
    """(patients whom the unit takes care of or the person has opened in an emergency, those with protected identity), at
    ``at_us`` (None: now)."""
    if not patients:
        return set(), set()
    values = {
        "patients": integers(sorted(set(patients))), "unit": session.assignment.unit, "person": session.person,
        "now": at_us or now_us(),
    }  # fmt: skip
    rows = await (await connection.execute(statements("access")["is_attended"], values)).fetchall()
    return {row[0] for row in rows if row[1]}, {row[0] for row in rows if row[2]}
