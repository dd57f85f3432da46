"""What a profession or a task allows, where the assignment's role in the record says no more than that. Pure.

A role (PractitionerRole.code) is known by the code of a licensed profession, by a task's code in ``TASKS``, or by the word that
stands for a profession without licence. Invariant: what is known by none of these gives no right at all.
Source: care-rules A1, A6, L3; HSLF-FS 2016:40 4 kap. 2 § (each gets what the work needs); licence codes of the National Board
of Health and Welfare (urn:oid:1.2.752.116.3.1.3).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from vaka.access.session import CLINICIAN, Purpose, Right

LICENCE: Final = "urn:oid:1.2.752.116.3.1.3"
TASK: Final = "urn:vaka:task"
PURPOSE: Final = "urn:vaka:purpose"
"""The extension of a PractitionerRole that says what the assignment is for (valueCode); care where there is none."""

_WRITES: Final = frozenset({Right.READ, Right.WRITE, Right.SIGN})
PHYSICIAN: Final = CLINICIAN | {Right.LIFT}
LICENSED: Final[Mapping[str, frozenset[Right]]] = {
    "LK": PHYSICIAN,
    "SJ": CLINICIAN,  # nurse
    "BM": CLINICIAN,  # midwife
    "RS": CLINICIAN,  # radiographer
    "SG": CLINICIAN,  # physiotherapist
    "AT": CLINICIAN,  # occupational therapist
    "DT": CLINICIAN,  # dietitian
    "LG": CLINICIAN,  # speech therapist
    "PS": CLINICIAN,  # psychologist
    "PT": CLINICIAN,  # psychotherapist
    "AP": CLINICIAN,  # pharmacist
    "RC": CLINICIAN,  # dispensing pharmacist
    "TL": CLINICIAN,  # dentist
    "TH": _WRITES,  # dental hygienist
    "BA": _WRITES,  # biomedical scientist
}
TASKS: Final[Mapping[str, frozenset[Right]]] = {
    "registrar": frozenset({Right.READ, Right.CONSENT, Right.PROTECTED}),
    "identity-office": frozenset({Right.READ, Right.IDENTITY, Right.PROTECTED}),
    "log-reviewer": frozenset({Right.LOG}),
    "redaction": frozenset({Right.READ, Right.REDACT}),
}
UNLICENSED: Final[Mapping[str, frozenset[Right]]] = {
    "undersköterska": _WRITES,
    "skötare": _WRITES,
    "kurator": CLINICIAN,
    "medicinsk sekreterare": frozenset({Right.READ, Right.WRITE}),
}


def _codings(concepts: Sequence[Any]) -> Iterable[tuple[str, str]]:
    for concept in concepts:
        for coding in concept.get("coding", ()) if isinstance(concept, dict) else ():
            yield str(coding.get("system", "")), str(coding.get("code", ""))


def rights_of(role: Mapping[str, Any]) -> frozenset[Right]:
    """All that the codes of a PractitionerRole allow together; empty where none is known."""
    concepts = role.get("code") or ()
    found: set[Right] = set()
    for system, code in _codings(concepts):
        found |= {LICENCE: LICENSED, TASK: TASKS}.get(system, {}).get(code, frozenset())
    for concept in concepts:
        found |= UNLICENSED.get(str(concept.get("text", "")).casefold(), frozenset())
    return frozenset(found)


def title_of(role: Mapping[str, Any]) -> str:
    """The profession as people read it."""
    for concept in role.get("code") or ():
        if text := concept.get("text"):
            return str(text)
        for coding in concept.get("coding", ()):
            if display := coding.get("display"):
                return str(display)
    return ""


def purpose_of(role: Mapping[str, Any]) -> Purpose | None:
    """What the assignment is for; None where it is for something that this system has no rule for."""
    for extension in role.get("extension") or ():
        if extension.get("url") == PURPOSE:
            code = extension.get("valueCode")
            return Purpose(code) if code in set(Purpose) else None
    return Purpose.CARE
