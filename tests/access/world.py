"""A small made-up region for the oracle: who owns what, who is whose patient, what is blocked, what was opened.

Written down here as it is made, never read back from the server: the oracle knows it by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from hypothesis import strategies as st

Resource = dict[str, Any]
T = TypeVar("T")
CODES = ("crp", "hb", "note")
SYSTEM = "http://example.org/oracle"
PROTECTION = {"system": "http://hl7.se/fhir/ig/base/CodeSystem/SecurityLabel", "code": "sekretessmarkering"}


@dataclass(frozen=True)
class Person:
    """Somebody in one assignment."""

    name: str
    unit: str
    provider: str
    purpose: str
    rights: frozenset[str]


@dataclass(frozen=True)
class Thing:
    """One resource: whose it is, of whom, and what questions can find it by."""

    type: str
    id: str
    resource: Resource
    patient: str | None
    unit: str | None
    provider: str | None
    kind: str
    code: str = ""
    encounter: str | None = None
    date: str = ""
    word: str = ""


@dataclass(frozen=True)
class Relation:
    patient: str
    unit: str
    days_from: float
    days_until: float


@dataclass(frozen=True)
class Block:
    patient: str
    provider: str
    unit: str | None
    kind: str | None
    inner: bool
    outer: bool
    in_force: bool
    lifted_for: str | None


@dataclass(frozen=True)
class Consent:
    patient: str
    receiver: str
    in_force: bool


@dataclass(frozen=True)
class Opening:
    person: str
    patient: str
    what: str
    target: str | None


@dataclass(frozen=True)
class Scope:
    """``type``: or ``*``; ``letters`` of cruds; ``where``: what it is narrowed by, (search parameter, value)."""

    type: str
    letters: str
    where: tuple[str, str] | None = None

    @property
    def text(self) -> str:
        return f"system/{self.type}.{self.letters}" + (f"?{self.where[0]}={self.where[1]}" if self.where else "")


@dataclass(frozen=True)
class Program:
    """A program with scopes; ``provider``: the only one whose information it may have, None for the region's."""

    name: str
    scopes: tuple[Scope, ...]
    provider: str | None


@dataclass
class World:
    tag: str
    units: dict[str, str] = field(default_factory=dict)
    """unit → provider; a provider's own Organization is one of its units."""
    people: list[Person] = field(default_factory=list)
    patients: list[str] = field(default_factory=list)
    protected: set[str] = field(default_factory=set)
    things: list[Thing] = field(default_factory=list)
    relations: list[Relation] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    consents: list[Consent] = field(default_factory=list)
    openings: list[Opening] = field(default_factory=list)
    programs: list[Program] = field(default_factory=list)
    began: str = ""
    """Shortly before it was loaded: others' versions of the same server need not be gone through."""
    contact: dict[str, str] = field(default_factory=dict)
    """patient → a street that nobody else lives in."""


def at(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat(timespec="seconds")


CLINICIAN = frozenset({"read", "write", "sign", "consent", "emergency", "lift"})


@st.composite
def worlds(draw: st.DrawFn, tag: str) -> World:
    """A region of two or three providers with two units each, their people, and some patients."""
    made = World(tag)
    pick = _Picker(draw)
    for p in range(draw(st.integers(2, 3))):
        provider = f"{tag}p{p}"
        made.units[provider] = provider
        made.things.append(Thing("Organization", provider, {"name": provider}, None, provider, provider, "directory"))
        for u in range(2):
            unit = f"{provider}u{u}"
            made.units[unit] = provider
            body = {"name": unit, "partOf": {"reference": f"Organization/{provider}"}}
            made.things.append(Thing("Organization", unit, body, None, unit, provider, "directory"))
    real = [unit for unit, provider in made.units.items() if unit != provider]
    for n, unit in enumerate(real):
        purpose = pick.one(("care", "care", "care", "care", "administration", "quality"))
        rights = CLINICIAN if pick.chance(0.9) else CLINICIAN - {"read"}
        made.people.append(Person(f"{tag}h{n}", unit, made.units[unit], purpose, rights))
    for n in range(2):
        _nobodys(made, f"{tag}n{n}", pick.one(real))
    for n in range(draw(st.integers(3, 5))):
        _patient(made, f"{tag}a{n}", pick, real)
    for n, only in enumerate((None, pick.one(sorted(set(made.units.values()))))):
        scopes = [_scope(made, pick, region=only is None) for _ in range(pick.number(1, 5))]
        made.programs.append(Program(f"{tag}g{n}", tuple(dict.fromkeys(scopes)), only))
    return made


SCOPED = (
    "Observation",
    "Observation",
    "Condition",
    "AllergyIntolerance",
    "Encounter",
    "Appointment",
    "Consent",
    "Patient",
    "*",
)
LETTERS = ("rs", "rs", "rs", "r", "s", "cruds", "crs", "cud", "d")


def _scope(made: World, pick: _Picker, *, region: bool) -> Scope:
    """One scope; never all rights in the whole region, for which there is no rule."""
    type_, letters, where = pick.one(SCOPED), pick.one(LETTERS), None
    if type_ == "*" and region:
        letters = "rs"
    if type_ in ("Observation", "Condition", "AllergyIntolerance"):
        where = pick.one((
            None, ("code", f"{SYSTEM}|{made.tag}{pick.one(CODES)}"), ("patient", f"Patient/{pick.one(made.patients)}"),
            ("category", "laboratory") if type_ == "Observation" else None,
        ))  # fmt: skip
    elif type_ in ("Encounter", "Appointment", "Consent"):
        where = pick.one((None, ("patient", f"Patient/{pick.one(made.patients)}")))
    elif type_ == "Patient":
        where = pick.one((None, None, ("identifier", f"{SYSTEM}|{pick.one(made.patients)}")))
    return Scope(type_, letters, where)


class _Picker:
    """Choices that hypothesis draws, and shrinks."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def one(self, choices: Sequence[T]) -> T:
        return self._draw(st.sampled_from(choices))

    def chance(self, probability: float) -> bool:
        return self._draw(st.integers(0, 99)) < probability * 100

    def number(self, low: int, high: int) -> int:
        return self._draw(st.integers(low, high))


def _nobodys(made: World, id_: str, unit: str) -> None:
    """A stay and a result of a unit that do not say whose they are."""
    provider = made.units[unit]
    body: Resource = {
        "status": "planned",
        "class": {"code": "AMB"},
        "serviceProvider": {"reference": f"Organization/{unit}"},
    }
    made.things.append(Thing("Encounter", f"{id_}e", body, None, unit, provider, "contact", code="planned"))
    owned = {"encounter": {"reference": f"Encounter/{id_}e"}}
    coded = {"coding": [{"system": SYSTEM, "code": f"{made.tag}hb"}]}
    made.things.append(Thing(
        "Observation", f"{id_}o", {"status": "final", "code": coded, **owned}, None, unit, provider, "observation",
        code="hb", encounter=f"{id_}e",
    ))  # fmt: skip


def _patient(made: World, id_: str, pick: _Picker, real: list[str]) -> None:
    made.patients.append(id_)
    street = f"Gata{id_}"
    made.contact[id_] = street
    body: Resource = {
        "identifier": [{"system": SYSTEM, "value": id_}], "name": [{"family": f"Namn{id_}"}],
        "address": [{"line": [street], "city": f"Stad{id_}"}], "gender": "female",
    }  # fmt: skip
    if pick.chance(0.25):
        made.protected.add(id_)
        body["meta"] = {"security": [PROTECTION]}
    made.things.append(Thing("Patient", id_, body, id_, None, None, "person", code=id_))
    encounters = [_encounter(made, f"{id_}e{n}", id_, pick, pick.one(real)) for n in range(pick.number(1, 3))]
    for n in range(pick.number(3, 8)):
        _entry(made, f"{id_}o{n}", id_, pick, pick.one([*encounters, None]))
    if pick.chance(0.4):
        _appointment(made, f"{id_}b", id_, pick, pick.one(real))
    for n in range(pick.number(0, 2)):
        _consent(made, f"{id_}c{n}", id_, pick, real)
    for n in range(pick.number(0, 2)):
        _block(made, f"{id_}s{n}", id_, pick, real)
    care = [person for person in made.people if person.purpose == "care" and "read" in person.rights]
    for _ in range(pick.number(0, 4) if care else 0):
        person = pick.one(care)
        what = pick.one(("unit", "unit", "provider", "provider", "emergency", "inner-block"))
        target = pick.one(real)
        if what == "provider":
            target = made.units[target]
        made.openings.append(Opening(person.name, id_, what, None if what == "emergency" else target))


def _encounter(made: World, id_: str, patient: str, pick: _Picker, unit: str) -> Thing:
    status = pick.one(("in-progress", "in-progress", "finished", "finished", "planned", "cancelled"))
    low = {"in-progress": -2, "planned": pick.one((3, 40))}.get(status, pick.one((-20, -300)))
    period = {"start": at(low)}
    if status != "in-progress":
        period["end"] = at(low + 0.1)
    if status == "in-progress":
        made.relations.append(Relation(patient, unit, low - 14, 10_000))
    elif status != "cancelled":
        made.relations.append(Relation(patient, unit, low - 14, low + 0.1 + 90))
    body: Resource = {
        "status": status, "class": {"code": "AMB"}, "subject": {"reference": f"Patient/{patient}"}, "period": period,
        "serviceProvider": {"reference": f"Organization/{unit}"},
    }  # fmt: skip
    thing = Thing("Encounter", id_, body, patient, unit, made.units[unit], "contact", code=status)
    made.things.append(thing)
    return thing


def _entry(made: World, id_: str, patient: str, pick: _Picker, encounter: Thing | None) -> None:
    code, day = pick.one(CODES), pick.number(1, 28)
    date = f"2026-0{pick.number(1, 9)}-{day:02}"
    word = f"ord{made.tag}{pick.one(('x', 'y'))}"
    subject = {"reference": f"Patient/{patient}"}
    coded = {"coding": [{"system": SYSTEM, "code": f"{made.tag}{code}"}], "text": word}
    body: Resource
    match pick.one(("Observation", "Observation", "Observation", "Condition", "AllergyIntolerance")):
        case "Observation":
            lab = pick.chance(0.5)
            category = [{"coding": [{"code": "laboratory" if lab else "vital-signs"}]}]
            body = {
                "status": "final",
                "category": category,
                "code": coded,
                "subject": subject,
                "effectiveDateTime": date,
            }
            kind, type_ = "laboratory" if lab else "observation", "Observation"
        case "Condition":
            body = {"code": coded, "subject": subject, "onsetDateTime": date}
            kind, type_ = "diagnosis", "Condition"
        case _:
            active = {"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}
            body = {"clinicalStatus": {"coding": [active]}, "code": coded, "patient": subject, "recordedDate": date}
            kind, type_ = "alert", "AllergyIntolerance"
    unit = provider = None
    if encounter is not None:
        body["encounter"] = {"reference": f"Encounter/{encounter.id}"}
        unit, provider = encounter.unit, encounter.provider
    of = encounter.id if encounter is not None else None
    made.things.append(Thing(type_, id_, body, patient, unit, provider, kind, code, of, date, word))


def _appointment(made: World, id_: str, patient: str, pick: _Picker, unit: str) -> None:
    place = f"{unit}loc"
    if not any(thing.id == place for thing in made.things):
        body = {"managingOrganization": {"reference": f"Organization/{unit}"}, "name": place}
        made.things.append(Thing("Location", place, body, None, unit, made.units[unit], "directory"))
    status, day = pick.one(("booked", "booked", "cancelled")), pick.one((1, 30))
    if status == "booked":
        made.relations.append(Relation(patient, unit, day - 14, day + 0.1 + 90))
    actors = [
        {"actor": {"reference": f"{kind}"}, "status": "accepted"}
        for kind in (f"Patient/{patient}", f"Location/{place}")
    ]
    booked: Resource = {"status": status, "start": at(day), "end": at(day + 0.1), "participant": actors}
    made.things.append(Thing("Appointment", id_, booked, patient, unit, made.units[unit], "contact", code=status))


def _agreement(patient: str, status: str, organization: str, category: str | None) -> Resource:
    coding = [{"system": "urn:x-vaka:consent", "code": category}] if category else [{"system": SYSTEM, "code": "other"}]
    scope = {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}
    return {
        "status": status, "scope": {"coding": [scope]}, "category": [{"coding": coding}], "dateTime": at(-10),
        "patient": {"reference": f"Patient/{patient}"}, "organization": [{"reference": f"Organization/{organization}"}],
        "policyRule": {"text": "PDL"},
    }  # fmt: skip


def _consent(made: World, id_: str, patient: str, pick: _Picker, real: list[str]) -> None:
    receiver = pick.one(real)
    if pick.chance(0.4):
        receiver = made.units[receiver]
    state = pick.one(("in force", "in force", "in force", "over", "withdrawn"))
    body: Resource = _agreement(
        patient, "inactive" if state == "withdrawn" else "active", receiver, "shared-documentation"
    )
    role = {"coding": [{"code": "PROV"}]}
    body["provision"] = {
        "type": "permit",
        "actor": [{"role": role, "reference": {"reference": f"Organization/{receiver}"}}],
    }
    if state == "over":
        body["provision"]["period"] = {"start": at(-9), "end": at(-3)}
    made.consents.append(Consent(patient, receiver, state == "in force"))
    made.things.append(Thing("Consent", id_, body, patient, receiver, made.units[receiver], "consent"))


def _block(made: World, id_: str, patient: str, pick: _Picker, real: list[str]) -> None:
    unit = pick.one(real)
    whole = pick.chance(0.4)
    of = made.units[unit] if whole else unit
    category = pick.one(("inner-block", "outer-block", None))
    state = pick.one(("in force", "in force", "in force", "to come", "annulled"))
    body = _agreement(patient, "entered-in-error" if state == "annulled" else "active", of, category)
    provision: Resource = {"type": "deny"}
    kind = pick.one((None, None, "laboratory", "diagnosis"))
    if kind is not None:
        provision["class"] = [{"system": "urn:x-vaka:kind", "code": kind}]
    if state == "to come":
        provision["period"] = {"start": at(5)}
    lifted_for = pick.one(real) if pick.chance(0.2) else None
    if lifted_for is not None:
        role = {"coding": [{"code": "PROV"}]}
        actor = [{"role": role, "reference": {"reference": f"Organization/{lifted_for}"}}]
        provision["provision"] = [{"type": "permit", "period": {"start": at(-1), "end": at(1)}, "actor": actor}]
    body["provision"] = provision
    made.blocks.append(Block(
        patient, made.units[unit], None if whole else unit, kind, category != "outer-block", category != "inner-block",
        state == "in force", lifted_for,
    ))  # fmt: skip
    made.things.append(Thing("Consent", id_, body, patient, of, made.units[unit], "consent"))


def load(made: World, transact: Callable[[list[Resource]], None]) -> None:
    """Everything in one transaction, directory first."""
    entries = [
        {
            "resource": {"resourceType": thing.type, "id": thing.id, **thing.resource},
            "request": {"method": "PUT", "url": f"{thing.type}/{thing.id}"},
        }
        for thing in made.things
    ]
    made.began = at(-0.0005)
    transact(entries)
