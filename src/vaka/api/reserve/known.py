"""What a copy knows of patients and owners when a write is taken into its reserve (``permitted.Known``): its own record
says it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import orjson

from vaka.access.filter import system_filter
from vaka.access.session import Session
from vaka.api.reserve.meaning import the_one
from vaka.copy.statements import statements
from vaka.copy.store import CopyStore
from vaka.errors import OnlyJournal
from vaka.fhir.extract import owner_hints
from vaka.store.through import now_us

_EVERYTHING = system_filter("reserve")


class OnCopy:
    """Asked of the record of one copy, pending rows included."""

    def __init__(self, store: CopyStore) -> None:
        self._store = store

    async def attended(self, session: Session, patients: Sequence[int]) -> tuple[set[int], set[int]]:
        """(patients whom the session's unit takes care of, or the person has opened in an emergency; those with protected
        identity)."""
        asks = {"unit": session.assignment.unit, "person": session.person, "now": now_us()}
        with self._store.readers.trusted():
            reader = self._store.readers.here()
            attended = {
                p for p in patients if _is(reader.one(statements("read")["is_attended"], {"patient": p, **asks}))
            }
            protected = {p for p in patients if _is(reader.one(statements("attending")["protected"], {"patient": p}))}
        return attended, protected

    async def there(self, patient: str) -> bool:
        """Whether this Patient stands here, pending or not, whoever may see it."""
        try:
            found = await self._store.read("Patient", patient, access=_EVERYTHING.anew())
        except OnlyJournal:  # it may be elsewhere in the region
            return False
        return found is not None and not found.deleted

    async def patient(self, type_: str, id_: str) -> str | None:
        """The id of the Patient whose a resource is, whoever may see it. OnlyJournal where that cannot be read."""
        found = await self._store.read(type_, id_, access=_EVERYTHING.anew())
        return owner_hints(orjson.loads(found.body)) if found is not None and found.body is not None else None

    def same(self, patient: str) -> Iterable[str]:
        """All ids of one patient: records that were merged."""
        return self._store.same(patient)

    async def unit(self, owner: int) -> str | None:
        """The unit of an owner's row."""
        with self._store.readers.trusted():
            row = self._store.readers.here().one(statements("attending")["unit"], {"owner": owner})
        return row[0] if row is not None else None

    async def meant(self, asked: str) -> str | None:
        """The id of the one Patient here whom a condition matches, whoever may see it. Invalid."""
        return await the_one(self._store, _EVERYTHING.anew(), "Patient", asked, "")


def _is(row: tuple[object, ...] | None) -> bool:
    return row is not None and bool(row[0])
