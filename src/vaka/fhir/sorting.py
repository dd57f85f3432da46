"""Sort texts of token, uri and reference values, which stand in no index row: read from the resource itself.

Used for at most config.SORTED_BY_TEXT matches, so it walks the paths of a parameter plainly. Journal and copy use the
same texts, and order them by code point. Nothing here raises on odd resources.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from vaka.fhir import definitions
from vaka.fhir.criteria import SortKey
from vaka.fhir.paths import Path, Step

# What stands for a value that is an object: of a Reference, CodeableConcept, Coding, Identifier or ContactPoint.
_TELLING: Final = ("reference", "coding", "code", "value", "text", "display")


def sort_text(resource: dict[str, Any], key: SortKey) -> str | None:
    """The text by which ``resource`` is sorted: the lowest of its values, descending the highest; None if it has
    none."""
    type_ = resource.get("resourceType")
    if type_ not in definitions.RESOURCE_TYPES:
        return None
    parameter = definitions.parameter(type_, key.parameter)
    if parameter is None:
        return None
    texts = [text for path in parameter.paths for value in _at(resource, type_, path) for text in _texts(value)]
    if not texts:
        return None
    return max(texts) if key.descending else min(texts)


def _at(resource: dict[str, Any], type_: str, path: Path) -> Iterator[Any]:
    found = list(_walk(resource, type_, path.steps))
    if path.truth:
        yield any(value is not False for value in found)
    elif path.narrow is not None:
        yield from (value for value in found if _refers_to(value, path.narrow))
    else:
        yield from found


def _walk(node: Any, type_: str, steps: Sequence[Step]) -> Iterator[Any]:
    if not steps:
        yield node
        return
    step = steps[0]
    if not isinstance(node, dict):
        return
    for value, found_type in _children(node, type_, step):
        if step.where is None or (isinstance(value, dict) and value.get(step.where[0]) == step.where[1]):
            yield from _walk(value, found_type, steps[1:])


def _children(node: dict[str, Any], type_: str, step: Step) -> Iterator[tuple[Any, str]]:
    try:
        properties = definitions.structure(type_).properties
    except KeyError:
        return
    for name, value in node.items():
        element, found_type = properties.get(name, (None, ""))
        if element is None or element.name != step.name or step.cast not in (None, found_type):
            continue
        values = value if isinstance(value, list) else [value]
        yield from ((one, found_type) for one in (values[:1] if step.first else values))


def _refers_to(value: Any, type_: str) -> bool:
    return isinstance(value, dict) and str(value.get("reference")).startswith(type_ + "/")


def _texts(value: Any) -> Iterator[str]:
    match value:
        case bool():
            yield "true" if value else "false"
        case str() | int() | float():
            yield str(value)
        case list():
            for one in value:
                yield from _texts(one)
        case dict():
            for name in _TELLING:
                if value.get(name):
                    yield from _texts(value[name])
                    return
