"""What was written on paper while nothing else could be written on, and is entered afterwards (S13). Pure.

A **Task** with the code ``urn:x-vaka:task|enter-from-paper`` says that there is paper: of whom (``for``, where that is known),
at which unit (``owner``), by whom (``requester``), from when to when (``executionPeriod``), of what kind (``reasonCode``). It
stands on the unit's list until it is completed with what was entered (``output``), or with why nothing is (``statusReason``).
An **entry** from paper has the tag ``urn:x-vaka:entered|from-paper``. Its event time has no default: it says when it happened
(or was noted); it was recorded when it was entered, and who entered it need not be who did it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from vaka.errors import Issue
from vaka.fhir.times import CLINICAL, ENTERED, FROM_PAPER_TAG, event_time, is_from_paper

TASKS: Final = "urn:x-vaka:task"
FROM_PAPER: Final = "enter-from-paper"
TAG: Final = {"system": ENTERED, "code": FROM_PAPER_TAG}


def is_paper_task(resource: Mapping[str, Any]) -> bool:
    """Whether this says that something is left to enter."""
    code = resource.get("code")
    codings = code.get("coding") if isinstance(code, Mapping) else None
    return resource.get("resourceType") == "Task" and any(
        isinstance(one, Mapping) and (one.get("system"), one.get("code")) == (TASKS, FROM_PAPER)
        for one in (codings if isinstance(codings, list) else ())
    )


def issues(resource: Mapping[str, Any]) -> Iterator[Issue]:
    """What is missing in a Task of paper, or in an entry from it."""
    if is_paper_task(resource):
        yield from _task(resource)
    if is_from_paper(resource):
        type_ = str(resource.get("resourceType"))
        if type_ in CLINICAL and event_time(resource) is None:
            yield Issue(
                "error", "required", "what is entered from paper says when it happened: there is no default", type_
            )


def _task(resource: Mapping[str, Any]) -> Iterator[Issue]:
    period = resource.get("executionPeriod")
    for name in ("start", "end"):
        if not isinstance(period, Mapping) or not period.get(name):
            text = "say from when to when it was written on paper"
            yield Issue("error", "required", text, f"Task.executionPeriod.{name}")
    owner = resource.get("owner")
    if not isinstance(owner, Mapping) or not str(owner.get("reference", "")).startswith("Organization/"):
        yield Issue("error", "required", "say at which unit the paper is", "Task.owner")
    if not isinstance(resource.get("requester"), Mapping):
        yield Issue("error", "required", "say who wrote it", "Task.requester")
    if resource.get("status") == "completed" and not resource.get("output") and not resource.get("statusReason"):
        text = "say what was entered (output), or why nothing was (statusReason)"
        yield Issue("error", "required", text, "Task.output")
