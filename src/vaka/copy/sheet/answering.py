"""A copy as sheets and worklists are read from it (``store.sheet``), on the readers of its store.

Invariants: what one answer shows is of one moment; a sheet whose fragments stand is joined on the event loop, what has to be made
first is made in a thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from vaka import config
from vaka.access.filter import AccessFilter
from vaka.copy import held, listed
from vaka.copy.changes import Changes, Stamp
from vaka.copy.reader import Reader
from vaka.copy.sheet.reading import Made, Sheets
from vaka.copy.store import CopyStore
from vaka.fhir.keys import resource_key
from vaka.store.sheet import Freshness, Worklists


class CopySheets:
    """``freshness``: how old what this copy has is now; ``changes``: None where nobody tells what has changed; ``alone``: as
    ``page.body``."""

    def __init__(
        self,
        store: CopyStore,
        freshness: Callable[[], Freshness],
        changes: Changes | None = None,
        *,
        alone: bool = False,
    ) -> None:
        self._store = store
        self._changes = changes
        self._sheets = Sheets(alone=alone)
        self.freshness = freshness

    async def sheet(self, id_: str, form: str, *, access: AccessFilter, card: bool = False) -> Made:
        """As ``store.sheet.SheetStore``."""
        with self._store.readers.trusted():
            reader = self._store.readers.here()
            with reader.moment():
                found = self._body(reader, access, id_, form, ready=True, card=card)
        if found is not None:
            return found

        def work(reader: Reader) -> Made | None:
            with reader.moment(config.COPY_SHEET_TIMEOUT_S):
                return self._body(reader, access, id_, form, ready=False, card=card)

        made = await self._store.readers.run(work)
        assert made is not None
        return made

    def _body(
        self, reader: Reader, access: AccessFilter, id_: str, form: str, *, ready: bool, card: bool
    ) -> Made | None:
        held.require_patients(reader, [resource_key("Patient", id_)])
        return self._sheets.body(reader, access, id_, form, aged=self._store.aged, ready=ready, card=card)

    def stamp(self, patient: int) -> Stamp | None:
        """As ``store.sheet.SheetStore``."""
        return self._changes.stamp(patient) if self._changes is not None else None

    @property
    def aged(self) -> bool:
        """As ``store.sheet.SheetStore``."""
        return self._store.aged

    def unit_name(self, unit: str) -> str:
        with self._store.readers.trusted():
            return self._sheets.names.of(self._store.readers.here(), unit)

    async def worklists(self, unit: str, *, access: AccessFilter, limit: int = config.WORKLIST_MAX) -> Worklists | None:
        """As ``store.sheet.SheetStore``."""
        aged = self._store.aged

        def work(reader: Reader) -> Worklists | None:
            with reader.moment(config.COPY_SHEET_TIMEOUT_S):
                found = listed.unit_of(reader, unit)
                if found is None:
                    return None
                held.require_unit(reader, found)
                lists = listed.worklists(reader, found, access, aged=aged, limit=limit)
                return replace(lists, coming_in=held.taking(reader))

        return await self._store.readers.run(work)
