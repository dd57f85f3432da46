"""Where the values of search parameters stand, and how criteria join. Shared by the modules that build criteria.

A search in several types passes one ``Parameter`` for each type, all of one kind. Keys and numbers belong to one type
each, so the union over the types selects the right resources of each, and ``Not`` of it excludes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias

from vaka import errors
from vaka.fhir import definitions
from vaka.fhir.criteria import All, Any, Criterion, Not, Tokens
from vaka.fhir.definitions import Parameter
from vaka.fhir.values import Request

Builder: TypeAlias = Callable[[Sequence[Parameter], list[str], Request], Criterion]
"""(one parameter for each type, the alternatives still escaped, the request) → criterion. Raises ``errors.Invalid``."""

EVERYTHING: Final = All(())
NOTHING: Final = Any(())


def stores(parameters: Sequence[Parameter]) -> list[Parameter]:
    """The parameters that hold the values of ``parameters`` (``stored_as``), without doubles."""
    return list({name: named(name) for parameter in parameters for name, _ in parameter.stored_as}.values())


def named(name: str) -> Parameter:
    """The parameter called ``name`` (``"Observation.code"``), which the definitions promise to exist."""
    type_, _, code = name.partition(".")
    found = definitions.parameter(type_, code)
    if found is None:
        raise errors.Fault(f"the definitions name {name}, which they do not hold")
    return found


def numbers(parameters: Sequence[Parameter]) -> tuple[int, ...]:
    """The numbers of the index rows that hold the values of ``parameters``."""
    return tuple(parameter.number for parameter in stores(parameters))


def keys(found: Iterable[int], request: Request) -> Tokens:
    """A leaf of ``found``, in order and without doubles, paid for."""
    unique = tuple(dict.fromkeys(found))
    request.spend(keys=len(unique))
    return Tokens(unique)


def any_of(parts: Sequence[Criterion]) -> Criterion:
    """``Any``, flat: tokens join to one leaf, and a single part stands for itself."""
    tokens = [part for part in parts if isinstance(part, Tokens)]
    joined: list[Criterion] = [part for part in parts if not isinstance(part, Tokens)]
    if tokens:
        joined.insert(0, Tokens(tuple(dict.fromkeys(key for part in tokens for key in part.keys))))
    return joined[0] if len(joined) == 1 else Any(tuple(joined))


def all_of(parts: Sequence[Criterion]) -> Criterion:
    """``All``; a single part stands for itself."""
    return parts[0] if len(parts) == 1 else All(tuple(parts))


def negated(builder: Builder) -> Builder:
    """``:not``: no value of the resource is one of these; a resource without value is selected too."""

    def build(parameters: Sequence[Parameter], values: list[str], request: Request) -> Criterion:
        return Not(builder(parameters, values, request))

    return build
