"""One hospital stay or emergency visit of clinosim, made Swedish and moved in time.

A stay that goes on now is moved so that the present falls inside it: what the generator simulated after that is left
out, what it simulated for today appears as the day passes.
"""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import date, datetime, time, timedelta
from typing import Final

import region_texts
from region_codes import diagnosis_from_icd
from region_drugs import DRUGS, drug_key
from region_lab import BY_LOINC, swedish_value
from region_places import NURSE, PHYSIO
from region_record import DAY_ZERO, Json, Record, Visit, When, ago, at, at_time, on

_VITALS: Final = {
    "8867-4": "Puls",
    "9279-1": "Andningsfrekvens",
    "2708-6": "Saturation",
    "8310-5": "Kroppstemperatur",
    "3151-8": "Syrgasflöde",
    "29463-7": "Vikt",
    "8302-2": "Längd",
    "9108-2": "Vätskeintag",
    "9262-7": "Vätskeutsöndring",
    "9192-6": "Urinmängd",
}
_SCORES: Final = {
    "38227-5": "Riskbedömning trycksår (Braden)",
    "59460-6": "Fallrisk enligt Morse",
    "96761-2": "Barthel ADL-index",
}
_PANELS: Final = {
    "58410-2": "Blodstatus",
    "51990-0": "Elektrolytstatus",
    "24325-3": "Leverstatus",
    "24338-6": "Blodgas, arteriell",
    "57698-3": "Blodfetter",
}
_IMAGING: Final = {
    "36572-6": "lungröntgen",
    "29252-4": "dtthorax",
    "30799-1": "dtskalle",
    "41806-1": "dtbuk",
    "38036-0": "njurar",
    "44203-8": "rygg",
    "24619-9": "handled",
    "24799-9": "buköversikt",
    "30657-1": "mrhjärna",
    "24722-1": "hand",
    "24558-9": "ultraljudbuk",
    "36663-3": "höft",
}
_WARDS: Final = (
    (("J44", "J45", "J43"), "lung32"),
    (("J", "A", "N10", "N39", "L03", "R65"), "inf35"),
    (("I63", "I61"), "stroke33"),
    (("I",), "hia34"),
    (("K",), "kir41"),
    (("S", "M"), "ort43"),
    (("O", "Z37", "Z38"), "bb51"),
)
# At most one set of vital signs in so many hours is kept (the generator measures every hour).
_VITALS_EVERY_H: Final = 5


def time_of(resource: Json) -> datetime | None:
    text = resource.get("effectiveDateTime") or resource.get("authoredOn") or resource.get("performedDateTime")
    text = text or (resource.get("performedPeriod") or resource.get("effectivePeriod") or {}).get("start")
    return datetime.fromisoformat(text).replace(tzinfo=None, second=0, microsecond=0) if text else None


def code_of(resource: Json, element: str = "code") -> tuple[str, str]:
    concept = resource.get(element) or {}
    coding = (concept.get("coding") or [{}])[0]
    return str(coding.get("code", "")), str(coding.get("display") or concept.get("text", ""))


def start_of(encounter: Json) -> datetime:
    """When a generated encounter began."""
    return datetime.fromisoformat(encounter["period"]["start"]).replace(tzinfo=None, second=0, microsecond=0)


def end_of(encounter: Json) -> datetime:
    """When it ended; where it had not, the end of the simulation."""
    end = encounter["period"].get("end", "2026-01-01T00:00:00Z")
    return datetime.fromisoformat(end).replace(tzinfo=None, second=0, microsecond=0)


class Stay:
    """One stay or emergency visit, moved by ``shift``; with ``going_on`` it has no end yet."""

    def __init__(
        self, source: Json, children: list[Json], record: Record, shift: timedelta, *, going_on: bool, minutes: int = 0
    ) -> None:
        self.source, self.children, self.record = source, children, record
        self.shift, self.going_on, self.minutes = shift, going_on, minutes
        self.start, self.end = start_of(source), end_of(source)
        reason = code_of({"code": (source.get("reasonCode") or [{}])[0]})[0]
        self.diagnosis = diagnosis_from_icd(reason) or (
            "R69.9",
            "Okända och icke specificerade orsaker till sjuklighet",
        )
        self.orders: dict[str, str] = {}

    def when(self, moment: datetime) -> When | None:
        """The moved moment; None where it lies beyond what can be known today."""
        if self.minutes:
            after = round((moment - self.start).total_seconds() / 60)
            return ago(self.minutes - after) if after <= self.minutes else None
        moved = moment + self.shift
        if self.going_on and moved.date() > DAY_ZERO:
            return None
        return at_time(moved)

    def write(self, unit: str, class_: str, bed: int) -> Visit:
        record = self.record
        start = self.when(self.start)
        assert start is not None
        end = None if self.going_on else self.when(self.end)
        planned = (
            record.random.choice(("Hemmet", "Hemmet med hemtjänst", "Särskilt boende", "Planeras i dag", ""))
            if self.going_on
            else ""
        )
        visit = record.encounter(unit, class_, start, end, self.diagnosis, bed=bed, planned_discharge=planned)
        self._conditions(visit)
        self._measurements(visit)
        self._drugs(visit)
        self._imaging(visit)
        return visit

    def _conditions(self, visit: Visit) -> None:
        for resource in self.children:
            if resource["resourceType"] == "Condition" and (found := diagnosis_from_icd(code_of(resource)[0])):
                moment = self.start + self.shift
                day = on(min(moment.date(), DAY_ZERO)) if not self.minutes else on(0)
                self.record.condition(visit, day, *found, abated="", problem=False)

    def _measurements(self, visit: Visit) -> None:
        last: dict[str, datetime] = {}
        results: dict[str, tuple[Json, When]] = {}
        for resource in sorted(
            (one for one in self.children if one["resourceType"] == "Observation"),
            key=lambda one: (time_of(one) or self.start, one["id"]),
        ):
            moment, (code, _) = time_of(resource), code_of(resource)
            when = self.when(moment) if moment else None
            if moment is None or when is None:
                continue
            if code in BY_LOINC and "valueQuantity" in resource:
                results[resource["id"]] = resource, when
                continue
            every = timedelta(hours=_VITALS_EVERY_H if not self.minutes else 0.5)
            if code in last and moment - last[code] < every and (code in _VITALS or code in ("85354-9", "80288-4")):
                continue
            last[code] = moment
            self._vital(resource, code, visit, when)
        self._results(results, visit)

    def _vital(self, resource: Json, code: str, visit: Visit, when: When) -> None:
        record = self.record
        if code == "85354-9":
            values = {
                code_of(part)[0]: part["valueQuantity"]["value"]
                for part in resource.get("component", [])
                if "valueQuantity" in part
            }
            if "8480-6" in values and "8462-4" in values:
                record.pressure(visit, when, values["8480-6"], values["8462-4"])
        elif code == "80288-4":
            text = str((resource.get("valueCodeableConcept") or {}).get("text", resource.get("valueString", "A")))
            level = next(
                (
                    letter
                    for word, letter in (
                        ("confus", "C"),
                        ("voice", "V"),
                        ("verbal", "V"),
                        ("pain", "P"),
                        ("unresp", "U"),
                    )
                    if word in text.lower()
                ),
                "A",
            )
            record.consciousness(visit, when, level)
        elif code in _VITALS and "valueQuantity" in resource:
            value = float(resource["valueQuantity"]["value"])
            # (Some temperatures of the generator are Fahrenheit under a Celsius unit.)
            record.vital(visit, when, _VITALS[code], (value - 32) / 1.8 if code == "8310-5" and value > 45 else value)
        elif code in _SCORES and ("valueQuantity" in resource or "valueInteger" in resource):
            value = resource.get("valueInteger", (resource.get("valueQuantity") or {}).get("value", 0))
            record.score(visit, when, code, _SCORES[code], round(value))

    def _results(self, results: dict[str, tuple[Json, When]], visit: Visit) -> None:
        record = self.record
        for report in self.children:
            title = _PANELS.get(code_of(report)[0])
            if report["resourceType"] != "DiagnosticReport" or title is None:
                continue
            found = [results.pop(reference["reference"].split("/")[1], None) for reference in report.get("result", [])]
            made = [self._result(one, visit) for one in found if one is not None]
            if any(made):
                # Its last result may come later today than the first one.
                when = max((one[1] for one in found if one is not None), key=lambda when: (when.day or 0, when.text))
                record.report(visit, when, title, [one for one in made if one], loinc=code_of(report)[0])
        for one in results.values():
            self._result(one, visit)

    def _result(self, one: tuple[Json, When], visit: Visit) -> str | None:
        resource, when = one
        analysis = BY_LOINC[code_of(resource)[0]]
        value = resource["valueQuantity"]
        number = swedish_value(analysis, float(value["value"]), str(value.get("unit", "")))
        return self.record.lab(visit, when, analysis.name, number) if number is not None else None

    def _drugs(self, visit: Visit) -> None:
        record = self.record
        for resource in self.children:
            if resource["resourceType"] != "MedicationRequest":
                continue
            key = drug_key(
                str(
                    (resource.get("medicationCodeableConcept") or {}).get("text")
                    or code_of(resource, "medicationCodeableConcept")[1]
                )
            )
            moment = time_of(resource)
            when = self.when(moment) if moment else None
            if key is None or when is None or key in self.orders:
                continue
            if when.day == 0:
                # An order of today would not be there yet when a dose of the morning refers to it.
                when = at(-1, "21:40")
            inpatient = "inpatient" in json.dumps(resource.get("category", []))
            status = "active" if self.going_on or not inpatient else "completed"
            self.orders[key] = record.order(visit, when, key, status=status, inpatient=inpatient or self.going_on)
        self._doses(visit)

    def _doses(self, visit: Visit) -> None:
        """Scheduled doses as the order says, on the days that the generator has any; doses as needed as simulated."""
        record = self.record
        days: dict[str, set[date]] = defaultdict(set)
        for resource in self.children:
            if resource["resourceType"] != "MedicationAdministration":
                continue
            key = drug_key(
                str(
                    (resource.get("medicationCodeableConcept") or {}).get("text")
                    or code_of(resource, "medicationCodeableConcept")[1]
                )
            )
            moment = time_of(resource)
            if key is None or moment is None:
                continue
            moved = moment + self.shift
            if self.minutes or not DRUGS[key].times:
                when = self.when(moment)
                if when is not None and (self.minutes or moved.minute % 3 == 0):
                    record.administer(visit, when, key, self.orders.get(key, ""))
            else:
                days[key].add(moved.date())
        last = DAY_ZERO if self.going_on else (self.end + self.shift).date()
        first = self.start + self.shift
        for key, dates in days.items():
            span = dates if not self.going_on else dates | {DAY_ZERO - timedelta(days=back) for back in range(3)}
            for day in sorted(span):
                for hour in DRUGS[key].times:
                    moment = datetime.combine(day, time(hour, record.random.randrange(0, 25)))
                    if first < moment and day <= last and (self.going_on or moment < self.end + self.shift):
                        refused = record.random.random() < 0.015
                        record.administer(
                            visit,
                            at_time(moment),
                            key,
                            self.orders.get(key, ""),
                            status="not-done" if refused else "completed",
                            why="Patienten avböjde" if refused else "",
                        )

    def _imaging(self, visit: Visit) -> None:
        record, seen = self.record, set[str]()
        for resource in self.children:
            kind = _IMAGING.get(code_of(resource)[0])
            moment = time_of(resource)
            when = self.when(moment) if moment else None
            if resource["resourceType"] != "DiagnosticReport" or kind is None or when is None or kind in seen:
                continue
            seen.add(kind)
            title, loinc, findings = region_texts.IMAGING[kind]
            asked = record.referral(
                visit,
                when,
                title,
                "rontgen",
                self.diagnosis[1],
                status="completed",
                category="Bilddiagnostik",
                loinc=loinc,
            )
            record.report(
                visit,
                when,
                title,
                [],
                category="RAD",
                conclusion=record.random.choice(findings),
                performer="rontgen",
                loinc=loinc,
                based_on=asked,
            )

    def notes(self, visit: Visit) -> None:
        """Notes of doctors, nurses and physiotherapists through the stay; the last one may be unsigned."""
        record, random = self.record, self.record.random
        code, name = self.diagnosis
        first = (self.start + self.shift).replace(minute=40)
        record.note(
            visit,
            at_time(first + timedelta(hours=1)) if (first + timedelta(hours=1)).date() < DAY_ZERO else at(-1, "23:10"),
            "Inskrivning",
            region_texts.admission(random, code, name),
        )
        last = DAY_ZERO if self.going_on else (self.end + self.shift).date()
        number = 1
        day = first.date() + timedelta(days=1)
        while day <= last:
            number += 1
            unsigned = self.going_on and day >= DAY_ZERO - timedelta(days=1) and random.random() < 0.4
            here = datetime.combine(day, time(0))
            if self.going_on or day < last:
                record.note(
                    visit,
                    at_time(here.replace(hour=10, minute=random.randrange(60))),
                    "Daganteckning",
                    region_texts.day(random, code, number),
                    signed=not unsigned,
                )
                record.note(
                    visit,
                    at_time(here.replace(hour=6, minute=random.randrange(60))),
                    "Omvårdnadsanteckning",
                    region_texts.nursing(random),
                    profession=NURSE,
                )
                if random.random() < 0.35:
                    record.note(
                        visit,
                        at_time(here.replace(hour=13, minute=random.randrange(60))),
                        "Fysioterapianteckning",
                        region_texts.physio(random),
                        profession=PHYSIO,
                    )
            day += timedelta(days=1)
        if not self.going_on:
            end = at_time(self.end + self.shift)
            record.note(visit, end, "Epikris", region_texts.discharge(random, code, name, number))
            record.note(visit, end, "Omvårdnadsepikris", region_texts.nursing(random), profession=NURSE)


def ward(code: str, age: int) -> str:
    """The ward for a diagnosis and an age in years."""
    unit = next((unit for starts, unit in _WARDS if code.startswith(starts)), "ava31")
    return "barn53" if age < 16 and unit != "bb51" else unit
