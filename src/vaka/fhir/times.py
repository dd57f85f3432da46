"""The three times of every entry (S6, J4): when it happened, when it was recorded, when the journal received it. Pure.

- **Happened** is what the resource's own element of its type says, as written: an instant with its zone, or a date that
  stays a date.
- **Recorded** is the author's own claim where the type has an element for it, else, and of what was entered from paper, the
  first save.
- **Received** is when the journal took this version (``meta.lastUpdated``).

Shown in Europe/Stockholm; the hour that comes twice in October, and a time without zone within it, say so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from vaka.fhir.dates import ZONE

_HAPPENED: Final[Mapping[str, tuple[str, ...]]] = {
    "AllergyIntolerance": ("onsetDateTime", "onsetPeriod.start", "lastOccurrence"),
    "Appointment": ("start",),
    "CarePlan": ("period.start",),
    "ClinicalImpression": ("effectiveDateTime", "effectivePeriod.start"),
    "Communication": ("sent", "received"),
    "Composition": ("event.period.start", "date"),
    "Condition": ("onsetDateTime", "onsetPeriod.start"),
    "Consent": ("dateTime",),
    "DeviceUseStatement": ("timingDateTime", "timingPeriod.start"),
    "DiagnosticReport": ("effectiveDateTime", "effectivePeriod.start"),
    "DocumentReference": ("context.period.start", "date"),
    "Encounter": ("period.start",),
    "EpisodeOfCare": ("period.start",),
    "FamilyMemberHistory": ("date",),
    "Flag": ("period.start",),
    "Goal": ("startDate",),
    "ImagingStudy": ("started",),
    "Immunization": ("occurrenceDateTime",),
    "Media": ("createdDateTime", "createdPeriod.start"),
    "MedicationAdministration": ("effectiveDateTime", "effectivePeriod.start"),
    "MedicationDispense": ("whenHandedOver", "whenPrepared"),
    "MedicationRequest": ("authoredOn",),
    "MedicationStatement": ("effectiveDateTime", "effectivePeriod.start"),
    "NutritionOrder": ("dateTime",),
    "Observation": ("effectiveDateTime", "effectivePeriod.start", "effectiveInstant"),
    "Procedure": ("performedDateTime", "performedPeriod.start"),
    "Provenance": ("occurredDateTime", "occurredPeriod.start", "recorded"),
    "QuestionnaireResponse": ("authored",),
    "RiskAssessment": ("occurrenceDateTime", "occurrencePeriod.start"),
    "ServiceRequest": ("occurrenceDateTime", "occurrencePeriod.start", "authoredOn"),
    "Specimen": ("collection.collectedDateTime", "collection.collectedPeriod.start", "receivedTime"),
}
_RECORDED: Final[Mapping[str, tuple[str, ...]]] = {
    "AllergyIntolerance": ("recordedDate",),
    "CarePlan": ("created",),
    "ClinicalImpression": ("date",),
    "Composition": ("date",),
    "Condition": ("recordedDate",),
    "DeviceUseStatement": ("recordedOn",),
    "DiagnosticReport": ("issued",),
    "DocumentReference": ("date",),
    "Immunization": ("recorded",),
    "Media": ("issued",),
    "MedicationRequest": ("authoredOn",),
    "MedicationStatement": ("dateAsserted",),
    "NutritionOrder": ("dateTime",),
    "Observation": ("issued",),
    "Provenance": ("recorded",),
    "QuestionnaireResponse": ("authored",),
    "ServiceRequest": ("authoredOn",),
}
CLINICAL: Final = frozenset(_HAPPENED)
"""The types that have times."""
ENTERED: Final = "urn:x-vaka:entered"
FROM_PAPER_TAG: Final = "from-paper"
"""The tag of what was written on paper during a stop and entered afterwards (``fhir.paper``)."""
_DATE: Final = re.compile(r"\d{4}(-\d\d(-\d\d)?)?\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Times:
    """As written, in FHIR's form. ``happened``: None where the entry does not say; ``claimed``: whether ``recorded`` is the
    author's claim, not the first save."""

    happened: str | None
    recorded: str
    received: str
    claimed: bool


def times_of(resource: Mapping[str, Any], *, first_saved: str, received: str) -> Times:
    """The times of one version. ``first_saved``, ``received``: instants of its first version and of this one."""
    type_ = str(resource.get("resourceType"))
    happened, recorded = (_first(resource, paths.get(type_, ())) for paths in (_HAPPENED, _RECORDED))
    if is_from_paper(resource):
        return Times(happened or recorded, first_saved, received, False)
    return Times(happened, recorded or first_saved, received, recorded is not None)


def event_time(resource: Mapping[str, Any]) -> str | None:
    """When it happened, or else was noted, as written; None where it does not say."""
    return times_of(resource, first_saved="", received="").happened


def is_from_paper(resource: Mapping[str, Any]) -> bool:
    """Whether this was entered from paper: its own time of recording is that of the paper; it was recorded when it was saved."""
    meta = resource.get("meta")
    tags = meta.get("tag") if isinstance(meta, Mapping) else None
    return any(
        isinstance(one, Mapping) and (one.get("system"), one.get("code")) == (ENTERED, FROM_PAPER_TAG)
        for one in (tags if isinstance(tags, list) else ())
    )


def _first(resource: Mapping[str, Any], paths: tuple[str, ...]) -> str | None:
    for path in paths:
        value: Any = resource
        for name in path.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
            value = value[0] if isinstance(value, list) and value else value
        if isinstance(value, str):
            return value
    return None


def in_words(text: str) -> str:
    """A date, dateTime or instant as people in Sweden read it: ``2026-10-25 02:30 (+01:00)`` in the hour that comes twice, a
    date as it is."""
    if _DATE.match(text):
        return text
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    given = moment.tzinfo is not None
    local = moment.astimezone(ZONE) if given else moment.replace(tzinfo=ZONE)
    shown = f"{local:%Y-%m-%d %H:%M}"
    if not _comes_twice(local):
        return shown
    if not given:
        return f"{shown} (summer or winter time not told)"
    offset = local.strftime("%z")
    return f"{shown} ({offset[:3]}:{offset[3:]})"


def _comes_twice(local: datetime) -> bool:
    """Whether the clock shows this time twice; in spring the two offsets differ too, but the time is one that never was."""
    first, second = local.replace(fold=0), local.replace(fold=1)
    return first.utcoffset() != second.utcoffset() and (
        first.astimezone(UTC).astimezone(ZONE).replace(tzinfo=None) == local.replace(tzinfo=None)
    )
