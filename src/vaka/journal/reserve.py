"""What the journal keeps for the copies' reserves: whether a person was at work at an earlier time, and which copy has
which number.

Invariant: a copy's number is given once, never to another, and past a restore, which may have lost the last that were
given, numbers go on well behind those that are known.
"""

from __future__ import annotations

from typing import Final

from vaka.access.filter import system_filter
from vaka.access.session import Session
from vaka.errors import Conflict
from vaka.fhir.keys import resource_key
from vaka.journal.aliases import Aliases
from vaka.journal.journal import Journal, Transaction
from vaka.journal.pool import Connection
from vaka.journal.statements import statements
from vaka.store.version import Version

_AFTER_RESTORE: Final = 20
"""Copies whose numbers a restore may have lost."""
_NUMBERS_MAX: Final = 498


async def ended_before(journal: Journal, session: Session, at_us: int) -> bool:
    """Whether ``session`` had been ended at ``at_us``."""
    values = {"person": session.person, "session": session.id, "began_us": session.began_us, "at_us": at_us}
    async with journal.reading.connection() as connection:
        row = await (await connection.execute(statements("reserve")["ended_before"], values)).fetchone()
    return row is not None and bool(row[0])


async def version_at(journal: Journal, type_: str, id_: str, at_us: int) -> Version | None:
    """The version that stood at ``at_us``; the first one where it came later; None where there is none."""
    values = {"rkey": resource_key(type_, id_), "at_us": at_us}
    async with journal.reading.connection() as connection:
        row = await (await connection.execute(statements("reserve")["version_at"], values)).fetchone()
    if row is None:
        return await journal.read(type_, id_, access=system_filter("login"))
    return await journal.vread(type_, id_, row[0], row[1], access=system_filter("login"))


async def is_known_as(tx: Transaction, given: str, patient: str) -> bool:
    """From now on ``given``, an id that a copy gave out in a stop for who was here already, means ``patient`` (traps: Conditional
    create). False where it means somebody already."""
    if await tx.any_version("Patient", given) is not None:
        return False
    await tx.any_version("Patient", patient)  # locked, as a merge locks it: the aliases stay as they are
    aliases = Aliases()
    await aliases.read(tx.connection)
    if given in aliases.into:
        return False
    into = aliases.resolve(patient)
    values = {"patient": resource_key("Patient", given), "into_patient": resource_key("Patient", into)}
    await tx.connection.execute(statements("law")["add_alias"], values | {"id": given, "into_id": into})
    return True


async def copy_number(journal: Journal, copy: str) -> int:
    """The number of the copy with this id, given now if it has none."""
    sql, name = statements("reserve"), f"copy {copy}"
    async with journal.pool.connection() as connection, connection.transaction():
        await connection.execute(sql["lock_copy_numbers"])
        row = await (await connection.execute(sql["copy_number"], {"name": name})).fetchone()
        if row is not None:
            return int(row[0])
        rows = await (await connection.execute(sql["copy_numbers"])).fetchall()
        number = max((row[1] for row in rows), default=0) + 1
        number = max(number, (journal.epoch - 1) * _AFTER_RESTORE + 1)
        if number > _NUMBERS_MAX:
            raise Conflict(
                "all numbers for reserve numbers are given", help="series of numbers have to be set aside anew"
            )
        await connection.execute(sql["give_copy_number"], {"name": name, "value": str(number)})
    return number


async def is_given_back(connection: Connection, rkey: int, version: int, epoch: int) -> bool:
    """Whether this version was lost and given back under its number."""
    values = {"rkey": rkey, "version": version, "epoch": epoch}
    row = await (await connection.execute(statements("reserve")["is_given_back"], values)).fetchone()
    return row is not None and bool(row[0])


async def lost_window(journal: Journal, epoch: int) -> tuple[int, int] | None:
    """Between which times (microseconds since 1970 UTC) this journal can have lost versions of ``epoch``; None: none, since no
    later one has begun."""
    async with journal.reading.connection() as connection:
        row = await (await connection.execute(statements("reserve")["lost_window"], {"epoch": epoch})).fetchone()
    return (int(row[0] or 0), int(row[1])) if row is not None and row[1] is not None else None
