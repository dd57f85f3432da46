"""Where an entry says whose it is, who answers for it, and that it was entered in error. Pure.

Source: the resource pages of https://hl7.org/fhir/R4/resourcelist.html; con-5 and ait-2 (no clinical status on what was entered
in error).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from vaka.fhir.index_tokens import local_reference

ERROR: Final = "entered-in-error"
_VERIFICATION: Final[Mapping[str, str]] = {
    "AllergyIntolerance": "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification",
    "Condition": "http://terminology.hl7.org/CodeSystem/condition-ver-status",
}
_STATUS: Final[Mapping[str, str]] = {"Goal": "lifecycleStatus"}
_BY_STATUS: Final = frozenset(
    {"CarePlan", "ClinicalImpression", "Communication", "Composition", "DeviceUseStatement", "DiagnosticReport",
     "DocumentReference", "Encounter", "EpisodeOfCare", "Flag", "Goal", "ImagingStudy", "Immunization", "Media",
     "MedicationAdministration", "MedicationDispense", "MedicationRequest", "MedicationStatement", "NutritionOrder",
     "Observation", "Procedure", "QuestionnaireResponse", "ServiceRequest"}
)  # fmt: skip
"""Types whose required status has the code ``entered-in-error``."""
_IN_CONTEXT: Final = frozenset({"MedicationAdministration", "MedicationDispense", "MedicationStatement"})
ANNULLABLE: Final = _BY_STATUS | _VERIFICATION.keys()
_RESPONSIBLE: Final[Mapping[str, tuple[str, ...]]] = {
    "AllergyIntolerance": ("recorder", "asserter"),
    "CarePlan": ("author", "contributor"),
    "ClinicalImpression": ("assessor",),
    "Composition": ("author",),
    "Condition": ("recorder", "asserter"),
    "DocumentReference": ("authenticator", "author"),
    "Flag": ("author",),
    "Immunization": ("performer.actor",),
    "MedicationAdministration": ("performer.actor",),
    "MedicationRequest": ("requester", "recorder"),
    "MedicationStatement": ("informationSource",),
    "Procedure": ("recorder", "asserter", "performer.actor"),
    "QuestionnaireResponse": ("author",),
    "ServiceRequest": ("requester",),
}


def in_error(resource: Mapping[str, Any]) -> bool:
    """Whether the resource says that it was entered in error."""
    if resource.get(_STATUS.get(str(resource.get("resourceType")), "status")) == ERROR:
        return True
    return _coded(resource.get("verificationStatus"), ERROR)


def annulled(resource: Mapping[str, Any]) -> dict[str, Any]:
    """A copy that says that it was entered in error. ``resource`` is of one of ``ANNULLABLE``."""
    type_ = str(resource["resourceType"])
    made = dict(resource)
    if (system := _VERIFICATION.get(type_)) is not None:
        made.pop("clinicalStatus", None)
        made.pop("_clinicalStatus", None)
        made["verificationStatus"] = {"coding": [{"system": system, "code": ERROR}]}
    else:
        made[_STATUS.get(type_, "status")] = ERROR
        made.pop("_" + _STATUS.get(type_, "status"), None)
    return made


def moved(resource: Mapping[str, Any], patient: str, encounter: str | None) -> dict[str, Any]:
    """A copy on the Patient ``patient``: as a new resource, with no encounter but ``encounter``. References to what else belongs
    to the wrong patient are for its author to look at."""
    made = {name: value for name, value in resource.items() if name not in ("id", "encounter", "context")}
    if isinstance(meta := made.get("meta"), dict):
        kept = {name: value for name, value in meta.items() if name not in ("versionId", "lastUpdated")}
        made |= {"meta": kept} if kept else {}
        if not kept:
            del made["meta"]
    made["patient" if "patient" in resource else "subject"] = {"reference": f"Patient/{patient}"}
    if encounter is not None:
        reference = {"reference": f"Encounter/{encounter}"}
        type_ = resource.get("resourceType")
        if type_ == "DocumentReference":
            made["context"] = {"encounter": [reference]}
        else:
            made["context" if type_ in _IN_CONTEXT else "encounter"] = reference
    return made


def responsible(resource: Mapping[str, Any]) -> str | None:
    """The id of the Practitioner who answers for an entry, where it names one."""
    for path in _RESPONSIBLE.get(str(resource.get("resourceType")), ()):
        values: list[Any] = [resource]
        for name in path.split("."):
            held = [value.get(name) for value in values if isinstance(value, Mapping)]
            values = [one for value in held for one in (value if isinstance(value, list) else [value])]
        for value in values:
            if (found := reference_to(value, "Practitioner")) is not None:
                return found
    return None


def reference_to(value: Any, type_: str) -> str | None:
    """The id in a Reference to a local resource of ``type_``."""
    text = value.get("reference") if isinstance(value, Mapping) else None
    local = local_reference(text) if isinstance(text, str) else None
    return local[1] if local is not None and local[0] == type_ else None


def ordered_by(resource: Mapping[str, Any]) -> str | None:
    """The id of the ServiceRequest that a result answers."""
    based_on = resource.get("basedOn")
    for one in based_on if isinstance(based_on, list) else ():
        if (found := reference_to(one, "ServiceRequest")) is not None:
            return found
    return None


def _coded(concept: Any, code: str) -> bool:
    codings = concept.get("coding") if isinstance(concept, Mapping) else None
    return isinstance(codings, list) and any(isinstance(one, Mapping) and one.get("code") == code for one in codings)
