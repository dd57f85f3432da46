"""One reserve entry being written into the record: the interaction that was asked for, in a transaction that looks twice.

Invariants: nothing that has changed since the author saw it is overwritten (``Meanwhile``); what may conflict leaves a Task
in the same
transaction; each version that it makes says that it was written during a stop, where and when; what a person did then (signing,
acknowledging) is of the time when it was done.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeVar

import orjson

from vaka import config
from vaka.access.filter import AccessFilter, system_filter
from vaka.access.law import Act
from vaka.access.marks import actor_of
from vaka.api.reserve import conflicts
from vaka.api.reserve.author import written_us
from vaka.api.reserve.tasks import Finding, Why, task
from vaka.api.server import accept_resource
from vaka.copy.reserve import numbers
from vaka.copy.reserve.entry import Entry, Part
from vaka.errors import Conflict, Unprocessable
from vaka.fhir import exact
from vaka.fhir.keys import hash64
from vaka.fhir.laboratory import is_earlier, is_same, says_the_same, takes_back
from vaka.fhir.query import parse_query
from vaka.journal.accept import write_of
from vaka.journal.journal import Journal, Transaction
from vaka.journal.laboratory import names_version
from vaka.journal.marks import Owned, address, mark, now_us, owned_by
from vaka.journal.write import Write
from vaka.store.ids import keyed_id
from vaka.store.version import Version, instant

T = TypeVar("T")
_LATE_US: Final = int(2 * config.RESERVE_TRY_S * 1e6)
"""A first try that the journal carries out later than this was not written when it was saved."""


class Meanwhile(Conflict):
    """What an entry would change is not what its author saw."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(
            f"{finding.focus} has changed since this was written", help="a person compares both: see the Task"
        )
        self.finding = finding


class Handing(Journal):
    """The journal, for the interaction that an entry asks for: what it runs, runs in a ``Handed`` transaction."""

    def __init__(self, journal: Journal, entry: Entry) -> None:
        self.__dict__.update(journal.__dict__)  # all its parts; group commit is never asked, since an entry has a key
        self._entry = entry

    async def run(
        self, work: Callable[[Transaction], Awaitable[T]], *, access: AccessFilter, one_statement: bool = False
    ) -> T:
        async def twice(tx: Transaction) -> T:
            handed = Handed(self, tx, self._entry)
            result = await work(handed)
            await handed.finish()
            return result

        return await super().run(twice, access=access)


class Handed(Transaction):
    """The transaction of one entry."""

    def __init__(self, journal: Journal, tx: Transaction, entry: Entry) -> None:
        super().__init__(journal, tx.connection, tx.access)
        self.acted_us = written_us(entry)
        self.entry = entry
        self.made: list[Version] = []
        self.findings: list[Finding] = []
        self._linked: dict[int, str] = {}
        self._parts = {part.name: part for part in entry.parts}
        self.everything = Transaction(journal, tx.connection, system_filter("reserve"))

    async def write(self, writes: Sequence[Write]) -> list[Version | None]:
        own = [write for write in writes if write.type != "Provenance"]
        for write in own:
            number = self.entry.numbers.get(f"{write.type}/{write.id}")
            if number is not None and write.body is not None:
                _reword(write, numbers.with_number(write.body, number))
            await self._follow_merged(write)
        await self._require_patients(own)
        for write in own:
            standing = await self._unchanged(write)
            await self._look(write, standing)
        made = await super().write(writes)
        self.made += [version for version in made if version is not None and version.type != "Provenance"]
        return made

    async def received_again(self, version: Version, other: Version) -> None:
        self._linked[version.rkey] = address(other)

    async def finish(self) -> None:
        """Says of each version how it came, and leaves a Task for each finding."""
        entry = self.entry
        off = f"; its clock was {entry.offset_ms} ms ahead" if entry.offset_ms else ""
        for version in [one for one in self.made if not one.deleted]:
            linked = [("source", self._linked[version.rkey])] if version.rkey in self._linked else []
            await mark(
                self, Act.RESERVED, version, actor_of(self.access), reason=f"written during a stop at {entry.site}{off}",
                entities=linked,
            )  # fmt: skip
        for number, finding in enumerate(self.findings):
            await leave_task(self, entry, finding, number, body=None)

    async def _follow_merged(self, write: Write) -> None:
        resolve = self._journal.writer.aliases.resolve
        if write.patient is not None and (now := resolve(write.patient)) != write.patient:
            is_merged = await self.everything.any_version("Patient", write.patient) is not None
            if is_merged and write.type != "Patient":  # else a copy's own id for the same patient
                self.findings.append(Finding(Why.MERGED, now, f"{write.type}/{write.id}"))
            write.patient = now

    async def _require_patients(self, writes: Sequence[Write]) -> None:
        ours = {write.id for write in writes if write.type == "Patient"}
        named = {write.patient: write for write in writes if write.patient is not None and write.patient not in ours}
        living = await self.everything.living([("Patient", id_) for id_ in named])
        for id_, write in named.items():
            if ("Patient", str(id_)) not in living:
                raise Unprocessable(
                    f"Patient/{id_} does not exist here", path=write.path, help="find out whose entry this is"
                )

    async def _unchanged(self, write: Write) -> Version | None:
        """What stands where ``write`` goes. Meanwhile unless it is what the author saw."""
        if write.must_be_new:
            return None
        standing = await self.any_version(write.type, write.id)
        part = self._parts.get(f"{write.type}/{write.id}")
        if part is not None and not (_is_base(part, standing) if part.base is not None else _is_free(write, standing)):
            focus = address(standing) if standing is not None else None
            raise Meanwhile(Finding(Why.CHANGED, write.patient, focus, (focus,) if focus is not None else ()))
        return standing if standing is not None and not standing.deleted else None

    async def _look(self, write: Write, standing: Version | None) -> None:
        """What of ``write`` may conflict."""
        resource = write.resource
        if resource is None:
            return
        before = orjson.loads(standing.body) if standing is not None and standing.body is not None else None
        if conflicts.activates(resource, before):
            _hold(write)
            self.findings.append(
                Finding(Why.ORDER, write.patient, f"{write.type}/{write.id}", allergies=self.entry.warnings)
            )
        if before is not None and takes_back(resource, before, seen=names_version(write)):
            assert standing is not None
            raise Meanwhile(Finding(Why.RESULT, write.patient, address(standing), (address(standing),)))
        if conflicts.was_given(resource) and write.patient is not None:
            await self._look_at_doses(write, resource)

    async def _look_at_doses(self, write: Write, dose: dict[str, object]) -> None:
        assert write.patient is not None
        await self.lock_identities([hash64(f"doses\x1f{write.patient}")])  # two copies may hand over two doses at once
        order = await self._order(conflicts.order_of(dose))
        interval = conflicts.interval_us(order)
        at = conflicts.given_us(dose)
        times = (
            (("effective-time", f"ge{instant(at - interval)}"), ("effective-time", f"le{instant(at + interval)}"))
            if at is not None
            else ()
        )
        close = [
            address(other)
            for other in await self._matching("MedicationAdministration", ("patient", write.patient), *times)
            if other.id != write.id and conflicts.too_close(dose, orjson.loads(other.body or b"{}"), interval)
        ]
        if close:
            name = f"MedicationAdministration/{write.id}"
            self.findings.append(Finding(Why.DOSES, write.patient, name, tuple(close[:20])))

    async def _order(self, id_: str | None) -> dict[str, object] | None:
        if id_ is None:
            return None
        found = await self.everything.current("MedicationRequest", id_)
        return orjson.loads(found.body) if found is not None and found.body is not None else None

    async def _matching(self, type_: str, *asked: tuple[str, str]) -> list[Version]:
        """Living resources that match, whoever may see them: to decide, never to show."""
        query = parse_query([type_], asked, base_url="", strict=True, same=self._journal.same)
        found = await self.everything.match((type_,), query.where)
        return await self.everything.read_many([(type_, one.id) for one in found])


async def leave_task(tx: Transaction, entry: Entry, finding: Finding, number: int, *, body: bytes | None) -> Version:
    """Writes the Task of a finding, owned by the author's unit; of a program's entry by the unit of what stands."""
    everything = Transaction(tx._journal, tx.connection, system_filter("reserve"))
    unit, provider, kind = await _whose(everything, tx.access, finding)
    made = task(
        finding, entry=entry.id, site=entry.site, written=instant(written_us(entry)), now=instant(now_us()), unit=unit,
        body=body, what=f"{entry.method} {entry.path}",
    )  # fmt: skip
    id_ = keyed_id("vaka:reserve", entry.id, number)
    write = write_of(accept_resource(orjson.dumps(made), "Task"), id_, must_be_new=True, owned=(unit, provider, kind))
    write.patient = finding.patient
    version = (await everything.write([write]))[0]
    assert version is not None
    return version


async def _whose(everything: Transaction, access: AccessFilter, finding: Finding) -> Owned:
    if (session := access.session) is not None:
        return session.assignment.unit, session.assignment.provider, "other"
    for name in (*finding.also, *([finding.focus] if finding.focus else [])):
        type_, id_ = name.split("/")[:2]
        standing = (await everything.read_many([(type_, id_)]))[:1]
        if standing:
            unit, provider, _ = await owned_by(everything.connection, standing[0])
            return unit, provider, "other"
    return None, access.provider, "other"


def _is_base(part: Part, standing: Version | None) -> bool:
    assert part.base is not None
    return standing is not None and not standing.deleted and part.base.version_id == standing.version_id


def _is_free(write: Write, standing: Version | None) -> bool:
    """Whether what its author took to be new covers nothing: free, the same, or an earlier version of a result."""
    if standing is None or standing.deleted or standing.body is None or write.resource is None:
        return True
    before = orjson.loads(standing.body)
    same = is_same(write.resource, before) and is_earlier(before, write.resource)
    return same or says_the_same(write.resource, before)


def _hold(write: Write) -> None:
    """The order as it goes into the record: on hold, until a person says what has become of it."""
    assert write.body is not None
    _reword(write, exact.dumps({**exact.loads(write.body), "status": conflicts.HELD}))


def _reword(write: Write, body: bytes) -> None:
    fresh = write_of(accept_resource(body, write.type), write.id)
    write.resource, write.body, write.rows = fresh.resource, fresh.body, fresh.rows


async def give_numbers(tx: Transaction, entry: Entry) -> list[Version]:
    """Puts the numbers that the copy gave on what the first try of ``entry`` made at the journal: people were told them."""
    made = []
    for name, number in entry.numbers.items():
        type_, _, id_ = name.partition("/")
        found = await tx.standing(type_, id_, reason="reserve")
        if found is None or found.body is None or number.encode() in found.body:
            continue
        write = write_of(accept_resource(numbers.with_number(found.body, number), type_), id_)
        made += await tx.amend([write])
    return made


async def say_when(tx: Transaction, entry: Entry, made: Sequence[Mapping[str, str]]) -> int:
    """Says of what the journal has carried out of ``entry`` as it was first sent, but long after (it stood still), when that was
    written; of how many versions. ``made``: what the entry became. What was changed since keeps what it says."""
    tx.acted_us, said = written_us(entry), 0
    for one in made:
        type_, _, id_ = one["name"].partition("/")
        found = await tx.standing(type_, id_, reason="reserve")
        if found is None or found.deleted or found.type == "Provenance" or found.version_id != one["version"]:
            continue
        if found.updated_us - written_us(entry) > _LATE_US:
            reason = f"written during a stop at {entry.site}"
            said += (await mark(tx, Act.RESERVED, found, actor_of(tx.access), reason=reason))[1]
    return said
