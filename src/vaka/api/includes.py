"""_include and _revinclude: what the matches refer to, and what refers to them (https://hl7.org/fhir/R4/search.html#revinclude).

Every included resource passes the same access filter as a match. Bounded: config.INCLUDE_MAX_RESOURCES, _MAX_DEPTH.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

import orjson

from vaka import config
from vaka.fhir.criteria import Include, Query
from vaka.fhir.definitions import RESOURCE_TYPES, parameter, parameters
from vaka.fhir.extract import references
from vaka.fhir.keys import parameter_mask
from vaka.store.page import Page, Position
from vaka.store.version import Version


class Searching(Protocol):
    """The journal as one caller may search it, or an open transaction."""

    @property
    def missed(self) -> int: ...
    async def search(self, query: Query, *, count: int, at: Position | None = None) -> Page: ...
    async def include(self, keys: Sequence[int], *, limit: int) -> list[Version]: ...
    async def read_many(self, references: Sequence[tuple[str, str]]) -> list[Version]: ...
    def together(self, keys: Sequence[int]) -> Sequence[int]: ...


async def included(searching: Searching, matches: Sequence[Version], includes: Sequence[Include]) -> list[Version]:
    """What ``includes`` add to ``matches``, each resource once, none that is a match."""
    have = {version.rkey for version in matches}
    added: list[Version] = []
    level: Sequence[Version] = matches
    for depth in range(config.INCLUDE_MAX_DEPTH):
        wanted = [include for include in includes if depth == 0 or include.iterate]
        room = config.INCLUDE_MAX_RESOURCES - len(added)
        if not level or not wanted or room <= 0:
            break
        found = await _level(searching, level, wanted, room)
        level = []
        for version in found:
            if version.rkey not in have and len(added) < config.INCLUDE_MAX_RESOURCES:
                have.add(version.rkey)
                added.append(version)
                level.append(version)
    return added


async def _level(
    searching: Searching, level: Sequence[Version], includes: Sequence[Include], room: int
) -> list[Version]:
    found: list[Version] = []
    targets: dict[tuple[str, str], None] = {}
    forward = [include for include in includes if not include.reverse]
    if forward:
        for version in level:
            for name, type_, id_ in references(orjson.loads(version.body or b"{}")):
                if any(_asks(include, version.type, name.partition(".")[2], type_) for include in forward):
                    targets[type_, id_] = None
        if targets:
            found += await searching.read_many(list(targets)[:room])
    for include in includes:
        if include.reverse:
            keys = _reverse_keys(searching, include, level)
            if keys:
                found += await searching.include(keys, limit=room)
    return found


def _asks(include: Include, type_: str, code: str, target: str) -> bool:
    return include.type in (type_, "*") and include.parameter in (code, "*") and include.target in (None, target)


def _reverse_keys(searching: Searching, include: Include, level: Sequence[Version]) -> list[int]:
    """The reference keys that resources which refer to ``level`` carry; to a merged Patient under any of its ids (S23)."""
    by_type: dict[str, list[int]] = {}
    for version in level:
        if include.target in (None, version.type):
            by_type.setdefault(version.type, []).append(version.rkey)
    found: dict[int, None] = {}
    if "Patient" in by_type:
        by_type["Patient"] = list(searching.together(by_type["Patient"]))
    for target, rkeys in by_type.items():
        for mask in _masks(include.type, include.parameter, target):
            found.update(dict.fromkeys(rkey ^ mask for rkey in rkeys))
    return list(found)


@lru_cache(maxsize=1_024)
def _masks(type_: str, code: str, target: str) -> tuple[int, ...]:
    """Masks of the parameters of ``type_`` (``*``: any) called ``code`` (``*``: any) that can refer to ``target``.

    One that is stored as another (Observation.patient as Observation.subject) means targets of one type only."""
    names = {
        stored
        for one in (RESOURCE_TYPES if type_ == "*" else (type_,))
        for found in ([parameter(one, code)] if code != "*" else parameters(one).values())
        if found is not None and found.kind == "reference" and target in found.targets
        for stored, narrowed in found.stored_as
        if narrowed in (None, target)
    }
    return tuple(parameter_mask(name) for name in sorted(names))
