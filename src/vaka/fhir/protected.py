"""Search parameters of Patient that could tell where somebody is whose identity is protected (A10, S24).

A caller who does not see these elements must not find by them either: they could be asked one value after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from vaka.fhir.criteria import Criterion, Unprotected

SECRET: Final = frozenset({
    "address", "address-city", "address-country", "address-postalcode", "address-state", "address-use", "email",
    "family", "general-practitioner", "given", "name", "organization", "phone", "phonetic", "telecom", "_text", "_content",
    "_source",
})  # fmt: skip
SHOWN_NAMES: Final = frozenset({"family", "given", "name", "phonetic"})
"""Those of them whose elements are shown all the same, in a patient that was found otherwise."""


def shielded(types: Sequence[str], code: str, criterion: Criterion) -> Criterion:
    """``criterion`` on the parameter ``code`` of ``types``; where it is secret, not for those whose identity is protected."""
    return Unprotected(criterion) if "Patient" in types and code in SECRET else criterion
