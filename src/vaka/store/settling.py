"""What of a search depends on other resources, settled first: chains, ``_has`` and long lists become the keys of what they match.

Free of any store: ``settle`` is a generator that asks (``Few``, ``Referred``, ``Carrying``) and is sent the keys that were found,
None where there are more than the limit. The journal answers on its connection, the copy in a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from vaka import config
from vaka.fhir.criteria import All, Chain, Criterion, Has, Ids, Not, Tokens, Unprotected
from vaka.fhir.criteria import Any as AnyOf
from vaka.fhir.keys import parameter_mask

LONG_LIST: Final = 64
VERY_FEW: Final = 64


@dataclass(frozen=True, slots=True)
class Few:
    """Keys of the living resources of ``types`` that satisfy ``inner``, of those that the caller may find."""

    types: tuple[str, ...]
    inner: Criterion
    limit: int


@dataclass(frozen=True, slots=True)
class Referred:
    """Keys of what such resources of one type refer to by one of ``parameters``; the limit is on the resources."""

    type: str
    parameters: tuple[str, ...]
    inner: Criterion
    limit: int


@dataclass(frozen=True, slots=True)
class Carrying:
    """Keys of the resources that carry one of ``keys``."""

    keys: tuple[int, ...]
    limit: int


Ask: TypeAlias = Few | Referred | Carrying
Together: TypeAlias = Callable[[Sequence[int]], Sequence[int]]
"""Resource keys with those of patients whose records go together with theirs (S23)."""
Settling: TypeAlias = Generator[Ask, "list[int] | None", Criterion]


def settle(node: Criterion, together: Together, limit: int = config.CHAIN_COLLECT_MAX) -> Settling:
    """``node`` with each chain, ``_has`` and long list of keys that has at most ``limit`` matches replaced by those keys."""
    match node:
        case All(parts):
            return All((yield from _settle_all(parts, together, limit)))
        case AnyOf(parts):
            return AnyOf((yield from _each(parts, together, limit)))
        case Unprotected(part):
            return Unprotected((yield from settle(part, together, limit)))
        case Not(part):
            return Not((yield from settle(part, together, limit)))
        case Tokens(keys) if len(keys) > LONG_LIST:
            few = yield Carrying(keys, config.CHAIN_COLLECT_MAX)
            return node if few is None else Ids(tuple(few))
        case Chain(parameters, types, inner):
            inner = yield from settle(inner, together, limit)
            found = yield Few(types, inner, limit)
            if found is None:
                return replace(node, inner=inner)
            targets = together(found) if "Patient" in types else found
            return Tokens(tuple(rkey ^ parameter_mask(name) for name in parameters for rkey in targets))
        case Has(type_, parameters, inner):
            inner = yield from settle(inner, together, limit)
            referred = yield Referred(type_, parameters, inner, limit)
            if referred is None:
                return replace(node, inner=inner)
            return Ids(tuple(together(referred)))
    return node


def _each(
    parts: Sequence[Criterion], together: Together, limit: int
) -> Generator[Ask, list[int] | None, tuple[Criterion, ...]]:
    settled: list[Criterion] = []
    for part in parts:
        settled.append((yield from settle(part, together, limit)))
    return tuple(settled)


def _settle_all(
    parts: tuple[Criterion, ...], together: Together, limit: int
) -> Generator[Ask, list[int] | None, tuple[Criterion, ...]]:
    """Of several chains that must all stand, one with very few matches leaves few candidates: the others are then asked of
    those, which costs less than collecting up to ``limit`` matches of each."""
    if limit > VERY_FEW and _chains(parts) > 1:
        first = yield from _each(parts, together, VERY_FEW)
        if _chains(first) < _chains(parts):
            return first
        parts = first
    return (yield from _each(parts, together, limit))


def _chains(parts: Sequence[Criterion]) -> int:
    return sum(isinstance(part, Chain | Has) for part in parts)
