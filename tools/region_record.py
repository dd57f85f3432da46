"""One person's record in the making: resources whose ids, times and names are slots (see ``vaka.region.template``).

Every resource that is made here has what an owner is derived from (an encounter, or a performer at a unit), Swedish
text, and a time relative to today. Times are local; ``at`` and ``on`` turn them into slots.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from random import Random
from typing import Any, Final

from region_drugs import DRUGS, ROUTES
from region_lab import ANALYSES
from region_places import BLOCK, DOCTOR, NURSE, UNITS, Staff, ward_bed, who

DAY_ZERO: Final = date(2026, 1, 1)
Json = dict[str, Any]

SCT: Final = "http://snomed.info/sct"
LOINC: Final = "http://loinc.org"
ICD: Final = "urn:oid:1.2.752.116.1.1.1.1.3"
KVA: Final = "urn:oid:1.2.752.116.1.3.2.1.4"
ATC: Final = "http://www.whocc.no/atc"
NPU: Final = "urn:oid:1.2.752.108.1"
UCUM: Final = "http://unitsofmeasure.org"
_HL7: Final = "http://terminology.hl7.org/CodeSystem/"
PERSONNUMMER: Final = "http://electronichealth.se/identifier/personnummer"
RESERVE: Final = "urn:oid:1.2.752.97.3.1.3"
_SECURITY: Final = "http://hl7.se/fhir/ig/base/CodeSystem/SecurityLabel"

_CLASSES: Final = {
    "AMB": "ambulatory",
    "IMP": "inpatient encounter",
    "EMER": "emergency",
    "HH": "home health",
    "VR": "virtual",
}


@dataclass(frozen=True, slots=True)
class When:
    """A moment as slot; ``day`` is relative to today, or None where it is relative to now."""

    text: str
    day: int | None = None


def at(day: int, clock: str) -> When:
    """A local time ``hh:mm`` so many days from today (negative: past)."""
    return When(f"‹t{day}T{clock}:00›", day)


def at_time(moment: datetime) -> When:
    """A naive local time of the generators, whose today is DAY_ZERO."""
    return When(f"‹t{(moment.date() - DAY_ZERO).days}T{moment:%H:%M}:00›", (moment.date() - DAY_ZERO).days)


def ago(minutes: int) -> When:
    """So many minutes before now."""
    return When(f"‹n-{minutes}›")


def on(day: int | date) -> str:
    """A date, so many days from today."""
    return f"‹d{day if isinstance(day, int) else (day - DAY_ZERO).days}›"


def coded(system: str, code: str, display: str = "", text: str = "") -> Json:
    """A CodeableConcept of one coding; its text is Swedish."""
    coding = {"system": system, "code": code} | ({"display": display} if display else {})
    return {"coding": [coding]} | ({"text": text} if text else {})


def hl7(system: str, code: str, display: str) -> Json:
    """A CodeableConcept of an HL7 code system."""
    return coded(_HL7 + system, code, display)


def quantity(value: float, unit: str, ucum: str, places: int = 1) -> Json:
    """A Quantity with as many decimals as are reported."""
    number: float = round(value) if places == 0 else round(value, places)
    return {"value": number, "unit": unit, "system": UCUM, "code": ucum}


@dataclass(slots=True)
class Visit:
    """An encounter that other resources belong to."""

    reference: str
    unit: str
    doctor: Staff
    nurse: Staff


@dataclass(slots=True)
class Record:
    """``born`` is a date, or days before today (small children). ``number``: personnummer, reserve or both."""

    key: str
    female: bool
    born: date | int
    given: str
    family: str
    random: Random
    number: str = "personnummer"
    protected: bool = False
    primary: str = "vc-lonngarden"
    family_slot: str = "‹family›"
    lines: list[tuple[str, Json]] = field(default_factory=list)
    _count: int = 0
    _drug_orders: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, type_: str, body: Json, when: When | None = None) -> str:
        """Adds a resource and gives its reference; one of today is there only once its time has come."""
        number, self._count = self._count, self._count + 1
        after = when.text if when is not None and when.day is not None and when.day >= 0 else ""
        self.lines.append((after, {"resourceType": type_, "id": f"‹#{number}›", **body}))
        return f"{type_}/‹#{number}›"

    @property
    def ids(self) -> int:
        return self._count

    @property
    def subject(self) -> Json:
        return {"reference": "Patient/‹#0›"}

    def patient(self, *, deceased: When | None = None, kin: str = "Make/maka") -> None:
        """The Patient itself; always first."""
        identifiers = []
        if self.number in ("personnummer", "both"):
            identifiers.append({"use": "official", "system": PERSONNUMMER, "value": "‹number›"})
        if self.number in ("reserve", "both"):
            use = "temp" if self.number == "reserve" else "old"
            identifiers.append({"use": use, "system": RESERVE, "value": "‹reserve›"})
        body: Json = {
            "identifier": identifiers,
            "active": True,
            "name": [{"use": "official", "family": self.family_slot, "given": ["‹given›"]}],
            "telecom": [{"system": "phone", "value": "‹phone›", "use": "mobile"}],
            "gender": "female" if self.female else "male",
            "birthDate": "‹birth›",
            "address": [
                {"use": "home", "line": ["‹street›"], "city": "‹city›", "postalCode": "‹postcode›", "country": "SE"}
            ],
            "contact": [
                {
                    "relationship": [{"text": kin}],
                    "name": {"given": ["‹kin›"], "family": self.family_slot},
                    "telecom": [{"system": "phone", "value": "‹kinphone›"}],
                }
            ],
            "communication": [{"language": coded("urn:ietf:bcp:47", "sv", "Swedish", "Svenska"), "preferred": True}],
            "generalPractitioner": [{"reference": UNITS[self.primary].reference, "display": UNITS[self.primary].name}],
        }
        if self.protected:
            # The address is that of the tax agency's forwarding service (S24); no contact is kept.
            label = {"system": _SECURITY, "code": "sekretessmarkering", "display": "Sekretessmarkering"}
            body = {"meta": {"security": [label]}} | body
            body["address"] = [
                {"use": "home", "line": ["Förmedlingsuppdrag", "Box 100"], "city": "Norrvalla", "postalCode": "001 00"}
            ]
            del body["telecom"], body["contact"]
        if self.number == "reserve":
            del body["address"], body["telecom"]
        if deceased is not None:
            body["deceasedDateTime"] = deceased.text
        self.add("Patient", body)

    def encounter(
        self,
        unit: str,
        class_: str,
        start: When,
        end: When | None,
        reason: tuple[str, str] | str,
        *,
        kind: str = "",
        bed: int = 0,
        turn: int | None = None,
        planned_discharge: str = "",
    ) -> Visit:
        """A care contact; without ``end`` it is in progress. ``reason``: (ICD-10-SE, name) or words."""
        turn = self.random.randrange(5) if turn is None else turn
        doctor, nurse = who(unit, DOCTOR, turn), who(unit, NURSE, turn)
        place: Json = {"location": {"reference": f"Location/{unit}{BLOCK}", "display": UNITS[unit].name}}
        if bed:
            place = {"location": {"reference": ward_bed(unit, bed)}}
        place["status"] = "active" if end is None else "completed"
        text = reason if isinstance(reason, str) else reason[1]
        body: Json = {
            "status": "in-progress" if end is None else "finished",
            "class": {"system": f"{_HL7}v3-ActCode", "code": class_, "display": _CLASSES[class_]},
            "serviceType": {"text": UNITS[unit].name},
            "subject": self.subject,
            "participant": [
                {
                    "type": [hl7("v3-ParticipationType", "ATND", "attender")],
                    "individual": {
                        "reference": doctor.role(unit) if unit in doctor.units else _first(doctor),
                        "display": doctor.name,
                    },
                }
            ],
            "period": {"start": start.text} | ({"end": end.text} if end else {}),
            "reasonCode": [{"text": text} if isinstance(reason, str) else coded(ICD, reason[0], reason[1], reason[1])],
            "location": [place],
            "serviceProvider": {"reference": UNITS[unit].reference, "display": UNITS[unit].name},
        }
        if kind:
            body["type"] = [{"text": kind}]
        if planned_discharge:
            body["hospitalization"] = {"dischargeDisposition": {"text": planned_discharge}}
        return Visit(self.add("Encounter", body), unit, doctor, nurse)

    def role(self, visit: Visit, profession: str = DOCTOR, turn: int = 0) -> Json:
        """Reference to somebody of a profession at the visit's unit."""
        if profession == DOCTOR:
            one = visit.doctor
        elif profession == NURSE:
            one = visit.nurse
        else:
            one = who(visit.unit, profession, turn)
        return {"reference": one.role(visit.unit) if visit.unit in one.units else _first(one), "display": one.name}

    def vital(self, visit: Visit, when: When, name: str, value: float) -> str:
        """A measured vital sign, by its Swedish name (a key of ``VITALS``)."""
        loinc, display, unit, ucum, places = VITALS[name]
        return self.add(
            "Observation",
            {
                "status": "final",
                "category": [hl7("observation-category", "vital-signs", "Vital Signs")],
                "code": coded(LOINC, loinc, display, name),
                "subject": self.subject,
                "encounter": {"reference": visit.reference},
                "effectiveDateTime": when.text,
                "performer": [self.role(visit, NURSE)],
                "valueQuantity": quantity(value, unit, ucum, places),
            },
            when,
        )

    def pressure(self, visit: Visit, when: When, systolic: float, diastolic: float) -> str:
        """A blood pressure."""
        parts = (
            ("8480-6", "Systolic blood pressure", "Systoliskt", systolic),
            ("8462-4", "Diastolic blood pressure", "Diastoliskt", diastolic),
        )
        return self.add(
            "Observation",
            {
                "status": "final",
                "category": [hl7("observation-category", "vital-signs", "Vital Signs")],
                "code": coded(LOINC, "85354-9", "Blood pressure panel with all children optional", "Blodtryck"),
                "subject": self.subject,
                "encounter": {"reference": visit.reference},
                "effectiveDateTime": when.text,
                "performer": [self.role(visit, NURSE)],
                "component": [
                    {"code": coded(LOINC, code, display, text), "valueQuantity": quantity(value, "mm[Hg]", "mm[Hg]", 0)}
                    for code, display, text, value in parts
                ],
            },
            when,
        )

    def consciousness(self, visit: Visit, when: When, level: str) -> str:
        """Level of consciousness as NEWS2 has it: A, C, V, P or U."""
        names = {
            "A": "Alert",
            "C": "Nytillkommen förvirring",
            "V": "Reagerar på tilltal",
            "P": "Reagerar på smärta",
            "U": "Reagerar ej",
        }
        return self.add(
            "Observation",
            {
                "status": "final",
                "category": [hl7("observation-category", "vital-signs", "Vital Signs")],
                "code": coded(LOINC, "80288-4", "Level of consciousness", "Medvetandegrad (ACVPU)"),
                "subject": self.subject,
                "encounter": {"reference": visit.reference},
                "effectiveDateTime": when.text,
                "performer": [self.role(visit, NURSE)],
                "valueCodeableConcept": {"text": f"{level} – {names[level]}"},
            },
            when,
        )

    def score(self, visit: Visit, when: When, loinc: str, name: str, value: int) -> str:
        """The sum of an assessment form."""
        return self.add(
            "Observation",
            {
                "status": "final",
                "category": [hl7("observation-category", "survey", "Survey")],
                "code": coded(LOINC, loinc, "", name) if loinc else {"text": name},
                "subject": self.subject,
                "encounter": {"reference": visit.reference},
                "effectiveDateTime": when.text,
                "performer": [self.role(visit, NURSE)],
                "valueInteger": value,
            },
            when,
        )

    def lab(self, visit: Visit, when: When, name: str, value: float, *, status: str = "final") -> str:
        """A laboratory result with flag and reference range."""
        analysis = ANALYSES[name]
        low, high = analysis.women if self.female else analysis.men
        number = round(value, analysis.places)
        codings = [{"system": LOINC, "code": analysis.loinc}]
        if analysis.npu:
            codings.insert(0, {"system": NPU, "code": analysis.npu, "display": name})
        body: Json = {
            "status": status,
            "category": [hl7("observation-category", "laboratory", "Laboratory")],
            "code": {"coding": codings, "text": name},
            "subject": self.subject,
            "encounter": {"reference": visit.reference},
            "effectiveDateTime": when.text,
            "performer": [{"reference": UNITS["kemlab"].reference, "display": UNITS["kemlab"].name}],
            "valueQuantity": quantity(number, analysis.unit, analysis.ucum, analysis.places),
        }
        flag = "H" if high is not None and number > high else "L" if low is not None and number < low else ""
        if flag:
            body["interpretation"] = [hl7("v3-ObservationInterpretation", flag, "High" if flag == "H" else "Low")]
        limits = {
            side: quantity(limit, analysis.unit, analysis.ucum, 2)
            for side, limit in (("low", low), ("high", high))
            if limit is not None
        }
        if limits:
            body["referenceRange"] = [limits]
        return self.add("Observation", body, when)

    def report(
        self,
        visit: Visit,
        when: When,
        title: str,
        results: list[str],
        *,
        category: str = "LAB",
        conclusion: str = "",
        performer: str = "kemlab",
        loinc: str = "",
        status: str = "final",
        based_on: str = "",
    ) -> str:
        """An answer: laboratory (with results) or imaging (with conclusion)."""
        names = {
            "LAB": "Laboratory",
            "RAD": "Radiology",
            "MB": "Microbiology",
            "CUS": "Cardiac Ultrasound",
            "EC": "Electrocardiac",
        }
        body: Json = {
            "status": status,
            "category": [hl7("v2-0074", category, names[category])],
            "code": coded(LOINC, loinc, "", title) if loinc else {"text": title},
            "subject": self.subject,
            "encounter": {"reference": visit.reference},
            "effectiveDateTime": when.text,
            "issued": when.text,
            "performer": [{"reference": UNITS[performer].reference, "display": UNITS[performer].name}],
        }
        if category == "RAD":
            body["category"].append(coded("http://loinc.org", "LP29684-5", "Radiology", "imaging"))
        if based_on:
            body["basedOn"] = [{"reference": based_on}]
        if results:
            body["result"] = [{"reference": result} for result in results]
        if conclusion:
            body["conclusion"] = conclusion
        return self.add("DiagnosticReport", body, when)

    def panel(self, visit: Visit, when: When, title: str, values: dict[str, float], **kind: str) -> str:
        """Several results and the report that joins them; gives the report."""
        return self.report(
            visit, when, title, [self.lab(visit, when, name, value) for name, value in values.items()], **kind
        )  # type: ignore[arg-type]

    def condition(
        self,
        visit: Visit | None,
        onset: str,
        code: str,
        name: str,
        *,
        snomed: str = "",
        abated: str = "",
        problem: bool = True,
    ) -> str:
        """A diagnosis; ``onset`` and ``abated`` are date slots."""
        codings = [{"system": ICD, "code": code, "display": name}]
        if snomed:
            codings.append({"system": SCT, "code": snomed})
        status = "resolved" if abated else "active"
        category = (
            ("problem-list-item", "Problem List Item") if problem else ("encounter-diagnosis", "Encounter Diagnosis")
        )
        body: Json = {
            "clinicalStatus": hl7("condition-clinical", status, status.capitalize()),
            "verificationStatus": hl7("condition-ver-status", "confirmed", "Confirmed"),
            "category": [hl7("condition-category", *category)],
            "code": {"coding": codings, "text": name},
            "subject": self.subject,
        }
        if visit is not None:
            body["encounter"] = {"reference": visit.reference}
        body["onsetDateTime"] = onset
        if abated:
            body["abatementDateTime"] = abated
        body["recordedDate"] = onset
        if visit is not None:
            body["recorder"] = self.role(visit)
        return self.add("Condition", body)

    def allergy(
        self,
        visit: Visit,
        when: str,
        snomed: str,
        name: str,
        category: str,
        *,
        reaction: tuple[str, str] | None = None,
        criticality: str = "low",
        confirmed: bool = True,
    ) -> str:
        """A hypersensitivity; ``when`` is a date slot."""
        verification = ("confirmed", "Confirmed") if confirmed else ("unconfirmed", "Unconfirmed")
        body: Json = {
            "clinicalStatus": hl7("allergyintolerance-clinical", "active", "Active"),
            "verificationStatus": hl7("allergyintolerance-verification", *verification),
            "type": "allergy",
            "category": [category],
            "criticality": criticality,
            "code": coded(SCT, snomed, "", name),
            "patient": self.subject,
            "encounter": {"reference": visit.reference},
            "recordedDate": when,
            "recorder": self.role(visit),
        }
        if reaction:
            severity = "severe" if criticality == "high" else "mild"
            body["reaction"] = [{"manifestation": [coded(SCT, reaction[0], "", reaction[1])], "severity": severity}]
        return self.add("AllergyIntolerance", body)

    def no_known_allergies(self, visit: Visit, when: str) -> str:
        """Asked, and none known: the second of the four states of S3, with who said so and when."""
        return self.add(
            "AllergyIntolerance",
            {
                "clinicalStatus": hl7("allergyintolerance-clinical", "active", "Active"),
                "verificationStatus": hl7("allergyintolerance-verification", "confirmed", "Confirmed"),
                "code": coded(SCT, "716186003", "No known allergy", "Ingen känd överkänslighet"),
                "patient": self.subject,
                "encounter": {"reference": visit.reference},
                "recordedDate": when,
                "recorder": self.role(visit, NURSE),
            },
        )

    def order(
        self,
        visit: Visit,
        when: When,
        drug: str,
        *,
        status: str = "active",
        dose: float | None = None,
        text: str = "",
        inpatient: bool = False,
        reason: str = "",
    ) -> str:
        """A drug order (a key of DRUGS)."""
        one = DRUGS[drug]
        amount = one.dose if dose is None else dose
        hours = ", ".join(f"kl {hour:02d}" for hour in one.times)
        shown = text or f"{one.product}, {amount:g} {_shown_unit(one.unit)} {hours or one.note or 'vid behov'}".strip()
        instruction: Json = {
            "text": shown,
            "route": coded(SCT, *ROUTES[one.route]),
            "doseAndRate": [_amount(amount, one.unit)],
        }
        if one.times:
            instruction["timing"] = {
                "repeat": {
                    "timeOfDay": [f"{hour:02d}:00:00" for hour in one.times],
                    "frequency": len(one.times),
                    "period": 1,
                    "periodUnit": "d",
                }
            }
        elif not one.note.startswith(("en", "var", "infusion", "kur")):
            instruction["asNeededBoolean"] = True
        kind = ("inpatient", "Inpatient") if inpatient else ("community", "Community")
        body: Json = {
            "status": status,
            "intent": "order",
            "category": [hl7("medicationrequest-category", *kind)],
            "medicationCodeableConcept": coded(ATC, one.atc, one.substance, one.product),
            "subject": self.subject,
            "encounter": {"reference": visit.reference},
            "authoredOn": when.text,
            "requester": self.role(visit),
            "dosageInstruction": [instruction],
        }
        if reason:
            body["reasonCode"] = [{"text": reason}]
        return self.add("MedicationRequest", body, when)

    def administer(
        self,
        visit: Visit,
        when: When,
        drug: str,
        request: str = "",
        *,
        dose: float | None = None,
        status: str = "completed",
        why: str = "",
        until: When | None = None,
    ) -> str:
        """A given dose; ``not-done`` with ``why``; an infusion has ``until``, or runs (``in-progress``)."""
        one = DRUGS[drug]
        amount = _amount(one.dose if dose is None else dose, one.unit)
        dosage: Json = {"route": coded(SCT, *ROUTES[one.route])}
        dosage |= (
            {"dose": amount["doseQuantity"]} if "doseQuantity" in amount else {"rateQuantity": amount["rateQuantity"]}
        )
        body: Json = {"status": status}
        if why:
            body["statusReason"] = [{"text": why}]
        body |= {
            "medicationCodeableConcept": coded(ATC, one.atc, one.substance, one.product),
            "subject": self.subject,
            "context": {"reference": visit.reference},
        }
        if until is not None:
            body["effectivePeriod"] = {"start": when.text, "end": until.text}
        elif status == "in-progress":
            body["effectivePeriod"] = {"start": when.text}
        else:
            body["effectiveDateTime"] = when.text
        body["performer"] = [{"actor": self.role(visit, NURSE)}]
        if request:
            body["request"] = {"reference": request}
        body["dosage"] = dosage
        return self.add("MedicationAdministration", body, when)

    def note(
        self,
        visit: Visit,
        when: When,
        title: str,
        words: dict[str, str],
        *,
        profession: str = DOCTOR,
        signed: bool = True,
        turn: int = 0,
        hidden_online: bool = False,
    ) -> str:
        """A note with keywords; unsigned ones are ``preliminary``."""
        text = "\n\n".join(f"{keyword}\n{content}" for keyword, content in words.items())
        author = self.role(visit, profession, turn)
        body: Json = {
            "status": "current",
            "docStatus": "final" if signed else "preliminary",
            "type": coded(LOINC, NOTE_TYPES.get(title, "34109-9"), "", title),
            "category": [coded(LOINC, "11488-4", "", "Journalanteckning")],
            "subject": self.subject,
            "date": when.text,
            "author": [author],
        }
        if signed:
            body["authenticator"] = author
        body |= {
            "custodian": {"reference": UNITS[visit.unit].reference},
            "description": title,
            "content": [
                {
                    "attachment": {
                        "contentType": "text/plain; charset=utf-8",
                        "language": "sv",
                        "data": base64.b64encode(text.encode()).decode(),
                        "title": title,
                        "creation": when.text,
                    }
                }
            ],
            "context": {"encounter": [{"reference": visit.reference}]},
        }
        if hidden_online:
            body["securityLabel"] = [
                hl7(
                    "v3-ActCode",
                    "NOPAT",
                    "no disclosure to patient, family or caregivers without attending provider's authorization",
                )
            ]
        return self.add("DocumentReference", body, when)

    def procedure(self, visit: Visit, when: When, name: str, *, snomed: str = "", kva: str = "") -> str:
        """A done measure."""
        codings = [{"system": KVA, "code": kva}] if kva else []
        if snomed:
            codings.append({"system": SCT, "code": snomed})
        return self.add(
            "Procedure",
            {
                "status": "completed",
                "code": ({"coding": codings} if codings else {}) | {"text": name},
                "subject": self.subject,
                "encounter": {"reference": visit.reference},
                "performedDateTime": when.text,
                "performer": [{"actor": self.role(visit)}],
            },
            when,
        )

    def vaccination(self, visit: Visit, when: When, atc: str, name: str) -> str:
        """A given vaccine."""
        return self.add(
            "Immunization",
            {
                "status": "completed",
                "vaccineCode": coded(ATC, atc, "", name),
                "patient": self.subject,
                "encounter": {"reference": visit.reference},
                "occurrenceDateTime": when.text,
                "primarySource": True,
                "performer": [{"actor": self.role(visit, NURSE)}],
            },
            when,
        )

    def referral(
        self,
        visit: Visit,
        when: When,
        name: str,
        to: str,
        reason: str,
        *,
        status: str = "active",
        category: str = "Remiss",
        urgent: bool = False,
        loinc: str = "",
    ) -> str:
        """A referral or order; ``active`` waits for its answer."""
        return self.add(
            "ServiceRequest",
            {
                "status": status,
                "intent": "order",
                "category": [{"text": category}],
                "priority": "urgent" if urgent else "routine",
                "code": coded(LOINC, loinc, "", name) if loinc else {"text": name},
                "subject": self.subject,
                "encounter": {"reference": visit.reference},
                "authoredOn": when.text,
                "requester": self.role(visit),
                "performer": [{"reference": UNITS[to].reference, "display": UNITS[to].name}],
                "reasonCode": [{"text": reason}],
            },
            when,
        )

    def flag(self, visit: Visit, since: str, category: str, text: str, *, snomed: str = "") -> str:
        """An alert; ``since`` is a date slot; ``category``: safety, clinical, behavioral, admin …"""
        return self.add(
            "Flag",
            {
                "status": "active",
                "category": [hl7("flag-category", category, category.capitalize())],
                "code": coded(SCT, snomed, "", text) if snomed else {"text": text},
                "subject": self.subject,
                "period": {"start": since},
                "encounter": {"reference": visit.reference},
                "author": self.role(visit),
            },
        )

    def appointment(
        self,
        unit: str,
        day: int,
        clock: str,
        minutes: int,
        reason: str,
        *,
        profession: str = DOCTOR,
        turn: int = 0,
        status: str = "booked",
    ) -> str:
        """A booked visit."""
        hour, minute = (int(part) for part in clock.split(":"))
        end = hour * 60 + minute + minutes
        one = who(unit, profession, turn)
        return self.add(
            "Appointment",
            {
                "status": status,
                "serviceType": [{"text": UNITS[unit].name}],
                "reasonCode": [{"text": reason}],
                "start": at(day, clock).text,
                "end": at(day, f"{end // 60:02d}:{end % 60:02d}").text,
                "minutesDuration": minutes,
                "participant": [
                    {"actor": self.subject, "status": "accepted"},
                    {"actor": {"reference": one.role(unit), "display": one.name}, "status": "accepted"},
                    {
                        "actor": {"reference": f"Location/{unit}{BLOCK}", "display": UNITS[unit].name},
                        "status": "accepted",
                    },
                ],
            },
        )

    def task(
        self, visit: Visit, when: When, text: str, focus: str, *, profession: str = DOCTOR, code: str = "Vidimera svar"
    ) -> str:
        """Something that waits for a person: an answer to acknowledge, a note to sign."""
        return self.add(
            "Task",
            {
                "status": "requested",
                "intent": "order",
                "code": {"text": code},
                "description": text,
                "focus": {"reference": focus},
                "for": self.subject,
                "encounter": {"reference": visit.reference},
                "authoredOn": when.text,
                "owner": self.role(visit, profession),
            },
            when,
        )

    def consent(self, when: When, scope: str, kind: str, unit: str, text: str, *, permit: bool) -> str:
        """A consent to shared records, or a block (``permit`` false) of a unit or provider; ``kind`` is a text."""
        return self.add(
            "Consent",
            {
                "status": "active",
                "scope": hl7("consentscope", scope, "Privacy Consent"),
                "category": [coded(LOINC, "59284-0", "Consent Document", kind)],
                "patient": self.subject,
                "dateTime": when.text,
                "performer": [self.subject],
                "organization": [{"reference": UNITS[unit].reference, "display": UNITS[unit].name}],
                "policyRule": {"text": "PDL 2008:355" if "Spärr" in kind else "Lag 2022:913"},
                "provision": {
                    "type": "permit" if permit else "deny",
                    "actor": [
                        {
                            "role": hl7("v3-RoleClass", "PROV", "healthcare provider"),
                            "reference": {"reference": UNITS[unit].reference, "display": UNITS[unit].name},
                        }
                    ],
                    "purpose": [{"system": f"{_HL7}v3-ActReason", "code": "TREAT", "display": text}],
                },
            },
            when,
        )


def _first(one: Staff) -> str:
    return one.role(one.units[0])


def _shown_unit(ucum: str) -> str:
    return {
        "[iU]": "E",
        "ug": "mikrogram",
        "{tabl}": "tablett",
        "{dos}": "dos",
        "{st}": "st",
        "{appl}": "applikation",
        "[drp]": "droppe",
    }.get(ucum, ucum)


def _amount(value: float, ucum: str) -> Json:
    key = "rateQuantity" if "/" in ucum else "doseQuantity"
    return {key: {"value": value, "unit": _shown_unit(ucum), "system": UCUM, "code": ucum}}


# name → LOINC, display, unit, UCUM, decimals
VITALS: Final = {
    "Puls": ("8867-4", "Heart rate", "/min", "/min", 0),
    "Andningsfrekvens": ("9279-1", "Respiratory rate", "/min", "/min", 0),
    "Saturation": ("2708-6", "Oxygen saturation in Arterial blood", "%", "%", 0),
    "Kroppstemperatur": ("8310-5", "Body temperature", "°C", "Cel", 1),
    "Vikt": ("29463-7", "Body weight", "kg", "kg", 1),
    "Längd": ("8302-2", "Body height", "cm", "cm", 0),
    "BMI": ("39156-5", "Body mass index (BMI) [Ratio]", "kg/m2", "kg/m2", 1),
    "Syrgasflöde": ("3151-8", "Inhaled oxygen flow rate", "L/min", "L/min", 0),
    "Vätskeintag": ("9108-2", "Fluid intake total 24 hour", "mL", "mL", 0),
    "Vätskeutsöndring": ("9262-7", "Fluid output total 24 hour", "mL", "mL", 0),
    "Urinmängd": ("9192-6", "Urine output 24 hour", "mL", "mL", 0),
    "Huvudomfång": ("9843-4", "Head Occipital-frontal circumference", "cm", "cm", 1),
    "Tryck höger öga": ("79892-6", "Right eye Intraocular pressure", "mmHg", "mm[Hg]", 0),
    "Tryck vänster öga": ("79893-4", "Left eye Intraocular pressure", "mmHg", "mm[Hg]", 0),
}

NOTE_TYPES: Final = {
    "Inskrivning": "34117-2",
    "Epikris": "18842-5",
    "Daganteckning": "11506-3",
    "Mottagningsbesök": "34131-3",
    "Akutanteckning": "34878-9",
    "Omvårdnadsanteckning": "34746-8",
    "Omvårdnadsepikris": "34745-0",
    "Fysioterapianteckning": "28579-9",
    "Operationsberättelse": "11504-8",
    "Triage": "54094-8",
    "Telefonkontakt": "34748-4",
}
