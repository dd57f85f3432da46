"""The lists of what is unsigned and unacknowledged (J3), by unit or person, longest waiting first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vaka.access.filter import AccessFilter
from vaka.access.law import Owes
from vaka.journal.access import gate
from vaka.journal.arrays import integers
from vaka.journal.read import version_of
from vaka.journal.statements import statements
from vaka.store.seen import seen
from vaka.store.version import Version

if TYPE_CHECKING:
    from vaka.journal.journal import Journal


@dataclass(frozen=True, slots=True)
class Owed:
    """An entry on a list. ``since``: the place after which the next page begins."""

    version: Version
    owes: Owes
    since: int


async def owed(
    journal: Journal, owes: tuple[Owes, ...], *, unit: str | None, person: str | None, after: int, limit: int,
    access: AccessFilter,
) -> list[Owed]:  # fmt: skip
    """At most ``limit`` entries after ``after`` that ``access`` lets through. At least one of ``unit`` and ``person`` is
    given."""
    whose = " AND ".join(
        part for part, given in (("e.unit = %(unit)s", unit), ("e.person = %(person)s", person)) if given is not None
    )
    through = gate(access)
    sql = through.into(statements("law")["owed"].replace("{whose}", whose))
    values = {
        "owes": integers([int(one) for one in owes]),
        "unit": unit,
        "person": person,
        "after": after,
        "limit": limit,
        **dict(through.values),
    }
    async with journal.reading.connection() as connection:
        rows = await (await connection.execute(sql.encode(), values)).fetchall()
    found = []
    for since, owing, rkey, type_, id_, seq, patient, owner, rule, *rest in rows:
        version, epoch, updated_us, action, redacted, dictionary, body = rest
        columns = (
            rkey, type_, id_, version, epoch, updated_us, action, redacted, dictionary, body, seq, patient, owner,
            False, rule,
        )  # fmt: skip  # no Patient owes anything
        found.append(Owed(seen(access, version_of(columns, journal.codec)), Owes(owing), since))
    return found
