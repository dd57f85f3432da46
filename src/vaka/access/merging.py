"""Merging two patients and taking them apart again (S23): what may be merged, and what the two Patients say then. Pure.

- The surviving record gets the strictest of both: blocks and consents come with the entries that move; a protection that
  either had, both have.
- An old and a new protected identity are never linked: where one is protected and each has a number of its own, they could
  be the two.
- Nothing is rewritten: each Patient gets a new version whose ``link`` names the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from vaka.access.facts import PROTECTED_CODES, protected

NUMBERS: Final = frozenset(
    {"http://electronichealth.se/identifier/personnummer", "http://electronichealth.se/identifier/samordningsnummer"}
)
"""Numbers that a person has for life: two of them are two people, or one that was given a new identity."""
Resource = dict[str, Any]


def labels(patient: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Security labels of a protected identity (A10)."""
    found = (patient.get("meta") or {}).get("security") or ()
    return [one for one in found if one.get("code") in PROTECTED_CODES]


def numbers(patient: Mapping[str, Any]) -> frozenset[str]:
    """The lifelong numbers that a Patient carries."""
    return frozenset(
        str(one.get("value"))
        for one in patient.get("identifier") or ()
        if one.get("system") in NUMBERS and one.get("value")
    )


def may_not_be_linked(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether the two could be the old and the new identity of a protected person."""
    mine, theirs = numbers(one), numbers(other)
    return (protected(one) or protected(other)) and bool(mine) and bool(theirs) and mine != theirs


def linked(patient: Mapping[str, Any], other: str, kind: str) -> Resource:
    """A copy with ``link`` to the Patient ``other``: ``replaced-by``, ``replaces`` or ``seealso``."""
    link = {"other": {"reference": f"Patient/{other}"}, "type": kind}
    return {**patient, "link": [*_links(patient, other, kind), link]}


def _links(patient: Mapping[str, Any], other: str, kind: str) -> list[Any]:
    """The links without the one to ``other``."""
    return [
        one for one in patient.get("link") or ()
        if ((one.get("other") or {}).get("reference"), one.get("type")) != (f"Patient/{other}", kind)
    ]  # fmt: skip


def replaced(patient: Mapping[str, Any], by: str) -> Resource:
    """The Patient whose record goes on in ``by``."""
    return {**linked(patient, by, "replaced-by"), "active": False}


def surviving(patient: Mapping[str, Any], source: Mapping[str, Any]) -> Resource:
    """The Patient that goes on, with the strictest of both."""
    made = linked(patient, str(source["id"]), "replaces")
    missing = [label for label in labels(source) if label not in labels(patient)]
    if missing:
        meta = dict(made.get("meta") or {})
        made["meta"] = {**meta, "security": [*(meta.get("security") or ()), *missing]}
    return made


def restored(patient: Mapping[str, Any], survivor: str, before: Mapping[str, Any]) -> Resource:
    """The Patient that was replaced by ``survivor``, active again if it was; ``before``: its version before the merge."""
    made = _without(patient, survivor, "replaced-by")
    made.pop("active", None)
    return made | ({"active": before["active"]} if "active" in before else {})


def released(patient: Mapping[str, Any], source: Mapping[str, Any], before: Mapping[str, Any]) -> Resource:
    """The Patient that survived, without what the merge brought; ``before``: its version before the merge."""
    made = _without(patient, str(source["id"]), "replaces")
    brought = [label for label in labels(source) if label not in labels(before)]
    meta = dict(made.get("meta") or {})
    if brought and "security" in meta:
        meta["security"] = [one for one in meta["security"] if one not in brought]
        if not meta["security"]:
            del meta["security"]
        made["meta"] = meta
    return made


def _without(patient: Mapping[str, Any], other: str, kind: str) -> Resource:
    made = {**patient, "link": _links(patient, other, kind)}
    if not made["link"]:
        del made["link"]
    return made
