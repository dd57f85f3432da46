"""What a copy takes into its reserve (S13), and what it leaves to the journal. Pure.

Taken: whatever records care, from a person or an integration: notes, observations, results, given doses and doses not
given, orders, allergies
and alerts, treatment limitations, arrivals and moves, new patients, the drug that one of these names; changing, signing,
correcting, annulling, acknowledging them;
transactions. Not taken: what only the journal can decide (deleting, merging, access to other's information,
identities of staff and
units, batches), since a wrong guess could not be taken back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from vaka.access.ownership import DEFINITIONS, KINDS
from vaka.errors import OnlyJournal
from vaka.fhir.definitions import compartment

ACTS: Final = frozenset({"$sign", "$countersign", "$correct", "$acknowledge", "$annul"})
_DIRECTORY: Final = frozenset(type_ for type_, kind in KINDS.items() if kind == "directory")
_NOT: Final = frozenset({"AuditEvent", "Provenance", "Consent", "Bundle", "Binary", *_DIRECTORY, *DEFINITIONS})
_NAMED: Final = frozenset({"Medication", "Substance"})
"""Definitions that a system makes as it goes: what was given or ordered names them, often in the same transaction."""
TYPES: Final = ((frozenset(compartment("Patient")) | {"Patient", "Task", "Device"}) - _NOT) | _NAMED
ORDERS: Final = frozenset({"MedicationRequest", "ServiceRequest", "NutritionOrder", "DeviceRequest"})
"""Orders signed in reserve are valid at their site only (S12)."""
HELP: Final = "it is not lost: send it again, with the same Idempotency-Key, when the journal can be reached"


def is_order(resource: Mapping[str, Any]) -> bool:
    """Whether this is an order that holds: written in reserve, at its site only."""
    return resource.get("resourceType") in ORDERS and resource.get("status") == "active"


def require_taken(method: str, path: Sequence[str], query: Sequence[tuple[str, str]]) -> None:
    """OnlyJournal unless the reserve takes a request of this form."""
    match (method, *path):
        case ("POST",) | ("POST", ""):
            return
        case ("POST", type_) if type_ in TYPES:
            return
        case ("PUT" | "PATCH", type_, _) if type_ in TYPES:
            return
        case ("PUT" | "PATCH", type_) if type_ in TYPES and query:
            raise OnlyJournal("which resource a condition means, only the journal can decide", help=HELP)
        case ("POST", type_, _, act) if type_ in TYPES and act in ACTS:
            return
        case ("DELETE", *_):
            raise OnlyJournal(
                "nothing is deleted while the journal is away", help="annul the entry instead, with $annul"
            )
    raise OnlyJournal("this cannot be written while the journal is away", help=HELP)


def require_type(type_: str, at: str | None = None) -> None:
    """OnlyJournal unless resources of this type are taken. ``at``: the bundle entry."""
    if type_ not in TYPES:
        raise OnlyJournal(f"{at + ': ' if at else ''}{type_} cannot be written while the journal is away", help=HELP)
