"""One reserve entry being written into the record: the interaction that was asked for, in a transaction that looks twice.

Invariants: nothing that has changed since the author saw it is overwritten (``Meanwhile``); what may conflict leaves a Task
in the same
transaction; each version that it makes says that it was written during a stop, where and when; what a person did then (signing,
acknowledging) is of the time when it was done; what the reserve itself has changed of a version (an order put on hold) is no
change to who wrote on the version before: the order is to them as they saw it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import orjson

from vaka.access.filter import AccessFilter, system_filter
from vaka.access.law import Act
from vaka.access.marks import actor_of
from vaka.api.reserve import conflicts
from vaka.api.reserve.author import written_us
from vaka.api.reserve.tasks import Finding, Why, asked_of, closed, met_in, task
from vaka.api.server import accept_resource
from vaka.copy.reserve import numbers
from vaka.copy.reserve.entry import Entry, Part
from vaka.errors import Conflict, Unprocessable, VakaError
from vaka.fhir import exact
from vaka.fhir.keys import hash64
from vaka.fhir.laboratory import is_earlier, is_same, says_the_same, takes_back
from vaka.fhir.patch import apply_patch
from vaka.fhir.query import parse_query
from vaka.journal.accept import write_of
from vaka.journal.journal import Journal, Transaction
from vaka.journal.laboratory import names_version
from vaka.journal.marks import Owned, address, home, latest, mark, now_us, owned_by
from vaka.journal.write import Write
from vaka.store.ids import keyed_id
from vaka.store.version import ANY_VERSION, Version, instant, parse_version_id

T = TypeVar("T")


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
        self.linked: dict[int, tuple[str, str]] = {}
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
        self.linked[version.rkey] = ("source", address(other))

    async def current(self, type_: str, id_: str, *, lock: bool = False) -> Version | None:
        found = await super().current(type_, id_, lock=lock)
        part = self.part(f"{type_}/{id_}")
        if self.entry.method != "PATCH" or part is None or part.base is None or found is None or found.body is None:
            return found
        if not await self._is_base(part, found):
            raise _meanwhile(found, home(found))
        number = parse_version_id(part.base.version_id or "")
        assert number is not None
        return replace(found, version=number[0], epoch=number[1], body=await self._as_seen(found.body, part))

    async def _as_seen(self, body: bytes, part: Part) -> bytes:
        """What a patch is applied to: the order that is on hold since it was handed over stood as active where it was made, if
        what was made of it there says so."""
        resource = exact.loads(body)
        if not conflicts.is_held(resource) or not await self._open_tasks(part.name):
            return body
        active = exact.dumps({**resource, "status": conflicts.ACTIVE})
        try:
            made = exact.loads(apply_patch(active, self.entry.body))
        except VakaError:
            return body
        return active if made.get("status") == orjson.loads(part.body or b"{}").get("status") else body

    def part(self, name: str) -> Part | None:
        """What the entry makes of ``name``."""
        return self._parts.get(name)

    async def finish(self) -> None:
        """Says of each version how it came, and leaves a Task for each finding."""
        entry = self.entry
        off = f"; its clock was {entry.offset_ms} ms ahead" if entry.offset_ms else ""
        for version in [one for one in self.made if not one.deleted]:
            linked = [self.linked[version.rkey]] if version.rkey in self.linked else []
            await mark(
                self, Act.RESERVED, version, actor_of(self.access), reason=f"written during a stop at {entry.site}{off}",
                entities=linked,
            )  # fmt: skip
        for number, finding in enumerate(self.findings):
            await leave_task(self, entry, finding, number, body=None)

    async def _follow_merged(self, write: Write) -> None:
        if write.patient is not None:
            write.patient = await self.look_at_merged(write.type, write.id, write.patient)

    async def look_at_merged(self, type_: str, id_: str, patient: str) -> str:
        """The id under which the record of ``patient`` goes on; that it does is told."""
        now = self.resolve(patient)
        if now != patient:
            is_merged = await self.everything.any_version("Patient", patient) is not None
            if is_merged and type_ != "Patient":  # else a copy's own id for the same patient
                self.findings.append(Finding(Why.MERGED, now, f"{type_}/{id_}"))
        return now

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
        part = self.part(f"{write.type}/{write.id}")
        if part is not None:
            is_base = await self._is_base(part, standing) if part.base is not None else _is_free(write, standing)
            if not is_base:
                raise _meanwhile(standing, write.patient)
            if part.base is not None and standing is not None and write.if_match not in (None, ANY_VERSION):
                write.if_match = (standing.version, standing.epoch)
        return standing if standing is not None and not standing.deleted else None

    async def _is_base(self, part: Part, standing: Version | None) -> bool:
        """Whether what stands is what ``part`` was made on, or what the reserve itself has made of that (``late``)."""
        assert part.base is not None
        if standing is None or standing.deleted:
            return False
        if part.base.version_id == standing.version_id:
            return True
        found = await latest(self.connection, standing.rkey, Act.RESERVED) if part.base.version_id else None
        said = await self.everything.current("Provenance", found.id) if found is not None else None
        if said is None or said.body is None:
            return False
        told: dict[str, Any] = orjson.loads(said.body)
        revised = {"role": "revision", "what": {"reference": f"{part.name}/_history/{part.base.version_id}"}}
        return told["target"][0] == {"reference": address(standing)} and revised in told.get("entity", ())

    async def _look(self, write: Write, standing: Version | None) -> None:
        """What of ``write`` may conflict."""
        resource = write.resource
        if resource is None:
            return
        before = orjson.loads(standing.body) if standing is not None and standing.body is not None else None
        if conflicts.activates(resource, before):
            _hold(write)
            await self.ask_about(write.type, write.id, write.patient)
        elif before is not None and conflicts.has_ended(resource):
            await self._close_tasks(write, str(resource.get("status")))
        if before is not None and takes_back(resource, before, seen=names_version(write)):
            assert standing is not None
            raise Meanwhile(Finding(Why.RESULT, write.patient, address(standing), (address(standing),)))
        if conflicts.was_given(resource) and write.patient is not None:
            await self.look_at_doses(write.id, write.patient, resource)

    async def ask_about(self, type_: str, id_: str, patient: str | None) -> None:
        """Leaves the Task of an order that is on hold now, unless one that says as much is open."""
        name, met = f"{type_}/{id_}", self.entry.warnings
        if not any(met_in(found).issuperset(met) for _, found in await self._open_tasks(name)):
            self.findings.append(Finding(Why.ORDER, patient, name, allergies=met))

    async def _open_tasks(self, order: str) -> list[tuple[Version, dict[str, Any]]]:
        """The Tasks in which a person is still asked what has become of an order."""
        found = await self._matching("Task", ("focus", order), ("code", asked_of(Why.ORDER)), ("status", "requested"))
        return [(one, exact.loads(one.body or b"{}")) for one in found]

    async def _close_tasks(self, write: Write, status: str) -> None:
        """The order was ended in the same stop: nobody has to say what has become of it."""
        for found, asked in await self._open_tasks(f"{write.type}/{write.id}"):
            body = exact.dumps(closed(asked, status, site=self.entry.site, now=instant(now_us())))
            await self.amend([write_of(accept_resource(body, "Task"), found.id)])

    async def look_at_doses(self, id_: str, patient: str, dose: dict[str, object], *, told: bool = False) -> None:
        """Leaves a Task where other doses are too close; ``told``: but for those whose own Task may name this one."""
        await self.lock_identities([hash64(f"doses\x1f{patient}")])  # two copies may hand over two doses at once
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
            for other in await self._matching("MedicationAdministration", ("patient", patient), *times)
            if other.id != id_ and conflicts.too_close(dose, orjson.loads(other.body or b"{}"), interval)
        ]
        name = f"MedicationAdministration/{id_}"
        if told:
            close = [other for other in close if not await self._is_told(other.partition("/_history/")[0], name)]
        if close:
            self.findings.append(Finding(Why.DOSES, patient, name, tuple(close[:20])))

    async def _is_told(self, dose: str, other: str) -> bool:
        """Whether the Task of ``dose`` names ``other`` as too close."""
        found = await self._matching("Task", ("focus", dose), ("code", asked_of(Why.DOSES)))
        return any(f'"{other}/_history/'.encode() in (one.body or b"") for one in found)

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


def _meanwhile(standing: Version | None, patient: str | None) -> Meanwhile:
    focus = address(standing) if standing is not None else None
    return Meanwhile(Finding(Why.CHANGED, patient, focus, (focus,) if focus is not None else ()))


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
    _reword(write, held(write.body))


def held(order: bytes) -> bytes:
    """The body of an order that is on hold."""
    return exact.dumps({**exact.loads(order), "status": conflicts.HELD})


def _reword(write: Write, body: bytes) -> None:
    fresh = write_of(accept_resource(body, write.type), write.id)
    write.resource, write.body, write.rows = fresh.resource, fresh.body, fresh.rows
