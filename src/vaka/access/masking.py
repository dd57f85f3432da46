"""What is shown of a patient whose identity is protected (A10, S24): who it is, not where. Pure.

Address, telephone, relatives, the own clinic and everything else that could tell the place (who gave a number,
which system sent it) are left out; what is left says so by the tag SUBSETTED
(https://hl7.org/fhir/R4/resource-definitions.html#Meta.tag).
"""

from __future__ import annotations

from typing import Any, Final

from vaka.fhir import exact

SHOWN: Final = frozenset({
    "resourceType", "id", "meta", "identifier", "active", "name", "gender", "birthDate", "_birthDate", "deceasedBoolean",
    "deceasedDateTime", "communication", "link",
})  # fmt: skip
_TAG: Final = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}


def masked(body: bytes) -> bytes:
    """The Patient in ``body`` without what is secret."""
    patient = exact.loads(body)
    kept: dict[str, Any] = {name: value for name, value in patient.items() if name in SHOWN}
    if isinstance(identifiers := kept.get("identifier"), list):
        kept["identifier"] = [{n: v for n, v in one.items() if n != "assigner"} for one in identifiers]
    meta = {name: value for name, value in (kept.get("meta") or {}).items() if name != "source"}
    meta["tag"] = [*(meta.get("tag") or ()), _TAG]
    kept["meta"] = meta
    return exact.dumps(kept)
