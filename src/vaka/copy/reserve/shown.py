"""What an entry shows in the followed record until the journal has it (decision 0013: pending rows). Pure.

The follower asks this for each entry that it is told of (control: ``{"apply": {"reserve": N}}``) and, after a seed, for all that
``ReserveStore.open`` gives, in their order. Rows of an entry that is done stay until the feed brings what it made; those of one
that became a Task, was settled or withdrawn go.
"""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from vaka.access.ownership import Ownership, kind_of
from vaka.copy.reserve.entry import Entry, State

GOES = frozenset({State.TASK, State.SETTLED, State.WITHDRAWN, State.UNHELD})


@dataclass(frozen=True, slots=True)
class Shown:
    """One row. ``number``: for ``resource.pending``; ``body``: with id, pending version id and time in it; ``patient``: id
    of the home
    patient; ``owner``: whose it is where it is new (what is changed keeps its owner); ``new``: nothing stood under the id."""

    number: int
    type: str
    id: str
    body: bytes
    patient: str | None
    owner: Ownership
    updated_us: int
    new: bool


def shown(entry: Entry) -> tuple[Shown, ...]:
    """The rows that an entry shows; none where nothing of it is to be seen any more, and those that it had go."""
    if entry.state in GOES:
        return ()
    return tuple(
        Shown(
            entry.number, part.type, part.id, part.body, part.patient,
            Ownership(entry.unit, entry.provider, kind_of(orjson.loads(part.body)), entry.practitioner, entry.principal),
            entry.recorded_us, part.base is None,
        )
        for part in entry.parts
        if part.body is not None
    )  # fmt: skip
