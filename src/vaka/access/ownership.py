"""Whose information a resource is: kind, and from what it inherits unit and provider.

The owner is set from the writer's assignment, else from the encounter's service provider, else from the loading
system; never from the body alone (traps: Owner). This module says only where to look.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vaka.fhir.definitions import compartment

DEFINITIONS = (
    "ActivityDefinition", "CapabilityStatement", "CodeSystem", "ConceptMap", "Library", "Measure", "Medication",
    "MedicationKnowledge", "ObservationDefinition", "OperationDefinition", "PlanDefinition", "Questionnaire",
    "SearchParameter", "SpecimenDefinition", "StructureDefinition", "StructureMap", "Substance", "ValueSet",
)  # fmt: skip
"""What is about no patient by its nature, and open to everybody as the directory is."""

PATIENTS_BY_NATURE = frozenset(compartment("Patient")) - {"Group", "Schedule"} | {
    "Binary", "Bundle", "GuidanceResponse", "Linkage", "MessageHeader", "Parameters",
}  # fmt: skip
"""What is somebody's though it may not say whose: without a known patient it is not taken to be about none (A8)."""

KINDS: Mapping[str, str] = {
    "AllergyIntolerance": "alert",
    "Flag": "alert",
    "Appointment": "contact",
    "Encounter": "contact",
    "CarePlan": "plan",
    "Goal": "plan",
    "Composition": "note",
    "DocumentReference": "note",
    "ClinicalImpression": "note",
    "Condition": "diagnosis",
    "Procedure": "diagnosis",
    "DiagnosticReport": "laboratory",
    "Specimen": "laboratory",
    "ImagingStudy": "imaging",
    "Media": "imaging",
    "ServiceRequest": "referral",
    "Immunization": "vaccination",
    "MedicationAdministration": "medication",
    "MedicationDispense": "medication",
    "MedicationRequest": "medication",
    "MedicationStatement": "medication",
    "Observation": "observation",
    "Patient": "person",
    "RelatedPerson": "person",
    "Person": "person",
    "Consent": "consent",
    "Organization": "directory",
    "Location": "directory",
    "Practitioner": "directory",
    "PractitionerRole": "directory",
    "HealthcareService": "directory",
    "EpisodeOfCare": "contact",
    **dict.fromkeys(DEFINITIONS, "definition"),
}
_CATEGORY_KINDS: Mapping[str, str] = {
    "laboratory": "laboratory",
    "LAB": "laboratory",
    "imaging": "imaging",
    "RAD": "imaging",
}


@dataclass(frozen=True, slots=True)
class Ownership:
    """``unit`` and ``provider`` are Organization ids, None where unknown. ``author``: who wrote; ``source``: by what system."""

    unit: str | None
    provider: str | None
    kind: str
    author: str | None
    source: str


def kind_of(resource: Mapping[str, Any]) -> str:
    """The kind of information, the unit of inner blocks (PDL 4:4)."""
    kind = KINDS.get(str(resource.get("resourceType")), "other")
    if kind in ("observation", "laboratory"):
        categories = resource.get("category")
        for concept in categories if isinstance(categories, list) else ():
            codings = concept.get("coding") if isinstance(concept, dict) else None
            for coding in codings if isinstance(codings, list) else ():
                if isinstance(coding, dict) and (found := _CATEGORY_KINDS.get(str(coding.get("code")))):
                    return found
    return kind


def inherits_from(resource: Mapping[str, Any]) -> tuple[str, str] | None:
    """(type, id) of the resource whose unit and provider this one has where a program writes it: its encounter, else the
    organisation or place that it names as responsible."""
    match resource.get("resourceType"):
        case "Organization":
            elements = [resource.get("partOf")]
        case "Encounter":
            elements = [resource.get("serviceProvider")]
        case "DocumentReference":
            context = resource.get("context")
            elements = [context.get("encounter") if isinstance(context, dict) else None, resource.get("custodian")]
        case "Location" | "EpisodeOfCare" | "CareTeam":
            elements = [resource.get("managingOrganization")]
        case "PractitionerRole" | "Consent":
            elements = [resource.get("organization")]
        case "Appointment":
            participants = resource.get("participant")
            actors = (
                [p.get("actor") for p in participants if isinstance(p, dict)] if isinstance(participants, list) else []
            )
            elements = [actor for kind in ("Location/", "PractitionerRole/") for actor in actors if _named(actor, kind)]
        case _:
            elements = [resource.get("encounter"), resource.get("context")]
    return next((found for element in elements if (found := _target(element)) is not None), None)


def _named(reference: Any, kind: str) -> bool:
    return isinstance(reference, dict) and str(reference.get("reference")).startswith(kind)


def _target(element: Any) -> tuple[str, str] | None:
    if isinstance(element, list):
        element = element[0] if element else None
    reference = element.get("reference") if isinstance(element, dict) else None
    if not isinstance(reference, str) or reference.count("/") != 1:
        return None
    type_, _, id_ = reference.partition("/")
    return (type_, id_) if type_ and id_ else None
