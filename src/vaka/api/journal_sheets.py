"""A sheet at the journal: what a copy that lags answers with, made from what stands at this moment (S1).

Made anew for each who asks, by the same code and the same rules as a copy's. Invariants: at most ``JOURNAL_SHEETS_MAX`` are
made at once, each within ``DOOR_READ_TRY_S``, for as long waits the copy: who comes beyond is told at once, and the copy answers.
What waits in a reserve is not here: a copy that knows of such asks nobody (``api.door``).
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import Final

import orjson

from vaka import config
from vaka.access.filter import AccessFilter
from vaka.copy.sheet.deciding import decide
from vaka.copy.sheet.elements import text
from vaka.copy.sheet.entry import Entry
from vaka.copy.sheet.kept import Group
from vaka.copy.sheet.page import Hidden
from vaka.copy.sheet.reading import ANOTHER_UNIT, Made, shown_anew
from vaka.copy.sheet.sections import SHOWN_KINDS, SHOWN_TYPES
from vaka.errors import Busy
from vaka.fhir.definitions import type_name
from vaka.fhir.keys import resource_key
from vaka.journal import sheets
from vaka.journal.journal import Journal
from vaka.journal.marks import first_saved_us
from vaka.journal.sheets import Row
from vaka.store.sheet import Freshness
from vaka.store.through import now_us
from vaka.store.version import instant

_PLACE: Final = re.compile(rb'"(Location/[A-Za-z0-9\-.]{1,64})"')
_NAMED: Final = frozenset({"Encounter", "Appointment"})
"""Types that say where somebody is."""
_UNITS_MAX: Final = 10_000
_SHOWN: Final = tuple(sorted(SHOWN_TYPES))
Names = dict[str, str]


class JournalSheets:
    """Of one journal."""

    aged = False

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._making = 0
        self._units: Names = {}

    def freshness(self) -> Freshness:
        return Freshness(now_us())

    def stamp(self, patient: int) -> None:
        """What it was made from is not known to anybody beside: it is not kept."""

    def unit_name(self, unit: str) -> str:
        """Of a unit whose name was looked up for a sheet."""
        return self._units.get(f"Organization/{unit}", unit)

    async def sheet(self, id_: str, form: str, *, access: AccessFilter, card: bool = False) -> Made:
        """As ``store.sheet.SheetStore``. Busy where too many are made, or it takes too long."""
        if self._making >= config.JOURNAL_SHEETS_MAX:
            raise Busy("the journal makes as many sheets as it may", help="a copy has sheets at any time")
        self._making += 1
        try:
            async with asyncio.timeout(config.DOOR_READ_TRY_S):
                return await self._sheet(id_, form, access, card=card)
        except TimeoutError as late:
            raise Busy("the journal has made no sheet in time", help="a copy has sheets at any time") from late
        finally:
            self._making -= 1

    async def _sheet(self, id_: str, form: str, access: AccessFilter, *, card: bool) -> Made:
        patient, now, session = resource_key("Patient", id_), now_us(), access.session
        rows, more = await sheets.rows(self._journal, patient, _SHOWN, access=access, limit=config.SHEET_ENTRIES_MAX)
        if more:
            raise Busy("this record is too long for a sheet that is made at once", help="a copy has it")
        owners = list(dict.fromkeys((row.kind, row.provider, row.unit) for row in rows))
        if session is not None:
            decided = decide(session, access, await self._journal.standing(session, patient), owners)
            seen, hidden, masked = {owners[place] for place in decided.seen}, decided.hidden, decided.protected
            access.trail.rules |= decided.rules
        else:
            seen, masked = set(owners), await sheets.is_protected(self._journal, patient)
            hidden = Hidden(frozenset(row.kind for row in rows if row.body is None))
        own = session.assignment.unit if session is not None else ""
        groups: dict[Group, list[Entry]] = {}
        for row in rows:
            if row.body is not None and row.kind in SHOWN_KINDS and (row.kind, row.provider, row.unit) in seen:
                group = Group(patient, row.kind, row.provider, row.unit)
                groups.setdefault(group, []).append(await self._entry(row, row.body))
        places = await self._places(groups, own)

        def label(group: Group) -> str:
            if masked and group.unit != own:
                return ANOTHER_UNIT
            return self.unit_name(group.unit or group.provider)

        shown = await asyncio.to_thread(
            shown_anew,
            form,
            id_,
            groups,
            hidden,
            now,
            label=label,
            own=own,
            names=lambda named: places.get(named, ""),
            card=card,
        )
        access.trail.touched.extend(shown.touched)
        return Made(shown.body, 0, shown.body.until_us)

    async def _entry(self, row: Row, body: bytes) -> Entry:
        entry = Entry(type_name(row.type), row.id, body, row.rkey, row.seq, row.owner)
        if not entry.may_be_from_paper:
            return entry
        async with self._journal.reading.connection() as connection:
            return replace(entry, saved=instant(await first_saved_us(connection, row.rkey)))

    async def _places(self, groups: dict[Group, list[Entry]], own: str) -> Names:
        """What units and places are called."""
        units = {f"Organization/{one}" for one in (own, *(group.unit or group.provider for group in groups)) if one}
        places = {
            found.decode()
            for entries in groups.values()
            for entry in entries
            if entry.type in _NAMED
            for found in _PLACE.findall(entry.body)
        }
        found = await sheets.named(self._journal, sorted(units | places))
        told = {reference: _name(body) for reference, body in found.items()}
        if len(self._units) > _UNITS_MAX:
            self._units.clear()
        self._units |= {unit: name for unit in units if (name := told.get(unit))}
        return told


def _name(body: bytes) -> str:
    try:
        return text(orjson.loads(body).get("name"), 120)
    except (ValueError, AttributeError):
        return ""
