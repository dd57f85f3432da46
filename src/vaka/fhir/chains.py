"""The name of a search parameter → the criterion it asks for: plain, chained, or ``_has``, to any depth that is
allowed.

``subject:Patient.general-practitioner.name:exact`` goes from the searched types to those referred to;
``_has:Observation:patient:code`` comes from those that refer here. Both nest in each other.
Source: https://hl7.org/fhir/R4/search.html#chaining, #has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from vaka import config, errors
from vaka.fhir import definitions
from vaka.fhir.criteria import Chain, Criterion, Has
from vaka.fhir.definitions import Parameter
from vaka.fhir.leaves import kind_of, leaf
from vaka.fhir.protected import shielded
from vaka.fhir.stored import any_of
from vaka.fhir.values import Request, Unsupported, bad, shown

_HAS = "_has:"
_NOT_HERE = {
    "_list": "lists are not searched by name here; read the List and search by _id",
    "_filter": "filter expressions are not supported",
    "_query": "this server has no named queries",
    "_has": "write _has:[type]:[reference parameter]:[parameter]",
}


def criterion(types: Sequence[str], name: str, value: str, request: Request, depth: int = 0) -> Criterion:
    """What ``name=value`` asks of resources of ``types``.

    Raises ``Unsupported`` for a parameter that these types do not have, ``errors.Invalid`` for a value or modifier."""
    if depth > config.CHAIN_MAX_DEPTH:
        raise bad(f"more than {config.CHAIN_MAX_DEPTH} steps of chaining")
    if name.startswith(_HAS):
        return _has(types, name.removeprefix(_HAS), value, request, depth)
    head, dot, rest = name.partition(".")
    code, colon, modifier = head.partition(":")
    parameters = common(types, code)
    if dot:
        chain = _chain(
            parameters,
            modifier if colon else None,
            rest,
            lambda to: criterion(to, rest, value, request, depth + 1),
            request,
        )
        return shielded(types, code, chain)
    if colon and not modifier:
        raise bad("there is no modifier behind the colon")
    return shielded(types, code, leaf(parameters, modifier, value, request))


def common(types: Sequence[str], code: str) -> list[Parameter]:
    """The parameter ``code`` of each of ``types``, which must all have it, and mean the same kind of value by it."""
    found = [definitions.parameter(type_, code) for type_ in types]
    parameters = [parameter for parameter in found if parameter is not None]
    if code in _NOT_HERE:
        raise Unsupported(_NOT_HERE[code])
    if not parameters or len(parameters) < len(found):
        lacking = [type_ for type_, parameter in zip(types, found, strict=True) if parameter is None]
        raise Unsupported(f"{lacking[0] if lacking else 'the search'} has no search parameter {shown(code)}")
    for parameter in parameters:
        if not parameter.supported:
            raise Unsupported(parameter.reason or "not supported")
    if len({kind_of(parameter) for parameter in parameters}) > 1:
        raise Unsupported(f"{code} means different things in the types searched; name one type")
    return parameters


def _chain(
    parameters: list[Parameter],
    only: str | None,
    rest: str,
    inner: Callable[[Sequence[str]], Criterion],
    request: Request,
) -> Criterion:
    """One step; ``inner`` makes the criterion of the types that it reaches."""
    code = parameters[0].code
    if parameters[0].kind != "reference":
        raise bad(f"{code} is not a reference; only references are chained")
    if not rest:
        raise bad("there is no parameter behind the dot")
    if only is not None and not any(only in parameter.targets for parameter in parameters):
        raise bad(f"{code} does not refer to {shown(only)}")
    outcomes = [
        _attempt(names, group, inner, request)
        for within, names in _reached(parameters, only).items()
        for group in ([within] if only else _by_kind(within, rest))
    ]
    fitting = [outcome for outcome in outcomes if not isinstance(outcome, Exception)]
    if fitting:
        return any_of(fitting)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
    raise Unsupported(f"nothing that {code} refers to has a search parameter {shown(rest)}")


def _reached(parameters: list[Parameter], only: str | None) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Types that are referred to → names of the references. Names that hold what they mean alone share one entry,
    those that hold references of other parameters too have one for the type that they are narrowed to."""
    wide: dict[str, None] = {}
    names: dict[str, None] = {}
    narrow: dict[str, dict[str, None]] = {}
    for parameter in parameters:
        for name, narrowed in parameter.stored_as:
            if narrowed is None:
                names[name] = None
                wide.update(dict.fromkeys(parameter.targets))
            else:
                narrow.setdefault(narrowed, {})[name] = None
    found = {tuple(t for t in wide if only in (None, t)): tuple(names)}
    for type_, narrow_names in narrow.items():
        if only in (None, type_):
            found[(type_,)] = found.get((type_,), ()) + tuple(narrow_names)
    return {types: held for types, held in found.items() if types and held}


def _by_kind(types: Sequence[str], rest: str) -> list[tuple[str, ...]]:
    """Those of ``types`` that have the first parameter of ``rest``, apart by the kind of value it means there."""
    if rest.startswith(_HAS):
        return [tuple(types)]
    code = re.split("[.:]", rest, maxsplit=1)[0]
    groups: dict[str, list[str]] = {}
    for type_ in types:
        parameter = definitions.parameter(type_, code)
        if parameter is not None and parameter.supported:
            groups.setdefault(kind_of(parameter), []).append(type_)
    return [tuple(group) for group in groups.values()]


def _attempt(
    names: tuple[str, ...], types: tuple[str, ...], inner: Callable[[Sequence[str]], Criterion], request: Request
) -> Criterion | Exception:
    """One step of a chain, or why these types cannot take it: others may (a value that is no date, but a code)."""
    request.spend(keys=len(types))
    try:
        return Chain(names, types, inner(types))
    except errors.TooLarge:
        raise
    except (errors.Invalid, Unsupported) as error:
        return error


def _has(types: Sequence[str], text: str, value: str, request: Request, depth: int) -> Criterion:
    parts = text.split(":", 2)
    if len(parts) < 3 or not all(parts):
        raise bad("write _has:[type]:[reference parameter]:[parameter]")
    type_, code, rest = parts
    if type_ not in definitions.RESOURCE_TYPES:
        raise bad(f"{shown(type_)} is not a resource type")
    parameter = common((type_,), code)[0]
    if parameter.kind != "reference":
        raise bad(f"{parameter.name} is not a reference")
    if not set(types) & set(parameter.targets):
        raise bad(f"{parameter.name} does not refer to {types[0]}")
    names = [name for name, narrowed in parameter.stored_as if narrowed is None or narrowed in types]
    if len(types) > 1 and any(narrowed is not None for _, narrowed in parameter.stored_as):
        raise Unsupported(f"{parameter.name} refers to one type; name it as the only type of the search")
    # Who refers here from a secret element of a patient would tell it, whatever is asked of the patient (A10).
    return Has(type_, tuple(names), shielded((type_,), code, criterion((type_,), rest, value, request, depth + 1)))
