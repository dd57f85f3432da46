"""Records law: what owes what, and what may still change an entry. access/law.py."""

from __future__ import annotations

from typing import Any

import pytest

from vaka import config
from vaka.access.law import (
    ACKNOWLEDGING,
    LOCK_AFTER_US,
    SIGNED,
    STILL_OWED,
    Act,
    Opened,
    Owes,
    is_acknowledged,
    opened,
    why_not,
)
from vaka.access.marks import CODES
from vaka.fhir.definitions import RESOURCE_TYPES
from vaka.fhir.entries import ANNULLABLE

LABORATORY = [{"coding": [{"code": "laboratory"}]}]
DAY = 86_400_000_000


@pytest.mark.parametrize(
    ("resource", "owes"),
    [
        ({"resourceType": "Composition", "status": "final"}, Owes.SIGNATURE),
        ({"resourceType": "Composition", "status": "preliminary"}, Owes.SIGNATURE),
        ({"resourceType": "Composition", "status": "entered-in-error"}, None),
        ({"resourceType": "Condition", "verificationStatus": {"coding": [{"code": "entered-in-error"}]}}, None),
        ({"resourceType": "DiagnosticReport", "status": "final"}, Owes.RECEIPT),
        ({"resourceType": "DiagnosticReport", "status": "registered"}, None),
        ({"resourceType": "DiagnosticReport", "status": "entered-in-error"}, None),
        ({"resourceType": "Observation", "status": "final", "category": LABORATORY}, Owes.RECEIPT),
    ],
)
def test_what_a_new_version_owes(resource: dict[str, Any], owes: Owes | None) -> None:
    """Would break: an entry that nobody has answered for is not asked for, or one that is void is."""
    found = opened(resource, "doctor")
    assert found is not None
    assert found.owes is owes


@pytest.mark.parametrize("type_", ["Patient", "Organization", "Encounter", "Provenance", "Observation", "Specimen"])
def test_what_is_no_entry_owes_nothing(type_: str) -> None:
    """Would break: the list of the unsigned fills with what is never signed."""
    assert opened({"resourceType": type_, "status": "final"}, "doctor") is None


def test_who_answers_for_an_entry() -> None:
    """Would break: who wrote it down is asked to sign what another person answers for (PDL 3:10)."""
    order = {"resourceType": "MedicationRequest", "requester": {"reference": "Practitioner/anna"}}
    assert opened(order, "secretary") == Opened(Owes.SIGNATURE, "anna")
    assert opened({"resourceType": "MedicationRequest", "requester": {"display": "x"}}, "writer") == Opened(
        Owes.SIGNATURE, "writer"
    )
    dose = {"resourceType": "MedicationAdministration", "performer": [{"actor": {"reference": "Practitioner/nurse"}}]}
    assert opened(dose, None) == Opened(Owes.SIGNATURE, "nurse")
    odd: dict[str, Any] = {
        "resourceType": "Composition",
        "author": [7, {"reference": "Device/x"}, {"reference": 7}, None],
    }
    assert opened(odd, None) == Opened(Owes.SIGNATURE, None)
    result = {
        "resourceType": "DiagnosticReport",
        "basedOn": [{"reference": "CarePlan/1"}, {"reference": "ServiceRequest/2"}],
    }
    assert opened(result, None) == Opened(Owes.RECEIPT, None, "2")


def test_an_entry_is_signed_or_acknowledged_never_both() -> None:
    """Would break: a laboratory cannot correct its result, since somebody signed it."""
    for type_ in RESOURCE_TYPES:
        resource = {"resourceType": type_, "category": LABORATORY}
        found = opened(resource, None)
        assert not (is_acknowledged(resource) and found is not None and found.owes is Owes.SIGNATURE)


S, NOW = 1_000 * DAY, 1_000 * DAY + 3 * DAY
LATE = S + LOCK_AFTER_US


@pytest.mark.parametrize(
    ("act", "signed", "locked", "now", "why"),
    [
        (None, None, None, NOW, None),
        (None, S, None, NOW, "signed"),
        (Act.CORRECT, S, None, NOW, None),
        (Act.CORRECT, S, None, LATE - 1, None),
        (Act.CORRECT, S, None, LATE, "locked"),
        (None, S, None, LATE, "locked"),
        (Act.CORRECT, S, S + 1, NOW, "locked"),
        (None, None, S, NOW, "locked"),
        (Act.LINK, S, None, NOW, "signed"),
        *[(act, S, S, LATE, None) for act in (Act.ANNUL, Act.MISFILED, Act.REDACT, Act.MERGE, Act.UNMERGE)],
    ],
)
def test_what_may_change_an_entry(
    act: Act | None, signed: int | None, locked: int | None, now: int, why: str | None
) -> None:
    """Would break: a signed entry changes plainly, or a locked one by correction."""
    assert why_not(act, signed, locked, now) == why


def test_tables_are_whole() -> None:
    """Would break: an act without a code, a step that settles nothing, a signed type that can never be annulled."""
    assert set(CODES) == set(Act)
    assert len(set(CODES.values())) == len(Act)
    assert [STILL_OWED[act] for act in ACKNOWLEDGING.values()] == [Owes.READING, Owes.ACTION, None]
    assert config.LOCK_AFTER_SIGNING_DAYS > 0
    assert SIGNED.keys() <= ANNULLABLE
