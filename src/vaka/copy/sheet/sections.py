"""The sections of a sheet, in the order of clinical.md (items 1 to 12; item 2, identity, is the head of the page).

``kinds``: the kinds of information (``access.ownership``) that a section is made of: where some of them is withheld, the section
says so. ``four_states``: listed, none known, not recorded, withheld (S3).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from vaka.access.ownership import KINDS
from vaka.copy.sheet import alerts, allergies, contacts, medication, more, notes, problems, results, vitals
from vaka.copy.sheet.elements import Line
from vaka.copy.sheet.entry import Gathered
from vaka.texts import N_


@dataclass(frozen=True, slots=True)
class Section:
    name: str
    item: int
    title: str
    kinds: frozenset[str]
    make: Callable[[Gathered], list[Line]]
    four_states: bool = False


SECTIONS: Final = (
    Section("place", 1, N_("Here now"), frozenset({"contact"}), contacts.place),
    Section("coming", 1, N_("Coming visits"), frozenset({"contact"}), contacts.coming),
    Section("allergies", 3, N_("Hypersensitivity"), frozenset({"alert"}), allergies.allergies, four_states=True),
    Section("alerts", 3, N_("Alerts"), frozenset({"alert"}), alerts.alerts, four_states=True),
    Section("medication", 4, N_("Current medication"), frozenset({"medication"}), medication.medication, four_states=True),
    Section("doses", 4, N_("Latest doses"), frozenset({"medication"}), medication.doses),
    Section("results", 5, N_("Latest results"), frozenset({"laboratory"}), results.results),
    Section("cultures", 5, N_("Cultures and answers in words"), frozenset({"laboratory"}), results.cultures),
    Section("orders", 5, N_("Answers to come"), frozenset({"referral"}), results.orders),
    Section("limits", 6, N_("Limits of treatment, isolation"), frozenset({"alert", "consent"}), alerts.limits),
    Section("vitals", 7, N_("Last measurements"), frozenset({"observation"}), vitals.vitals),
    Section("problems", 8, N_("Active problems"), frozenset({"diagnosis"}), problems.problems),
    Section("procedures", 8, N_("Procedures"), frozenset({"diagnosis"}), problems.procedures),
    Section("notes", 9, N_("Latest notes"), frozenset({"note"}), notes.notes),
    Section("plan", 9, N_("Plan"), frozenset({"plan", "other"}), notes.plan),
    Section("contacts", 10, N_("Contacts"), frozenset({"person"}), contacts.relatives),
    Section("reports", 11, N_("Imaging"), frozenset({"imaging", "laboratory"}), results.reports),
    Section("vaccinations", 12, N_("Vaccinations"), frozenset({"vaccination"}), more.vaccinations),
)  # fmt: skip
OPENED_ALONE: Final = frozenset({"alert"})
"""Kinds of other units' information that a ward snapshot has to be opened: hypersensitivity and alerts (decision 0024)."""
BY_NAME: Final[Mapping[str, Section]] = {section.name: section for section in SECTIONS}
CARD: Final = frozenset({"allergies", "alerts", "medication", "doses", "limits"})
"""What is left of a sheet when urgent care has to wait, below who it is (``api.admission.ladder``). A restriction of care is an
alert, also where it stands as a directive."""
CARD_KINDS: Final = frozenset(kind for name in CARD for kind in BY_NAME[name].kinds)

_OF_TYPE: Final[Mapping[str, str]] = {
    "Encounter": "place", "Appointment": "coming", "AllergyIntolerance": "allergies", "Flag": "alerts", "Consent": "limits",
    "MedicationRequest": "medication", "MedicationStatement": "medication", "MedicationAdministration": "doses",
    "Observation": "results", "DiagnosticReport": "cultures", "ServiceRequest": "orders", "Condition": "problems",
    "Procedure": "procedures", "CarePlan": "plan", "Goal": "plan", "Task": "plan", "NutritionOrder": "plan",
    "RelatedPerson": "contacts", "Immunization": "vaccinations",
}  # fmt: skip
SHOWN_TYPES: Final = frozenset(_OF_TYPE) | {"DocumentReference", "Composition", "ClinicalImpression"}
"""What a sheet is made of."""
SHOWN_KINDS: Final = frozenset(kind for section in SECTIONS for kind in section.kinds)
assert set(KINDS.values()) | {"other"} >= SHOWN_KINDS


def section_of(type_: str) -> str:
    """Where one of ``type_`` is missed that cannot be read."""
    return _OF_TYPE.get(type_, "notes")
