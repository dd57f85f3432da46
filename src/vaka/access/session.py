"""Who asks: a person in one assignment (A1). Pure.

A session carries all that a decision needs of the person, so that every copy of the region can decide alone.
Source: care-rules A1 (HSLF-FS 2016:40 4 kap.; claims of the national identity service).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Purpose(StrEnum):
    """What an assignment is for (commissionPurpose; PDL 2:4)."""

    CARE = "care"
    ADMINISTRATION = "administration"
    QUALITY = "quality"

    __hash__ = str.__hash__  # an Enum's own is far slower, and every request asks


class Right(StrEnum):
    """What an assignment allows beyond its purpose (commissionRight)."""

    READ = "read"
    WRITE = "write"
    SIGN = "sign"
    CONSENT = "consent"
    """Registers, lifts, revokes and annuls blocks and consents (A7)."""
    LIFT = "lift"
    """Lifts an inner block with an attested reason (A6)."""
    EMERGENCY = "emergency"
    """Opens in an emergency (A9)."""
    PROTECTED = "protected"
    """Sees addresses of people with protected identity whom the unit takes care of (A10)."""
    IDENTITY = "identity"
    """Merges, takes apart and links patients (S23)."""
    LOG = "log"
    """Reads and reviews the access log, makes extracts of it (L3, L4)."""
    REDACT = "redact"
    """Removes content that an authority has ordered destroyed (S26)."""

    __hash__ = str.__hash__


CLINICIAN = frozenset({Right.READ, Right.WRITE, Right.SIGN, Right.CONSENT, Right.EMERGENCY})


@dataclass(frozen=True, slots=True)
class Assignment:
    """``unit`` and ``provider`` are Organization ids; ``id`` the assignment's HSA-id or PractitionerRole id; ``title``: the
    profession as people read it."""

    id: str
    unit: str
    provider: str
    purpose: Purpose = Purpose.CARE
    rights: frozenset[Right] = CLINICIAN
    title: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """``id``: 32 hex digits, in every log record; ``person``: HSA-id; ``practitioner``: Practitioner id; ``way``: how the person
    logged in (``oidc``, ``passkey``, ``code``, ``demo``). Times are microseconds since 1970 UTC."""

    id: str
    person: str
    practitioner: str
    name: str
    assignment: Assignment
    began_us: int
    expires_us: int
    way: str

    def __hash__(self) -> int:
        return hash(self.id)  # by far the cheapest, and every request asks

    def may(self, right: Right) -> bool:
        return right in self.assignment.rights
