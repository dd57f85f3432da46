"""What is left to enter from paper, and what was entered from it (S13). fhir/paper.py."""

from __future__ import annotations

from typing import Any

import pytest

from vaka.fhir.paper import TAG, is_paper_task, issues

TASK: dict[str, Any] = {
    "resourceType": "Task", "status": "requested", "intent": "order", "owner": {"reference": "Organization/u1"},
    "code": {"coding": [{"system": "urn:x-vaka:task", "code": "enter-from-paper"}]}, "requester": {"reference": "Practitioner/n1"},
    "executionPeriod": {"start": "2026-11-29T08:00:00+01:00", "end": "2026-11-29T09:30:00+01:00"},
}  # fmt: skip


def paths(resource: dict[str, Any]) -> list[str | None]:
    return [one.path for one in issues(resource)]


@pytest.mark.parametrize(
    ("changed", "missing"),
    [
        ({}, []),
        ({"executionPeriod": {"start": "2026-11-29T08:00:00+01:00"}}, ["Task.executionPeriod.end"]),
        ({"executionPeriod": None}, ["Task.executionPeriod.start", "Task.executionPeriod.end"]),
        ({"owner": {"reference": "Practitioner/n1"}}, ["Task.owner"]),
        ({"requester": None}, ["Task.requester"]),
        ({"status": "completed"}, ["Task.output"]),
        ({"status": "completed", "output": [{"type": {"text": "note"}}]}, []),
        ({"status": "completed", "statusReason": {"text": "entered before"}}, []),
        ({"status": "cancelled"}, []),
        ({"code": {"text": "another task"}, "owner": None, "requester": None, "executionPeriod": None}, []),
    ],
)
def test_paper_says_where_by_whom_from_when_to_when_and_what_became_of_it(
    changed: dict[str, Any], missing: list[str]
) -> None:
    """Would break: a list of papers that nobody can find, or that are crossed out with nothing entered."""
    resource = {name: value for name, value in {**TASK, **changed}.items() if value is not None}
    assert paths(resource) == missing


def test_an_entry_from_paper_has_no_default_time() -> None:
    """Would break: a dose of the night would be entered as given in the morning."""
    dose = {"resourceType": "MedicationAdministration", "meta": {"tag": [TAG]}}
    assert paths(dose) == ["MedicationAdministration"]
    assert paths({**dose, "effectiveDateTime": "2026-11-29T02:10:00+01:00"}) == []
    assert paths({"resourceType": "MedicationAdministration"}) == []
    assert paths({"resourceType": "Patient", "meta": {"tag": [TAG]}}) == []


@pytest.mark.parametrize(
    "code", [None, 7, {}, {"coding": None}, {"coding": [7]}, {"coding": {"system": "urn:x-vaka:task"}}]
)
def test_odd_codes_are_no_paper(code: Any) -> None:
    """Would break: a hostile Task would be a fault."""
    assert not is_paper_task({"resourceType": "Task", "code": code})
