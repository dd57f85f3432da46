"""What the log says of a patient who was merged with another (S23, L4): what was done under either id; once the merge is taken
apart, of the time that it lasted, what was done with the patient's own entries.

A record of that time names the record in which the entries stood. Which of the two it was about is told by the versions that
it lists, and by whose they are now. Where it does not list all of them, it is about the patient too, unless the owners (unit,
provider, kind, author) of all that it gave out have entries of the others and none of the patient's: the extract is complete
before it is short.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from vaka.accesslog.record import Record
from vaka.accesslog.tables import Connection, statements

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class About:
    """``own``: keys under which the record is kept now; ``keys``: those, and of records that it stood in. ``mixed``: (key of the
    record that two patients' entries stood in, from, until) in microseconds since 1970 UTC."""

    own: frozenset[int]
    keys: frozenset[int]
    mixed: Sequence[tuple[int, int, int]] = ()

    @property
    def was_mixed(self) -> bool:
        return bool(self.mixed)

    def is_mixed(self, record: Record) -> bool:
        """Whether the record is of such a time, and names such a record."""
        return any(key in record.patients and low <= record.time_us < high for key, low, high in self.mixed)


async def about(connection: Connection, patient: int) -> About:
    """What means the patient with this key."""
    sql = statements()
    rows = await (await connection.execute(sql["kept_together"], {"patient": patient})).fetchall()
    own = frozenset({patient, *(row[0] for row in rows)})
    apart = await (await connection.execute(sql["kept_apart"], {"patients": sorted(own)})).fetchall()
    return About(own, own | {row[1] for row in apart}, [(row[1], row[2], row[3]) for row in apart])


async def sorted_out(connection: Connection, about: About, found: Sequence[T], *, of: Callable[[T], Record]) -> list[T]:
    """Those of ``found`` that are about the patient."""
    mixed = [record for record in map(of, found) if about.is_mixed(record)]
    whose: dict[int, int | None] = {}
    if doubtful := {seq for record in mixed for seq in record.seqs}:
        rows = await (await connection.execute(statements()["whose"], {"seqs": sorted(doubtful)})).fetchall()
        whose = {row[0]: row[1] for row in rows}
    theirs = await _owners(connection, [record for record in mixed if not _is_whole(record)], about)

    def counts(record: Record) -> bool:
        if not about.is_mixed(record):
            return not about.own.isdisjoint(record.patients)
        if any(whose.get(seq) in about.own for seq in record.seqs):
            return True
        return not _is_whole(record) and not (record.owners and theirs.issuperset(record.owners))

    return [one for one in found if counts(of(one))]


def _is_whole(record: Record) -> bool:
    """Whether it lists every version that it is about."""
    return record.more == 0 and bool(record.seqs)


async def _owners(connection: Connection, records: Sequence[Record], about: About) -> set[int]:
    """Those of the records' owners that have entries of other patients in them, and none of this one."""
    values = {
        "patients": sorted({key for record in records for key in record.patients} | about.own),
        "owners": sorted({owner for record in records for owner in record.owners}),
    }
    if not values["owners"]:
        return set()
    rows = await (await connection.execute(statements()["owners_of"], values)).fetchall()
    return {owner for _, owner in rows} - {owner for patient, owner in rows if patient in about.own}
