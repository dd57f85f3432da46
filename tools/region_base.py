"""One person's record in the making: the person, the contacts, and who is responsible.

Every resource that is made here has what an owner is derived from (an encounter, or a performer at a unit), Swedish
text, and a time relative to today.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from random import Random
from typing import Final

from region_places import BLOCK, DOCTOR, NURSE, UNITS, Staff, ward_bed, who
from region_slots import HL7, ICD, PERSONNUMMER, RESERVE, Json, When, coded, hl7

_SECURITY: Final = "http://hl7.se/fhir/ig/base/CodeSystem/SecurityLabel"
_CLASSES: Final = {
    "AMB": "ambulatory",
    "IMP": "inpatient encounter",
    "EMER": "emergency",
    "HH": "home health",
    "VR": "virtual",
}


@dataclass(slots=True)
class Visit:
    """An encounter that other resources belong to."""

    reference: str
    unit: str
    doctor: Staff
    nurse: Staff


@dataclass(slots=True)
class Base:
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
        identifiers: list[Json] = []
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
            label: Json = {"system": _SECURITY, "code": "sekretessmarkering", "display": "Sekretessmarkering"}
            body["meta"] = {"security": [label]}
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
            "class": {"system": f"{HL7}v3-ActCode", "code": class_, "display": _CLASSES[class_]},
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


def _first(one: Staff) -> str:
    return one.role(one.units[0])
