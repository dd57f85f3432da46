"""What belongs to one patient (or another compartment's resource), as a criterion.

Source: https://hl7.org/fhir/R4/compartmentdefinition.html and
https://hl7.org/fhir/R4/patient-operation-everything.html.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

from vaka import errors
from vaka.fhir import definitions
from vaka.fhir.criteria import Criterion, Dates, Ids, LastUpdated, Not, Tokens
from vaka.fhir.index import DATE_MAX_US, DATE_MIN_US
from vaka.fhir.keys import key, resource_key
from vaka.fhir.stored import all_of, any_of, numbers
from vaka.fhir.tokens import ID, local_keys
from vaka.fhir.values import Same, itself

_NOT_OF_CARE: Final = frozenset({"_lastUpdated", "birthdate", "death-date", "value-date"})
"""Date parameters that do not tell when care was given."""


_CARRIERS: Final = frozenset({"Binary", "Bundle", "Linkage", "MessageHeader", "OperationOutcome", "Parameters"})
"""Types that can hold a patient's information, and name no patient."""


@cache
def of_nobody() -> frozenset[str]:
    """The types that are never about a patient: staff, units, medications, terminology."""
    return frozenset(
        type_
        for type_ in definitions.RESOURCE_TYPES
        if type_ not in _CARRIERS
        and type_ not in members("Patient")
        and not any("Patient" in one.targets for one in definitions.parameters(type_).values())
    )


def patient_keys(id_: str) -> list[int]:
    """The keys of every reference to the Patient ``id_`` that a search parameter names."""
    parameters = [one for type_ in definitions.RESOURCE_TYPES for one in definitions.parameters(type_).values()]
    return list(dict.fromkeys(local_keys([one for one in parameters if one.kind == "reference"], ("Patient",), id_)))


def members(name: str) -> tuple[str, ...]:
    """The types that can belong to a compartment, the compartment's own type among them. Raises ``errors.NotFound``."""
    if name not in definitions.COMPARTMENTS:
        raise errors.NotFound(f"there is no compartment {name[:40]}")
    return tuple(t for t in definitions.RESOURCE_TYPES if t == name or t in definitions.compartment(name))


def compartment(name: str, id_: str, types: Sequence[str], same: Same = itself) -> Criterion:
    """Resources of ``types`` in the compartment ``name``/``id_``; ``same``: under which ids a Patient's record is kept.
    Raises ``errors.Invalid``, ``errors.NotFound``."""
    belonging = members(name)
    if not ID.fullmatch(id_):
        raise errors.Invalid("the compartment's id is not an id")
    held = definitions.compartment(name)
    parameters = [definitions.parameter(t, code) for t in types for code in held.get(t, ())]
    keys = dict.fromkeys(k for p in parameters if p is not None for k in local_keys([p], (name,), id_, same))
    parts: list[Criterion] = [Tokens(tuple(keys))] if keys else []
    if name in types:
        parts.append(Ids((resource_key(name, id_),)))
    if not any(type_ in belonging for type_ in types):
        raise errors.Invalid(f"{' or '.join(types[:3])} is not part of the {name} compartment")
    return any_of(parts)


def everything(
    patient_id: str,
    *,
    types: Sequence[str] = (),
    since_us: int | None = None,
    start_us: int | None = None,
    end_us: int | None = None,
    same: Same = itself,
) -> Criterion:
    """``Patient/[id]/$everything``: the patient and all that belongs to it, of ``types`` (none: all of ``members``), changed
    at ``since_us`` or later, with care between ``start_us`` and ``end_us`` (not included)."""
    asked = types or members("Patient")
    parts = [compartment("Patient", patient_id, asked, same)]
    if since_us is not None:
        parts.append(LastUpdated("ge", since_us, DATE_MAX_US))
    if start_us is not None or end_us is not None:
        parts.append(_care(asked, start_us or DATE_MIN_US, end_us or DATE_MAX_US))
    return all_of(parts)


def _care(types: Sequence[str], low_us: int, high_us: int) -> Criterion:
    """Resources with a date of care that overlaps the range, and those without any."""
    dates = [
        parameter
        for type_ in types
        for parameter in definitions.parameters(type_).values()
        if parameter.kind == "date" and parameter.supported and parameter.code not in _NOT_OF_CARE
    ]
    undated = Not(Tokens(tuple(key(parameter.name, "present") for parameter in dates)))
    return any_of([undated, Dates(numbers(dates), "ap", low_us, high_us)])
