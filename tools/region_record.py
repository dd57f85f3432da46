"""One person's record in the making: what is written, ordered, given, booked and decided."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Final

from region_base import Visit
from region_drugs import DRUGS, ROUTES
from region_measures import Measures
from region_places import BLOCK, DOCTOR, NURSE, UNITS, who
from region_slots import ATC, DAY_ZERO, HL7, ICD, KVA, LOINC, SCT, UCUM, Json, When, ago, at, at_time, coded, hl7, on

__all__ = ["DAY_ZERO", "Json", "Record", "Visit", "When", "ago", "at", "at_time", "on"]

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


@dataclass(slots=True)
class Record(Measures):
    """One person's record."""

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
                    "purpose": [{"system": f"{HL7}v3-ActReason", "code": "TREAT", "display": text}],
                },
            },
            when,
        )
