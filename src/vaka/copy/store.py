"""The copy as a record to read from (``store.store``): what stands in its file, by the journal's rules.

Invariants: every question takes the asker's filter; what this copy cannot answer exactly raises OnlyJournal, alike for what is
hidden and for what is not there, so that nothing is told by who answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from vaka.access.decision import Standing
from vaka.access.filter import AccessFilter
from vaka.access.session import Right, Session
from vaka.access.settings import Settings
from vaka.copy import held
from vaka.copy.gate import gate
from vaka.copy.paging import COLUMNS
from vaka.copy.reader import Reader
from vaka.copy.readers import Readers, Source
from vaka.copy.search import Searching, version_of
from vaka.copy.statements import statements
from vaka.errors import OnlyJournal
from vaka.fhir.criteria import Query
from vaka.fhir.keys import resource_key
from vaka.store.aliases import Aliases
from vaka.store.conditions import PATIENT
from vaka.store.known import Group, Stands, grouped, standing, stands
from vaka.store.page import Page, Position
from vaka.store.seen import living_seen, page_seen, seen, whole_seen
from vaka.store.store import Searches
from vaka.store.through import now_us
from vaka.store.version import Version


def _never() -> bool:
    return False


class CopyStore:
    """``aged``: whether this copy cannot know now if blocks and consents still hold (A8, S20)."""

    def __init__(self, source: Source, *, aged: Callable[[], bool] = _never) -> None:
        self.readers = Readers(source)
        self._aged = aged
        self._merged = Aliases()
        self._merged_as_of: tuple[object, ...] = ()
        self._epoch, self._epoch_as_of = 0, (0, 0)

    @property
    def aged(self) -> bool:
        """Whether other care providers' information is hidden by age: what is told beside an answer."""
        return self._aged()

    @property
    def units(self) -> tuple[str, ...]:
        """The units (HSA-ids) whose patients this copy holds; none where it holds the region."""
        with self.readers.trusted():
            scope = self.readers.here().scope
        return scope.named if scope is not None else ()

    @property
    def epoch(self) -> int:
        with self.readers.trusted():
            reader = self.readers.here()
            as_of = (reader.seed, reader.connection.data_version())
            if as_of != self._epoch_as_of:  # another connection has committed since: most requests
                row = reader.one(statements("read")["epoch"], {})
                self._epoch = int(row[0]) if row is not None else 0
                self._epoch_as_of = as_of
        return self._epoch

    async def read(self, type_: str, id_: str, *, access: AccessFilter) -> Version | None:
        """The current version, a deletion included; None if there is none that ``access`` lets through. OnlyJournal where this
        copy has not all there is."""
        found = self._read(type_, id_, access)
        if found is None:
            with self.readers.trusted():
                held.require_region(self.readers.here())
        return found

    async def vread(self, type_: str, id_: str, version: int, epoch: int, *, access: AccessFilter) -> Version | None:
        """That version if it is the current one; else OnlyJournal, which has them all."""
        found = self._read(type_, id_, access, (version, epoch))
        if found is None:
            raise OnlyJournal("only the journal has every version", help="try again when the journal can be reached")
        return found

    def _read(
        self, type_: str, id_: str, access: AccessFilter, version: tuple[int, int] | None = None
    ) -> Version | None:
        through = gate(access, aged=self._aged())
        with self.readers.trusted():
            reader = self.readers.here()
            rkey = {"rkey": resource_key(type_, id_)}
            row = reader.one(_reading(through.text, through.rule), {**rkey, **dict(through.values)})
            found = version_of(row, reader.codec) if row is not None else None
            if reader.one(statements("read")["aside_newer"], rkey) is not None:
                raise OnlyJournal(
                    "this copy cannot interpret the newest version of it",
                    help="ask again when the journal can be reached",
                )
            if (found is None or found.deleted) and reader.one(statements("read")["given_back"], rkey) is not None:
                raise OnlyJournal(
                    "only the journal says whose this deletion is", help="ask again when it can be reached"
                )
            if found is None:
                return None
            if (found.type, found.id) != (type_, id_) or version not in (None, (found.version, found.epoch)):
                return None
            return self._unmasked(reader, found, access) or seen(access, found)

    def _unmasked(self, reader: Reader, version: Version, access: AccessFilter) -> Version | None:
        """``version`` whole where it is of a protected identity and the caller may see that: with the right to, where the own
        unit takes part in the care (A10). None otherwise."""
        session = access.session
        if not version.protected or session is None or not session.may(Right.PROTECTED):
            return None
        values = {"patient": version.rkey, "unit": session.assignment.unit, "person": session.person, "now": now_us()}
        row = reader.one(statements("read")["is_attended"], values)
        if row is None or not row[0]:
            return None
        return whole_seen(access, version)

    def searching(self, access: AccessFilter) -> Searches:
        """The door for searches on behalf of ``access``."""
        return _Searches(self.readers, access, self.aliases(), self._aged())

    async def carrying(self, type_: str, key: int, *, access: AccessFilter, limit: int) -> list[Version]:
        """At most ``limit`` living resources of this type that stand under this key of it (``fhir.keys``)."""
        with self.readers.trusted():
            reader = self.readers.here()
            held.require_whole(reader, type_)
            found = Searching(reader, access, self.aliases(), self._aged()).included([key], limit)
        return [seen(access, version) for version in found]

    async def stands(self, type_: str, id_: str) -> Stands | None:
        """Whose it is that stands there, living: for the log of a refusal, which is no answer."""
        with self.readers.trusted():
            row = self.readers.here().one(statements("known")["stands"], {"rkey": resource_key(type_, id_)})
        return stands(type_, row) if row is not None and row[4] == id_ else None

    async def standing(self, session: Session, patient: int) -> Standing:
        """What is known of a patient (by key) that decides what ``session`` sees."""
        with self.readers.trusted():
            held.require_patients(self.readers.here(), [patient])
            return self._standing(self.readers.here(), session, patient)

    async def groups(self, session: Session, settings: Settings, patient: int) -> tuple[Standing, Sequence[Group]]:
        """The same, and whose information of which kind there is. Not to be shown as it is (S21)."""
        with self.readers.trusted(), (reader := self.readers.here()).moment():
            held.require_patients(reader, [patient])
            known = self._standing(reader, session, patient)
            rows = reader.rows(statements("known")["groups"], {"patient": patient, "patient_type": PATIENT})
        return known, grouped(session, settings, known, rows)

    def _standing(self, reader: Reader, session: Session, patient: int) -> Standing:
        sql = statements("known")
        values = {"patient": patient, "person": session.person, "unit": session.assignment.unit}
        rows = {name: reader.rows(sql[name], values) for name in ("relations", "blocks", "consents", "openings")}
        protected = bool(reader.rows(sql["is_protected"], values)[0][0])
        return standing(now_us(), **rows, protected=protected, aged=self._aged())

    def same(self, patient: str) -> Sequence[str]:
        """All ids under which the record of this Patient is kept."""
        return self.aliases().together(patient)

    def resolve(self, patient: str) -> str:
        """The id under which this Patient's record goes on after merges."""
        return self.aliases().resolve(patient)

    def aliases(self) -> Aliases:
        """Which patients were merged, as this copy's file has it now."""
        with self.readers.trusted():
            reader = self.readers.here()
            as_of = (reader.seed, *(reader.one(statements("read")["private"], {}) or ()))
            if as_of != self._merged_as_of:
                rows = reader.connection.execute(statements("read")["aliases"]).fetchall()
                self._merged, self._merged_as_of = Aliases({str(id_): str(into) for id_, into in rows}), as_of
        return self._merged

    def close(self) -> None:
        self.readers.close()


@lru_cache(maxsize=64)
def _reading(condition: str, rule: str) -> str:
    """The statement that reads a row by its key, where a gate lets it through; after it, by which rule."""
    if not rule:
        return f"SELECT {COLUMNS}, 0 FROM resource r WHERE r.rkey = :rkey AND ({condition.replace('{r}', 'r')})"
    # The limit keeps SQLite from asking the rules twice, the key of g from preparing the statement anew for each value. Of what
    # is hidden no body is read.
    return (
        f"SELECT {COLUMNS}, g.rule FROM (SELECT r.rkey, {rule.replace('{r}', 'r')} AS rule FROM resource r"
        " WHERE r.rkey = :rkey LIMIT 1) g CROSS JOIN resource r WHERE g.rule > 0 AND r.rkey = g.rkey"
    )


@dataclass(frozen=True, slots=True)
class _Searches:
    readers: Readers
    access: AccessFilter
    aliases: Aliases
    aged: bool
    _missed: list[int] = field(default_factory=list)

    @property
    def missed(self) -> int:
        """As ``store.store.Searches``."""
        return sum(self._missed)

    def _on(self, reader: Reader) -> Searching:
        return Searching(reader, self.access, self.aliases, self.aged)

    async def search(self, query: Query, *, count: int, at: Position | None = None) -> Page:
        def work(reader: Reader) -> Page:
            held.require_searchable(reader, query, self.aliases)
            return self._on(reader).page(query, count, at or Position(None))

        return page_seen(self.access, await self.readers.run(work))

    async def include(self, keys: Sequence[int], *, limit: int) -> list[Version]:
        def work(reader: Reader) -> list[Version]:
            held.require_region(reader)
            return self._on(reader).included(keys, limit)

        found = await self.readers.run(work)
        return [seen(self.access, version) for version in found]

    def together(self, keys: Sequence[int]) -> Sequence[int]:
        return self.aliases.keys_together(keys)

    async def read_many(self, references: Sequence[tuple[str, str]]) -> list[Version]:
        keys = sorted({resource_key(*reference) for reference in references})

        def work(reader: Reader) -> list[Version]:
            held.require_there(reader, references)
            searching = self._on(reader)
            found = searching.current(keys)
            self._missed.append(searching.missed(keys, found))
            return found

        found = await self.readers.run(work)
        return living_seen(self.access, references, {version.rkey: version for version in found})
