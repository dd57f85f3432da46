"""The Task for a person where a reserve entry may conflict with the record: both versions, nothing overwritten. Pure.

It is owned by the author's unit and stands in the patient's record; what was entered goes along whole, what stands is named
by its version, so that who may not see it does not see it here either. https://hl7.org/fhir/R4/task.html.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

CODES: Final = "urn:x-vaka:reserve-task"
ENTRY: Final = "urn:x-vaka:reserve-entry"
"""The identifier system of reserve entries, by which the Task of one is found."""


class Why(StrEnum):
    """Why a person has to look."""

    CHANGED = "changed-meanwhile"
    MERGED = "patient-merged-meanwhile"
    ORDER = "order-from-stop"
    DOSES = "doses-too-close"
    RESULT = "result-is-final-already"
    LOST = "lost-and-changed-since"
    MERGE = "merge-was-lost"


SENTENCES: Final[dict[Why, str]] = {
    Why.CHANGED: "What was written during the stop meets something that has changed since. Nothing was overwritten:"
    " compare both, and enter what is right.",
    Why.MERGED: "The patient's record was merged into another during the stop. Check that the entry is this patient's.",
    Why.ORDER: "This order was signed during the stop and was valid at its site only. It is on hold: say whether it has"
    " been carried out (completed), is still due (active) or is cancelled.",
    Why.DOSES: "Two doses of one drug were given closer than the order allows. Both are in the record."
    " Look at the patient now.",
    Why.LOST: "The journal was set back to an earlier time and had lost this version; what stands has been written since."
    " Nothing was overwritten: compare both, and enter what is right.",
    Why.MERGE: "The journal was set back to an earlier time and had lost that these two patients were merged, or taken apart."
    " Do it again if it is right.",
    Why.RESULT: "An earlier version of a result came after a later one (a preliminary after the final, say), which stands."
    " Nothing was replaced.",
}
_URGENT: Final = frozenset({Why.DOSES, Why.ORDER})


@dataclass(frozen=True, slots=True)
class Finding:
    """Something for a person. ``focus``: the version that stands, or the entry in the record (``Type/id[/_history/n]``);
    ``also``: further ones; ``patient``: id of the Patient; ``allergies``: those that an order met."""

    why: Why
    patient: str | None
    focus: str | None = None
    also: tuple[str, ...] = ()
    allergies: tuple[str, ...] = ()


def task(
    finding: Finding, *, entry: str, site: str, written: str, now: str, unit: str | None, body: bytes | None, what: str
) -> dict[str, Any]:
    """The Task. ``entry``: the reserve entry's id; ``written``, ``now``: instants; ``unit``: whose task it is; ``body``:
    what was entered, as sent, where it stands nowhere else; ``what``: its method and address."""
    made: dict[str, Any] = {
        "resourceType": "Task",
        "identifier": [{"system": ENTRY, "value": entry}],
        "status": "requested",
        "intent": "order",
        "priority": "urgent" if finding.why in _URGENT else "routine",
        "code": {"coding": [{"system": CODES, "code": finding.why.value}]},
        "description": f"{SENTENCES[finding.why]} Written at {site}, {written}.",
        "authoredOn": now,
    }
    if finding.focus is not None:
        made["focus"] = {"reference": finding.focus}
    if finding.patient is not None:
        made["for"] = {"reference": f"Patient/{finding.patient}"}
    if unit is not None:
        made["owner"] = {"reference": f"Organization/{unit}"}
    inputs: list[dict[str, Any]] = [
        {"type": {"text": "stands"}, "valueReference": {"reference": one}} for one in finding.also
    ]
    inputs += [{"type": {"text": "allergy"}, "valueReference": {"reference": one}} for one in finding.allergies]
    if body is not None:
        attachment = {
            "contentType": "application/fhir+json",
            "data": base64.b64encode(body).decode(),
            "title": what[:200],
        }
        inputs.append({"type": {"text": "entered"}, "valueAttachment": attachment})
    return made | ({"input": inputs} if inputs else {})


def asked_of(why: Why) -> str:
    """The code of such Tasks, as a search asks for it."""
    return f"{CODES}|{why.value}"


def met_in(task: Mapping[str, Any]) -> set[str]:
    """The allergies that a Task says its order met."""
    return {one["valueReference"]["reference"] for one in task.get("input", ()) if one["type"].get("text") == "allergy"}


def closed(task: Mapping[str, Any], status: str, *, site: str, now: str) -> dict[str, Any]:
    """The Task of an order that was ended (``status``) in the same stop at ``site``."""
    return {
        **task, "status": "completed", "lastModified": now,
        "statusReason": {"text": f"The order was ended ({status}) during the stop, at {site}."},
    }  # fmt: skip
