"""What is measured: vital signs, scores, laboratory results and reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from region_base import Base, Visit
from region_lab import ANALYSES
from region_places import NURSE, UNITS
from region_slots import LOINC, NPU, Json, When, coded, hl7, quantity

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


@dataclass(slots=True)
class Measures(Base):
    """A record with its measurements."""

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
        )
