"""What the log says of a patient who was merged with another (S23, L4): what was done under either id; once the merge is taken
apart, of the time that it lasted, what was done with the patient's own entries.

A record of that time names the record in which the entries stood. Which of the two it was about is told by the versions that
it lists, and by whose they are now. Where it lists none of them because there were too many, it counts for both: the
extract is complete before it is short.
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
    doubtful = {seq for one in found if about.is_mixed(of(one)) for seq in of(one).seqs}
    whose: dict[int, int | None] = {}
    if doubtful:
        rows = await (await connection.execute(statements()["whose"], {"seqs": sorted(doubtful)})).fetchall()
        whose = {row[0]: row[1] for row in rows}

    def counts(record: Record) -> bool:
        if about.is_mixed(record):
            return record.more > 0 or any(whose.get(seq) in about.own for seq in record.seqs)
        return not about.own.isdisjoint(record.patients)

    return [one for one in found if counts(of(one))]
