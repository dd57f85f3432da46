"""Records law: which entries are signed, which results are acknowledged, and what may still change an entry. Pure.

Sources: PDL 3 kap. 10 § (who answers for an entry signs it), 14 § (nothing is made unreadable; a correction says when and by
whom), 8 kap. 4 § (destruction by decision); HSLF-FS 2016:40; care-rules J1–J3; safety S17.
Exact wording is to be checked at the source before anyone relies on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from vaka import config
from vaka.access.ownership import kind_of
from vaka.fhir.entries import in_error, ordered_by, responsible

SIGNED: Final[Mapping[str, str]] = {
    "AllergyIntolerance": "a warning: who recorded it answers for it",
    "CarePlan": "a plan: its author",
    "ClinicalImpression": "an assessment: its assessor",
    "Composition": "a note: its author",
    "Condition": "a diagnosis: its recorder",
    "DocumentReference": "a document: its author",
    "Flag": "a warning: its author",
    "Immunization": "a given vaccine: who gave it",
    "MedicationAdministration": "a given dose: who gave it",
    "MedicationRequest": "an order of a drug: its requester",
    "Procedure": "something done: its recorder or performer",
    "ServiceRequest": "a referral or an order: its requester",
}
"""Types whose entries are signed by who answers for them (PDL 3:10), and why. Results are acknowledged instead (J2); measured
values are not signed one by one; contacts and the directory are no entries."""

LOCK_AFTER_US: Final = config.LOCK_AFTER_SIGNING_DAYS * 86_400 * 1_000_000
_NOT_YET: Final = frozenset({"registered", "cancelled"})


class Owes(IntEnum):
    """What somebody has still to do with the current version of an entry."""

    SIGNATURE = 1
    RECEIPT = 10
    """A result that nobody has received."""
    READING = 11
    """Received, not read."""
    ACTION = 12
    """Read, not acted on."""


class Act(IntEnum):
    """What a person did to a version, kept as a Provenance (``access.marks``). Numbers are stored."""

    SIGN = 1
    COUNTERSIGN = 2
    CORRECT = 3
    LOCK = 4
    RECEIVED = 5
    READ = 6
    ACTED = 7
    VISIBILITY = 8
    ANNUL = 9
    MISFILED = 10
    PROPOSE = 11
    MERGE = 12
    UNMERGE = 13
    LINK = 14
    REDACT = 15
    REFILED = 16
    """Entered on the right patient, from the wrong one's record."""
    RESERVED = 17
    """Written on a copy during a stop, and handed over."""
    GIVEN_BACK = 18
    """Lost by the journal, and given back by a copy."""
    SAME = 19
    """A result of a laboratory that came again: it names the other (S16)."""


ACKNOWLEDGING: Final[Mapping[str, Act]] = {"received": Act.RECEIVED, "read": Act.READ, "acted-on": Act.ACTED}
STILL_OWED: Final[Mapping[Act, Owes | None]] = {
    Act.SIGN: None,
    Act.COUNTERSIGN: None,
    Act.RECEIVED: Owes.READING,
    Act.READ: Owes.ACTION,
    Act.ACTED: None,
}
"""What is left after an act on the current version: the steps of acknowledging are kept apart (J2)."""

_ALWAYS: Final = frozenset({Act.ANNUL, Act.MISFILED, Act.REDACT, Act.MERGE, Act.UNMERGE, Act.GIVEN_BACK})
"""What may change a locked entry: annulment and redaction; a merge changes whose record it stands in, not the entry; what the
journal lost was lawful when it was written."""
NEEDS_PERMISSION: Final = frozenset({Act.CORRECT, Act.ANNUL, Act.MISFILED, Act.REFILED})
"""Acts that change or enter an entry: who does them must be allowed to write it besides (``access.writing``)."""
KEEPS_SIGNATURES: Final = frozenset({Act.MERGE, Act.UNMERGE})


@dataclass(frozen=True, slots=True)
class Opened:
    """What a new version asks for. ``person``: the Practitioner id who answers for it; ``ordered``: id of the ServiceRequest
    whose requester and unit a result belongs to."""

    owes: Owes | None
    person: str | None
    ordered: str | None = None


def is_signed(type_: str) -> bool:
    """Whether entries of this type are signed."""
    return type_ in SIGNED


def is_acknowledged(resource: Mapping[str, Any]) -> bool:
    """Whether this is a result: a report, or an observation of a laboratory."""
    type_ = resource.get("resourceType")
    return type_ == "DiagnosticReport" or (type_ == "Observation" and kind_of(resource) == "laboratory")


def opened(resource: Mapping[str, Any], writer: str | None) -> Opened | None:
    """What a new version of ``resource`` owes; None for what is neither signed nor acknowledged. ``writer``: the
    Practitioner id of the person who writes, None for a program."""
    if is_signed(str(resource.get("resourceType"))):
        return Opened(None if in_error(resource) else Owes.SIGNATURE, responsible(resource) or writer)
    if is_acknowledged(resource):
        waits = not in_error(resource) and resource.get("status") not in _NOT_YET
        return Opened(Owes.RECEIPT if waits else None, None, ordered_by(resource))
    return None


def is_locked(signed_us: int | None, locked_us: int | None, now_us: int) -> bool:
    """Whether only annulment and redaction change the entry: locked by a person, or a while after it was signed."""
    return locked_us is not None or (signed_us is not None and now_us >= signed_us + LOCK_AFTER_US)


def why_not(act: Act | None, signed_us: int | None, locked_us: int | None, now_us: int) -> str | None:
    """Why a change by ``act`` (None: a plain one) is not possible: ``locked``, ``signed``; None where it is."""
    if act in _ALWAYS:
        return None
    if is_locked(signed_us, locked_us, now_us):
        return "locked"
    return "signed" if signed_us is not None and act != Act.CORRECT else None
