"""What belongs to one patient (or another compartment's resource), as a criterion.

Source: https://hl7.org/fhir/R4/compartmentdefinition.html and
https://hl7.org/fhir/R4/patient-operation-everything.html.
"""

from __future__ import annotations

from collections.abc import Sequence

from vaka import errors
from vaka.fhir import definitions
from vaka.fhir.criteria import Criterion, Ids, LastUpdated, Tokens
from vaka.fhir.index import DATE_MAX_US
from vaka.fhir.keys import resource_key
from vaka.fhir.stored import all_of, any_of
from vaka.fhir.tokens import ID, local_keys
from vaka.fhir.values import Same, itself


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
    patient_id: str, *, types: Sequence[str] = (), since_us: int | None = None, same: Same = itself
) -> Criterion:
    """``Patient/[id]/$everything``: the patient and all that belongs to it, of ``types`` (none: all of ``members``),
    and changed at ``since_us`` or later."""
    found = compartment("Patient", patient_id, types or members("Patient"), same)
    return found if since_us is None else all_of([found, LastUpdated("ge", since_us, DATE_MAX_US)])
