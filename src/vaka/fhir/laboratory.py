"""Which of several results of a laboratory is the current one (S16). Pure.

Identity is the laboratory's: an identifier (system and value) of the same analysis. Its version is how far it has come
(``status``) and, of two that have come as far, when the laboratory made it available (``issued``).
Invariants: the order is the same in whatever order results arrive; whatever is not certainly an earlier one of the same result is
shown: a number that a laboratory uses for several analyses hides none of them, and of several results one is always left.
Source: https://hl7.org/fhir/R4/observation-definitions.html#Observation.issued, https://hl7.org/fhir/R4/valueset-observation-status.html.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

import orjson

from vaka.fhir.dates import parse

Resource: TypeAlias = Mapping[str, Any]
Name: TypeAlias = tuple[str, str, str, str]
_Version: TypeAlias = tuple[int, int]

RESULTS: Final = frozenset({"Observation", "DiagnosticReport"})
_RANK: Final[Mapping[str, int]] = {
    "registered": 0, "partial": 1, "preliminary": 1, "unknown": 1, "final": 2, "cancelled": 2, "amended": 3, "corrected": 3,
    "appended": 3, "entered-in-error": 4,
}  # fmt: skip
_FINAL: Final = 2
_NEVER: Final = -(2**62)
_NAMES_MAX: Final = 20
"""Identifiers and codes of one result that are looked at."""
_NOT_SAID: Final = frozenset({"id", "meta", "text"})
"""What two resources that say the same may differ in."""


def identifiers(resource: Resource | None) -> list[tuple[str, str]]:
    """(system, value) of a result, by which it is known again; empty for what is none. A number without a system identifies
    nothing."""
    if resource is None or resource.get("resourceType") not in RESULTS:
        return []
    return [
        (str(one["system"]), str(one["value"]))
        for one in _objects(resource.get("identifier"))
        if one.get("system") and one.get("value")
    ]


def is_same(one: Resource, other: Resource) -> bool:
    """Whether both are versions of one result."""
    return not names(one).isdisjoint(names(other))


def is_earlier(one: Resource, other: Resource) -> bool:
    """Whether ``one`` is an earlier version than ``other`` of the same result."""
    return _version(one) < _version(other)


def is_open(result: Resource) -> bool:
    """Whether it is not final yet."""
    return _rank(result) < _FINAL


def says_the_same(one: Resource, other: Resource) -> bool:
    """Whether both say the same, each under an id of its own."""
    said = _said(one)
    return said != b"" and said == _said(other)


def takes_back(entered: Resource, standing: Resource, *, seen: bool) -> bool:
    """Whether ``entered``, in the place of ``standing``, would take a result back to an earlier version. ``seen``: who writes
    names the version that stands, and so replaces it knowingly; what is not final never replaces what is, even so."""
    if entered.get("resourceType") not in RESULTS:
        return False
    if is_open(entered) and not is_open(standing):
        return True
    return not seen and is_same(entered, standing) and is_earlier(entered, standing)


def superseded(results: Iterable[tuple[str, Resource]]) -> set[str]:
    """Of (name, resource) the names of those that a later version of the same result stands beside; of several that say the same
    all but the first by name."""
    groups: dict[Name, list[tuple[_Version, str, Resource]]] = {}
    for name, resource in results:
        for of in names(resource):
            groups.setdefault(of, []).append((_version(resource), name, resource))
    found = set()
    for group in groups.values():
        if len(group) == 1:
            continue
        latest = max(version for version, _, _ in group)
        said: dict[bytes, str] = {}
        for version, name, resource in sorted(group, key=lambda each: each[1]):
            if version < latest or said.setdefault(_said(resource) or name.encode(), name) != name:
                found.add(name)
    return found


def _said(resource: Resource) -> bytes:
    """What it says; empty where that cannot be told."""
    kept = {name: value for name, value in resource.items() if name not in _NOT_SAID}
    try:
        return orjson.dumps(kept, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # nested too deeply
        return b""


def names(resource: Resource) -> set[Name]:
    """What a result is known again by: its type, an identifier, what is measured."""
    type_ = str(resource.get("resourceType"))
    analyses = sorted(_analyses(resource))[:_NAMES_MAX]
    return {(type_, *number, what) for number in identifiers(resource)[:_NAMES_MAX] for what in analyses}


def _rank(resource: Resource) -> int:
    return _RANK.get(str(resource.get("status")), _FINAL)


def _version(resource: Resource) -> _Version:
    issued = resource.get("issued")
    span = parse(issued) if isinstance(issued, str) else None
    return _rank(resource), span[0] if span is not None else _NEVER


def _analyses(resource: Resource) -> set[str]:
    """What is measured or reported: its codes, its words where it has none."""
    concept = resource.get("code")
    if not isinstance(concept, Mapping):
        return set()
    codes = {f"{one.get('system')}|{one['code']}" for one in _objects(concept.get("coding")) if one.get("code")}
    text = concept.get("text")
    return codes or ({text.strip().casefold()} if isinstance(text, str) and text.strip() else set())


def _objects(value: Any) -> Iterator[Resource]:
    listed: Iterable[Any] = value if isinstance(value, list | tuple) else ()
    return (one for one in listed if isinstance(one, Mapping))
