"""Part of a resource: ``_summary`` and ``_elements``.

Invariants: the resource given is not changed; what is left out is marked by the tag SUBSETTED; elements that are
mandatory, and those that can turn the meaning round (modifiers: ``status``, ``verificationStatus``,
``modifierExtension``), always stay, because nobody may take a refuted allergy for one. Source:
https://hl7.org/fhir/R4/search.html#summary, #elements.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import cache
from typing import Any, Final, Literal

from vaka.fhir import definitions

Mode = Literal["true", "text", "data", "count", "false"]

SUBSETTED: Final = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "SUBSETTED",
    "display": "subsetted",
}
_ALWAYS: Final = frozenset({"resourceType", "id", "meta"})
_WHOLE: Final = frozenset({"Extension", "Narrative", "Resource", "Meta"})
_NAME: Final = re.compile(r"(?:[A-Z][A-Za-z]*\.)?([a-z][A-Za-z0-9]{0,63})(?:\[x\])?(?:\.[A-Za-z0-9.\[\]]{1,200})?")


def element_name(text: str) -> str | None:
    """The element at the top of the resource that one part of ``_elements`` names: ``Patient.name.family`` → ``name``.

    None if it names none."""
    found = _NAME.fullmatch(text.strip())
    return found[1] if found else None


def summarise(resource: dict[str, Any], mode: str) -> dict[str, Any]:
    """The resource as ``_summary=mode`` shows it; ``false``: itself. Raises ``ValueError`` for another mode."""
    match mode:
        case "false":
            return resource
        case "true":
            return _subsetted(_summary(resource, str(resource.get("resourceType")), _ALWAYS))
        case "text":
            return _subsetted(_kept(resource, {"text"}))
        case "data":
            return _subsetted({name: value for name, value in resource.items() if name not in ("text", "_text")})
        case "count":
            return _subsetted({name: value for name, value in resource.items() if name in _ALWAYS})
    raise ValueError(f"no summary mode {mode!r}")


def for_elements(resource: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """The resource with the named elements (``value`` for ``valueQuantity`` and its kin) and those that always stay."""
    return _subsetted(_kept(resource, {element_name(name) or name for name in names}))


def _kept(resource: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    properties, staying = _properties(str(resource.get("resourceType"))), _staying(str(resource.get("resourceType")))

    def stays(name: str) -> bool:
        element = properties.get(name.removeprefix("_"), name.removeprefix("_"))
        return name in _ALWAYS or name in names or element in names or element in staying

    return {name: value for name, value in resource.items() if stays(name)}


def _summary(node: dict[str, Any], type_: str, always: Collection[str]) -> dict[str, Any]:
    """``node``, of structure ``type_``, with its summary elements, and so on inward."""
    try:
        structure = definitions.structure(type_)
    except KeyError:
        return node
    kept: dict[str, Any] = {}
    for name, value in node.items():
        element, inner = structure.properties.get(name.removeprefix("_"), (None, ""))
        if name in always:
            kept[name] = value
        elif element is not None and (element.summary or element.min or element.modifier):
            if isinstance(value, dict):
                kept[name] = _inner(value, inner)
            elif isinstance(value, list):
                kept[name] = [_inner(one, inner) if isinstance(one, dict) else one for one in value]
            else:
                kept[name] = value
    return kept


def _inner(value: dict[str, Any], type_: str) -> dict[str, Any]:
    # Ids and extensions of values inside stay: they say for instance why a value is absent.
    if type_ in _WHOLE or type_ in definitions.PRIMITIVES:
        return value
    return _summary(value, type_, ("id", "extension"))


@cache
def _properties(type_: str) -> dict[str, str]:
    """JSON property → element name, of a resource type; empty for no type of R4."""
    if type_ not in definitions.RESOURCE_TYPES:
        return {}
    return {name: element.name for name, (element, _) in definitions.structure(type_).properties.items()}


@cache
def _staying(type_: str) -> frozenset[str]:
    """The elements at the top that always stay."""
    if type_ not in definitions.RESOURCE_TYPES:
        return frozenset()
    return frozenset(e.name for e in definitions.structure(type_).elements.values() if e.min or e.modifier)


def _subsetted(resource: dict[str, Any]) -> dict[str, Any]:
    """With the tag; ``meta`` is copied, not changed."""
    meta = resource.get("meta")
    meta = dict(meta) if isinstance(meta, dict) else {}
    tags = meta.get("tag")
    tags = list(tags) if isinstance(tags, list) else []
    if not any(isinstance(tag, dict) and tag.get("code") == "SUBSETTED" for tag in tags):
        tags.append(SUBSETTED)
    meta["tag"] = tags
    # meta stands where it stood, or behind resourceType and id.
    if "meta" in resource:
        return {name: meta if name == "meta" else value for name, value in resource.items()}
    head: dict[str, Any] = {name: resource[name] for name in ("resourceType", "id") if name in resource}
    return {**head, "meta": meta, **{name: value for name, value in resource.items() if name not in head}}
