"""People who have been in hospital, from clinosim; many of them are there now."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Final

import region_texts
from region_codes import ALLERGIES, REACTIONS, diagnosis_from_icd
from region_places import NURSE, UNITS
from region_record import DAY_ZERO, Json, Record, ago, at, at_time, on
from region_stay import Stay, code_of, end_of, start_of, ward

PersonMaker = Callable[..., Record]
_TYPES: Final = (
    "Condition",
    "Observation",
    "MedicationRequest",
    "MedicationAdministration",
    "DiagnosticReport",
    "Procedure",
)
_OTHERS: Final = ("ava31", "eke-med", "solglantan", "kir41", "inf35", "lung32", "hia34", "stroke33")
_NOW_MAX: Final = 72


@dataclass(slots=True)
class _Source:
    """What clinosim wrote, by patient and encounter."""

    encounters: dict[str, list[Json]] = field(default_factory=lambda: defaultdict(list))
    children: dict[str, list[Json]] = field(default_factory=lambda: defaultdict(list))
    chronic: dict[str, list[Json]] = field(default_factory=lambda: defaultdict(list))
    allergies: dict[str, list[Json]] = field(default_factory=lambda: defaultdict(list))
    patients: dict[str, Json] = field(default_factory=dict)


def _read(directory: Path) -> _Source:
    def rows(name: str) -> list[Json]:
        with (directory / f"{name}.ndjson").open(encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    source = _Source()
    for resource in rows("Encounter"):
        source.encounters[resource["subject"]["reference"]].append(resource)
    for resource in rows("Patient"):
        source.patients[f"Patient/{resource['id']}"] = resource
    for resource in rows("AllergyIntolerance"):
        source.allergies[resource["patient"]["reference"]].append(resource)
    for name in _TYPES:
        for resource in rows(name):
            encounter = (resource.get("encounter") or resource.get("context") or {}).get("reference")
            if encounter:
                source.children[encounter].append(resource)
            elif name == "Condition":
                source.chronic[resource["subject"]["reference"]].append(resource)
    return source


class _Beds:
    """Gives out beds; a full ward sends its patient to another."""

    def __init__(self) -> None:
        self._next: Counter[str] = Counter()

    def take(self, unit: str) -> tuple[str, int] | None:
        """(unit, bed); None where no ward that suits has one left."""
        others = () if unit in ("bb51", "barn53", "akuten") else _OTHERS
        for one in (unit, *others):
            # The last beds are for lifelong records and for those whose stories are told.
            if self._next[one] < UNITS[one].beds - 6:
                self._next[one] += 1
                return one, self._next[one]
        return None


def _background(source: _Source, patient: str, record: Record, before: date) -> None:
    """Earlier diagnoses, drugs and hypersensitivities, as primary care knows them."""
    random = record.random
    day = (before - DAY_ZERO).days - random.randrange(40, 300)
    visit = record.encounter(record.primary, "AMB", at(day, "09:20"), at(day, "09:50"), ("Z00.0", "Årskontroll"))
    for resource in source.chronic[patient]:
        if found := diagnosis_from_icd(code_of(resource)[0]):
            record.condition(
                visit,
                on(date.fromisoformat(resource["onsetDateTime"][:10])) if "onsetDateTime" in resource else on(day),
                *found,
            )
    listed = [ALLERGIES[code_of(one)[0]] for one in source.allergies[patient] if code_of(one)[0] in ALLERGIES]
    for snomed, name, category in listed:
        reaction = random.choice(REACTIONS[category])
        record.allergy(
            visit,
            on(day),
            snomed,
            name,
            category,
            reaction=reaction,
            criticality="high" if reaction[1] == "Anafylaxi" else "low",
            confirmed=random.random() < 0.8,
        )
    if not listed and random.random() < 0.85:
        record.no_known_allergies(visit, on(day))
    record.note(visit, at(day, "09:45"), "Mottagningsbesök", region_texts.visit(random, "Z00.0", "Årskontroll"))


def _going_on(one: Json, children: list[Json], record: Record, beds: _Beds) -> bool:
    """Writes a contact as going on now; False where no bed is left for it."""
    random = record.random
    if one["class"]["code"] == "IMP":
        # Today is a day inside the stay.
        days = max(1, min((end_of(one) - start_of(one)).days, 9))
        shift = timedelta(days=(DAY_ZERO - start_of(one).date()).days - random.randrange(1, days + 1))
        stay = Stay(one, children, record, shift, going_on=True)
        place = beds.take(ward(stay.diagnosis[0], _age(record)))
        if place is None:
            return False
        stay.notes(stay.write(place[0], "IMP", place[1]))
        return True
    place = beds.take("akuten")
    if place is None:
        return False
    minutes = random.randrange(25, 330)
    stay = Stay(one, children, record, timedelta(0), going_on=True, minutes=minutes)
    visit = stay.write("akuten", "EMER", place[1])
    level = random.choice(("orange", "gul", "gul", "grön"))
    triage = region_texts.triage(random, stay.diagnosis[1], level)
    record.note(visit, ago(minutes - 5), "Triage", triage, profession=NURSE)
    if minutes > 120:
        text = region_texts.emergency(random, *stay.diagnosis)
        record.note(visit, ago(minutes - 100), "Akutanteckning", text, signed=random.random() < 0.6)
    return True


def _past(one: Json, children: list[Json], record: Record) -> None:
    """Writes a contact as over, two weeks ago at the latest."""
    shift = -timedelta(days=14 + max(0, (end_of(one).date() - DAY_ZERO).days + 12))
    stay = Stay(one, children, record, shift, going_on=False)
    if one["class"]["code"] == "IMP":
        stay.notes(stay.write(ward(stay.diagnosis[0], _age(record)), "IMP", 0))
        return
    visit = stay.write("akuten" if record.random.random() < 0.8 else "eke-akut", "EMER", 0)
    triage = region_texts.triage(record.random, stay.diagnosis[1], "gul")
    record.note(visit, at_time(start_of(one) + shift), "Triage", triage, profession=NURSE)
    text = region_texts.emergency(record.random, *stay.diagnosis)
    record.note(visit, at_time(start_of(one) + shift + timedelta(minutes=50)), "Akutanteckning", text)


def _write_person(source: _Source, patient: str, record: Record, beds: _Beds, *, here: bool) -> bool:
    """All of one person's hospital contacts; gives whether one is going on now."""
    record.patient()
    contacts = [one for one in source.encounters[patient] if one["class"]["code"] in ("IMP", "EMER")]
    contacts.sort(key=lambda one: (one["class"]["code"] == "IMP", one["period"]["start"]))
    first = min(start_of(one).date() for one in contacts)
    _background(source, patient, record, first - timedelta(days=60))
    *earlier, last = contacts
    for one in earlier:
        _past(one, source.children[f"Encounter/{one['id']}"], record)
    children = source.children[f"Encounter/{last['id']}"]
    if here and _going_on(last, children, record, beds):
        return True
    _past(last, children, record)
    return False


def _age(record: Record) -> int:
    return 0 if isinstance(record.born, int) else (DAY_ZERO - record.born).days // 365


def everyone(directory: Path, person: PersonMaker, most: int, random: Random) -> list[Record]:
    """People who have been in hospital, three of four of them there now: every stay, then emergency visits."""
    source = _read(directory)

    def rank(patient: str) -> tuple[bool, str]:
        return all(one["class"]["code"] != "IMP" for one in source.encounters[patient]), patient

    chosen = sorted(
        (
            patient
            for patient, all_ in source.encounters.items()
            if any(one["class"]["code"] in ("IMP", "EMER") for one in all_)
        ),
        key=rank,
    )
    stays = [one for one in chosen if not rank(one)[0]][: most * 3 // 4]
    emergencies = [one for one in chosen if rank(one)[0]][: most - len(stays)]
    beds = _Beds()
    made: list[Record] = []
    now = 0
    for place, patient in enumerate([*stays, *emergencies]):
        given = source.patients[patient]
        record = person(
            f"s{place}",
            given["gender"] == "female",
            date.fromisoformat(given["birthDate"]),
            random,
            protected=place % 33 == 11,
        )
        here = place % 4 != 3
        if _write_person(source, patient, record, beds, here=here and now < _NOW_MAX):
            now += 1
        made.append(record)
    return made
