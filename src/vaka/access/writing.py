"""What a person may write (A1, A2, J1). Pure; the facts are looked up by ``journal.permission``.

Reading decides first: what a person may not see looks as if it did not exist, and cannot be written. Beyond that: an entry
belongs to the unit that made it, and another unit does not change it (PDL 3:14); a new entry about a patient needs a care
relation, or an emergency opening, except what begins one; who cannot see a protected identity whole cannot replace it; ids are
the server's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from vaka.access.session import Purpose, Right, Session

BEGINS_RELATION: Final = frozenset({"Encounter", "Appointment", "EpisodeOfCare", "ServiceRequest"})
_DIRECTORY: Final = frozenset(
    {"Organization", "Location", "Practitioner", "PractitionerRole", "HealthcareService", "Endpoint"}
)
_KEPT_BY_VAKA: Final = frozenset({"AuditEvent", "Provenance"})


@dataclass(frozen=True, slots=True)
class Change:
    """One write. ``creates``: nothing stands under the id. ``kind``: of information. ``attended``: the own unit takes part in the
    patient's care, or an emergency opening is in force; ``protected``: a Patient whose identity is; ``unit``: the standing
    owner's unit; ``moves``: it would belong to another patient than before."""

    type: str
    kind: str
    creates: bool
    about_patient: bool
    attended: bool = False
    protected: bool = False
    unit: str | None = None
    moves: bool = False


def guardian_blocks(consent: Mapping[str, Any]) -> bool:
    """Whether a block is asked for by somebody else than the patient (PDL 4:4: guardians cannot block a child's record)."""
    performers = [str(one.get("reference", "")) for one in consent.get("performer") or ()]
    denies = (consent.get("provision") or {}).get("type") == "deny"
    return denies and any(not performer.startswith("Patient/") for performer in performers)


def refusal(session: Session, change: Change) -> tuple[str, str] | None:
    """(rule, sentence) why ``session`` may not do this; None if it may."""
    assignment = session.assignment
    if not session.may(Right.WRITE):
        return "A1", "this assignment does not include writing"
    if change.type in _KEPT_BY_VAKA:
        return "L3", f"{change.type} is written by operations alone"
    if change.type in _DIRECTORY:
        return "A1", f"{change.type} belongs to the directory, which the region's own systems keep"
    if change.type == "Consent" and not session.may(Right.CONSENT):
        return "A7", "this assignment does not include blocks and consents"
    if assignment.purpose is Purpose.QUALITY or (
        assignment.purpose is Purpose.ADMINISTRATION and change.kind not in ("contact", "person")
    ):
        return "A1", "the purpose of this assignment does not include this entry"
    if change.type == "Patient":
        if not change.creates and change.protected and not (session.may(Right.PROTECTED) and change.attended):
            return "A10", "a protected identity is changed by those alone who see it whole"
        return None
    if not change.about_patient:
        return "A1", "an entry without a patient is not written by people"
    if change.moves:
        return "S5", "an entry does not move to another patient"
    if not change.creates and change.unit != assignment.unit:
        return "PDL 3:14", "another unit made this entry; it alone changes it"
    if not change.attended and not (change.creates and change.type in BEGINS_RELATION):
        return "A2", "the patient has no care relation to the unit now"
    return None
