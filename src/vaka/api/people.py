"""Who works where, read from the record: Practitioner, PractitionerRole, Organization with their HSA-ids (A1).

Invariants: an assignment counts while role, practitioner and unit are active and the role's period covers now; the care
provider is the Organization above the unit that is part of no other; what is read here is read for Vaka itself, and shown
to nobody but the person it is about.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import orjson

from vaka.access.filter import system_filter
from vaka.access.professions import purpose_of, rights_of, title_of
from vaka.access.session import Assignment, Right, Session
from vaka.fhir import dates
from vaka.fhir.hsa import HSA
from vaka.fhir.keys import key, reference_key
from vaka.fhir.query import parse_query
from vaka.store.store import Store
from vaka.store.through import now_us
from vaka.store.version import Version

_ROLES_MAX: Final = 100
_EVERYBODY_MAX: Final = 400
_DEPTH_MAX: Final = 8
Resource = Mapping[str, Any]
Read: TypeAlias = Callable[[str, str], Awaitable[Version | None]]
"""Reads a (type, id) as it stood at some time."""


@dataclass(frozen=True, slots=True)
class Person:
    """A practitioner who may work. ``practitioner``: the Practitioner's id."""

    hsa: str
    practitioner: str
    name: str


@dataclass(frozen=True, slots=True)
class Offer:
    """An assignment that a person may choose, with what people and identity services call it. ``hsa``: the HSA-ids of role
    (empty where it has none), unit and provider."""

    assignment: Assignment
    unit: str
    provider: str
    hsa: tuple[str, str, str]


def _hsa_of(resource: Resource) -> str:
    for identifier in resource.get("identifier") or ():
        if identifier.get("system") == HSA:
            return str(identifier.get("value", ""))
    return ""


def _covers(period: Resource | None, at_us: int) -> bool:
    """Whether a Period includes ``at_us``; one that cannot be read includes nothing."""
    for name, holds in (("start", lambda low, _: low <= at_us), ("end", lambda _, high: at_us < high)):
        text = (period or {}).get(name)
        if text is not None:
            found = dates.parse(str(text))
            if found is None or not holds(*found):
                return False
    return True


def _current(resource: Resource, at_us: int) -> bool:
    return resource.get("active", True) is True and _covers(resource.get("period"), at_us)


def _target(element: Any, type_: str) -> str | None:
    reference = element.get("reference") if isinstance(element, dict) else None
    if not isinstance(reference, str) or not reference.startswith(f"{type_}/"):
        return None
    return reference.split("/")[1]


def _name(practitioner: Resource) -> str:
    for name in practitioner.get("name") or ():
        told = name.get("text") or " ".join([*(name.get("given") or ()), name.get("family") or ""]).strip()
        if told:
            return str(told)
    return _hsa_of(practitioner)


def _resources(versions: Sequence[Version]) -> list[Resource]:
    return [orjson.loads(one.body) for one in versions if one.body is not None]


class People:
    """Reads people from one record. ``unit``: gives the Organization whose staff alone comes in (a ward snapshot's)."""

    def __init__(self, store: Store, unit: Callable[[], str] | None = None) -> None:
        self._store = store
        self.unit = unit

    async def _all(self, type_: str, count: int) -> list[Resource]:
        query = parse_query([type_], (), base_url="", strict=True)
        page = await self._store.searching(system_filter("login")).search(query, count=count)
        return _resources(page.matches)

    async def _under(self, type_: str, carried: int, count: int) -> list[Resource]:
        return _resources(await self._store.carrying(type_, carried, access=system_filter("login"), limit=count))

    async def _read(self, *references: tuple[str, str]) -> dict[str, Resource]:
        """Living resources by ``Type/id``."""
        found = await self._store.searching(system_filter("login")).read_many(references)
        return {f"{one.type}/{one.id}": orjson.loads(one.body) for one in found if one.body is not None}

    async def person(self, hsa: str) -> Person | None:
        """Who has this HSA-id; None if nobody has who may work, or several have."""
        found = await self._under("Practitioner", key("Practitioner.identifier", "sc", HSA, hsa), 2)
        if len(found) != 1 or found[0].get("active", True) is not True:
            return None
        return Person(hsa, str(found[0]["id"]), _name(found[0]))

    async def assignments_of(self, person: Person) -> list[Offer]:
        """What ``person`` may choose from now, by name of unit."""
        here = reference_key("PractitionerRole.practitioner", "Practitioner", person.practitioner)
        roles = await self._under("PractitionerRole", here, _ROLES_MAX)
        at_us = now_us()
        offers = [await self._offer(role) for role in roles if _current(role, at_us) and self._is_here(role)]
        return sorted((one for one in offers if one is not None), key=lambda one: (one.unit, one.assignment.id))

    def _is_here(self, role: Resource) -> bool:
        return self.unit is None or _target(role.get("organization"), "Organization") == self.unit()

    async def _offer(self, role: Resource) -> Offer | None:
        rights, purpose = rights_of(role), purpose_of(role)
        above = await self.above(_target(role.get("organization"), "Organization"))
        if not rights or purpose is None or not above or any(one.get("active", True) is not True for one in above):
            return None
        unit, provider = above[0], above[-1]
        assignment = Assignment(str(role["id"]), str(unit["id"]), str(provider["id"]), purpose, rights, title_of(role))
        hsa = (_hsa_of(role), _hsa_of(unit), _hsa_of(provider))
        return Offer(assignment, str(unit.get("name", "")), str(provider.get("name", "")), hsa)

    async def above(self, unit: str | None) -> list[Resource]:
        """The Organization ``unit`` and those that it is part of, the care provider last; empty if one is missing."""
        found: list[Resource] = []
        while unit is not None:
            if len(found) >= _DEPTH_MAX:
                return []
            version = await self._store.read("Organization", unit, access=system_filter("login"))  # by key: no search
            if version is None or version.body is None:
                return []
            one = orjson.loads(version.body)
            found.append(one)
            unit = _target(one.get("partOf"), "Organization")
        return found

    async def everybody(self) -> list[tuple[Person, str, list[str]]]:
        """All who may work, by name, with title and names of units: for the demo's login."""
        roles = await self._all("PractitionerRole", _EVERYBODY_MAX)
        practitioners = await self._all("Practitioner", _EVERYBODY_MAX)
        people = {str(one["id"]): Person(_hsa_of(one), str(one["id"]), _name(one)) for one in practitioners}
        found: dict[str, tuple[Person, str, list[str]]] = {}
        for role in roles:
            person = people.get(_target(role.get("practitioner"), "Practitioner") or "")
            if person is not None and _current(role, now_us()) and rights_of(role) and self._is_here(role):
                unit = str((role.get("organization") or {}).get("display", ""))
                found.setdefault(person.hsa, (person, title_of(role), []))[2].append(unit)
        return sorted(found.values(), key=lambda one: one[0].name)

    async def names(self, organizations: Sequence[str]) -> dict[str, str]:
        """Names of Organizations by id."""
        found = await self._read(*(("Organization", id_) for id_ in organizations))
        return {reference.split("/")[1]: str(one.get("name", "")) for reference, one in found.items()}

    async def offered(self, session: Session) -> frozenset[Right] | None:
        """The rights that ``session``'s person would be offered now in its assignment; None where it would not be offered."""
        person = await self.person(session.person)
        if person is None or person.practitioner != session.practitioner:
            return None
        old = session.assignment
        for offer in await self.assignments_of(person):
            new = offer.assignment
            if (new.id, new.unit, new.provider, new.purpose) == (old.id, old.unit, old.provider, old.purpose):
                return old.rights & new.rights
        return None

    async def standing(
        self, session: Session, *, at_us: int | None = None, read: Read | None = None
    ) -> frozenset[Right] | None:
        """The rights that ``session``'s assignment has now, or had at ``at_us``, when ``read`` gives what stood then; None
        where role or person ended, moved, or were deleted. A role
        that the record has never had (it was put back to an earlier day) keeps its rights until the session is renewed."""
        at_us = now_us() if at_us is None else at_us
        for type_, id_ in (("Practitioner", session.practitioner), ("PractitionerRole", session.assignment.id)):
            if read is not None:
                version = await read(type_, id_)
            else:
                version = await self._store.read(type_, id_, access=system_filter("login"))
            if version is None:
                continue
            if version.body is None:
                return None
            resource = orjson.loads(version.body)
            if not _current(resource, at_us):
                return None
            if type_ == "PractitionerRole":
                mine = _target(resource.get("practitioner"), "Practitioner") == session.practitioner
                here = _target(resource.get("organization"), "Organization") == session.assignment.unit
                return session.assignment.rights & rights_of(resource) if mine and here else None
        return session.assignment.rights
