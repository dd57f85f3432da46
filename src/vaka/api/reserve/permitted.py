"""May this be written? By the same rules as at the journal (``access.writing``), on what the copy knows; the journal asks again.

Invariant: what its reader's filter hides cannot be changed here either: it was not found (``wanted``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import orjson

from vaka.access.filter import AccessFilter
from vaka.access.ownership import kind_of
from vaka.access.scopes import may
from vaka.access.session import Session
from vaka.access.writing import BEGINS_RELATION, Change, refusal
from vaka.api.reserve.wanted import Seen, Wanted
from vaka.api.server import Server
from vaka.copy.reserve.entry import Part
from vaka.errors import Conflict, Forbidden, OnlyJournal
from vaka.fhir.keys import resource_key


class Known(Protocol):
    """What the copy knows of patients and owners."""

    async def attended(self, session: Session, patients: Sequence[int]) -> tuple[set[int], set[int]]:
        """(patients whom the session's unit takes care of, or the person has opened in an emergency; those with protected
        identity)."""

    async def there(self, patient: str) -> bool:
        """Whether this Patient stands here, pending or not, whoever may see it."""

    async def patient(self, type_: str, id_: str) -> str | None:
        """The id of the Patient whose a resource is, whoever may see it. OnlyJournal where that cannot be read."""

    def same(self, patient: str) -> Iterable[str]:
        """All ids of one patient: records that were merged."""

    async def unit(self, owner: int) -> str | None:
        """The unit of an owner's row."""

    async def meant(self, asked: str) -> str | None:
        """The id of the one Patient here whom a condition matches, whoever may see it. Invalid."""


async def require_permitted(server: Server, access: AccessFilter, wanted: Wanted, known: Known) -> None:
    """Forbidden, Conflict; OnlyJournal for a patient who is not known here."""
    ours = {part.id for part in wanted.parts if part.type == "Patient"}
    for patient in sorted({part.patient for part in wanted.parts if part.patient is not None} - ours):
        if not await known.there(patient):
            raise OnlyJournal(
                f"Patient/{patient} is not known on this copy",
                help="look for the patient by name and number; one who is new here gets a reserve number",
            )
    if access.session is not None:
        await _person(server, access, access.session, wanted, known)
    elif not access.full:
        for part in (one for one in wanted.parts if one.name not in wanted.found):
            resource = orjson.loads(part.body) if part.body is not None else {"resourceType": part.type}
            if part.type != "Provenance" and not may(access.grants, "c" if part.base is None else "u", resource):
                raise Forbidden(f"{access.principal} may not write {part.type}", why="no scope")


async def _person(server: Server, access: AccessFilter, session: Session, wanted: Wanted, known: Known) -> None:
    keys = {part.name: resource_key("Patient", part.patient) for part in wanted.parts if part.patient is not None}
    attended, protected = await known.attended(session, sorted(set(keys.values())))
    attended |= {keys[p.name] for p in wanted.parts if p.base is None and p.type in BEGINS_RELATION and p.name in keys}
    for part in wanted.parts:
        if part.type == "Provenance" or part.body is None:
            continue  # a mark: the right to make it was asked for
        seen, patient = wanted.seen.get(part.name), keys.get(part.name)
        change = Change(
            part.type, kind_of(orjson.loads(part.body)), part.base is None, patient is not None,
            attended=patient in attended, protected=patient in protected,
            unit=await _unit(seen, known) if seen is not None else None,
            moves=seen is not None and _moves(server, seen, part),
        )  # fmt: skip
        if (found := refusal(session, change)) is not None:
            access.trail.rule = found[0]
            kind = Conflict if found[0] == "S5" else Forbidden
            raise kind(found[1], why=f"{found[0]}: {part.name}: {found[1]}")


def _moves(server: Server, seen: Seen, part: Part) -> bool:
    before = server.store.resolve(seen.patient) if seen.patient is not None else None
    return before != part.patient


async def _unit(seen: Seen, known: Known) -> str | None:
    """Whose the entry is that would be changed."""
    if seen.entry is not None:
        return seen.entry.unit
    return await known.unit(seen.version.owner) if seen.version is not None else None
