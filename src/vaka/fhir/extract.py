"""What a resource is found by: ``extract`` makes the rows of ``fhir.index`` that journal and copy store beside it.

Pure, and never raises on a resource that is a JSON object with a resource type: what cannot be indexed is left out.
The same resource gives the same rows, in the same order. Source: https://hl7.org/fhir/R4/search.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Final, TypeAlias

from vaka.fhir import definitions
from vaka.fhir.compiled import compiled, properties, walk
from vaka.fhir.content import content_words
from vaka.fhir.found import Found
from vaka.fhir.index import HIGHEST, LOWEST, DateRow, IndexRows, QuantityRow, StringRow
from vaka.fhir.index_tokens import local_reference
from vaka.fhir.paths import Path, Step

_ONLY: Final = LOWEST | HIGHEST


def extract(resource: dict[str, Any]) -> IndexRows:
    """The index rows of a resource. One of an unknown type has none."""
    type_ = resource.get("resourceType")
    if type_ not in definitions.RESOURCE_TYPES:
        return IndexRows()
    tree, always, implied = compiled(type_)
    found = Found()
    walk(tree, resource, found)
    tokens = found.tokens
    for act in always:
        act(resource, found)
    for present, any_, needed in implied:
        if any(k in tokens for k in needed) if any_ else all(k in tokens for k in needed):
            tokens.add(present)
    return IndexRows(sorted(tokens), _dates(found), _quantities(found), _strings(found), content_words(resource))


def _edges(values: list[Any], *, rank: Any) -> dict[Any, int]:
    """Value → edge bits among the values of its parameter, which stands first in it."""
    first: dict[int, Any] = {}
    last: dict[int, Any] = {}
    for value in values:
        param = value[0]
        if param not in first:
            first[param] = last[param] = value
        else:
            first[param] = min(first[param], value, key=rank)
            last[param] = max(last[param], value, key=rank)
    edges = dict.fromkeys(first.values(), LOWEST)
    for value in last.values():
        edges[value] = edges.get(value, 0) | HIGHEST
    return edges


def _by_value(value: tuple[Any, ...]) -> Any:
    return value[1]


def _by_low(value: tuple[Any, ...]) -> Any:
    return value[3]


def _dates(found: Found) -> list[DateRow]:
    if len(found.dates) == 1:
        return [DateRow(*found.dates[0], _ONLY)]
    values = list(dict.fromkeys(found.dates))
    edges = _edges(values, rank=_by_value)
    return [DateRow(*value, edges.get(value, 0)) for value in values]


def _strings(found: Found) -> list[StringRow]:
    values = list(dict.fromkeys(found.strings))
    edges = _edges(values, rank=_by_value)
    return [StringRow(*value, edges.get(value, 0)) for value in values]


def _quantities(found: Found) -> list[QuantityRow]:
    """The rows with the number as written (unit 0) carry the edges: one unit is sorted among the same code's values."""
    if not found.quantities:
        return []
    values = list(dict.fromkeys(found.quantities))
    edges = _edges([v for v in values if v[2] == 0], rank=_by_low)
    return [QuantityRow(*value, edges.get(value, 0)) for value in values]


# References --------------------------------------------------------------------------------------------------------


_Levels: TypeAlias = tuple[tuple[tuple[str, ...], Step], ...]
"""For each step of a path: the JSON properties that it means, and the step."""


def _levels(type_: str, path: Path) -> _Levels:
    at = {type_}
    levels = []
    for step in path.steps:
        held = [found for of in sorted(at) if of not in definitions.PRIMITIVES for found in properties(of, step)]
        levels.append((tuple(p for p, _ in held), step))
        at = {t for _, t in held}
    return tuple(levels)


@cache
def _reference_paths(type_: str) -> tuple[tuple[str, _Levels, str | None], ...]:
    """(parameter name, its path, the only type that it means) of every reference parameter."""
    return tuple(
        (parameter.name, _levels(type_, path), path.narrow)
        for parameter in definitions.parameters(type_).values()
        if parameter.kind == "reference"
        for path in parameter.paths
    )


def _follow(value: Any, levels: _Levels) -> Iterator[Any]:
    if not levels:
        yield value
        return
    (names, step), *rest = levels
    for name in names if type(value) is dict else ():
        held = value.get(name)
        values = held if type(held) is list else (held,)
        for one in values[:1] if step.first else values:
            if step.where and (type(one) is not dict or one.get(step.where[0]) != step.where[1]):
                continue
            yield from _follow(one, tuple(rest))


def references(resource: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(parameter name, type, id) of every local reference that a search parameter names, without doubles.

    Parameters that are stored as another (``Observation.patient``) are listed too, narrowed to their type."""
    type_ = resource.get("resourceType")
    if type_ not in definitions.RESOURCE_TYPES:
        return []
    found: dict[tuple[str, str, str], None] = {}
    for name, levels, narrow in _reference_paths(type_):
        for value in _follow(resource, levels):
            text = value.get("reference") if type(value) is dict else value
            local = local_reference(text) if type(text) is str else None
            if local and (narrow is None or local[0] == narrow):
                found[(name, *local)] = None
    return list(found)


def owner_hints(resource: dict[str, Any]) -> str | None:
    """The id of the home patient: a Patient's own, that of a Binary's ``securityContext``, else the Patient that ``patient`` or
    ``subject`` refers to, else the first by which the resource is in a Patient compartment. None if there is none, or if a
    Patient has no id yet."""
    type_ = resource.get("resourceType")
    if type_ == "Patient":
        id_ = resource.get("id")
        return id_ if type(id_) is str else None
    for name in ("securityContext",) if type_ == "Binary" else ("subject", "patient"):
        direct = resource.get(name)
        text = direct.get("reference") if type(direct) is dict else None
        local = local_reference(text) if type(text) is str else None
        if local and local[0] == "Patient":
            return local[1]
    patients = {name: id_ for name, target, id_ in reversed(references(resource)) if target == "Patient"}
    codes = ("patient", "subject", *definitions.compartment("Patient").get(str(type_), ()))
    return next((patients[n] for code in codes if (n := f"{type_}.{code}") in patients), None)


def local_references(resource: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(FHIRPath of the Reference, type, id) of every ``Reference.reference`` to a resource of this server, wherever
    it stands, extensions and contained resources included."""
    found: list[tuple[str, str, str]] = []
    waiting: list[tuple[str, Any]] = [(str(resource.get("resourceType")), resource)]
    while waiting:
        path, value = waiting.pop()
        if type(value) is list:
            waiting += [(f"{path}[{n}]", one) for n, one in enumerate(value)][::-1]
        elif type(value) is dict:
            text = value.get("reference")
            local = local_reference(text) if type(text) is str else None
            if local:
                found.append((path, *local))
            waiting += [(f"{path}.{name}", held) for name, held in value.items() if type(held) in (dict, list)][::-1]
    return found
