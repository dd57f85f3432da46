"""Composite search values, ``code$value``: both of them in the same part of the resource.

A composite of the resource itself (``root``) is the AND of its components; its quantity carries the code that stands
beside it (``key(parameter, "with", code)``). In a repeated element two tokens are one stored pair, and a quantity
again carries its code; a system asked for with that code must then stand in the resource, though perhaps in another
repetition. Source: https://hl7.org/fhir/R4/search.html#combining.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from vaka.fhir import ranges
from vaka.fhir.criteria import Criterion
from vaka.fhir.definitions import Parameter
from vaka.fhir.keys import key
from vaka.fhir.stored import Builder, all_of, any_of, keys, named, numbers, stores
from vaka.fhir.tokens import parts_of, tokens
from vaka.fhir.values import Request, bad, shown, split

_COMPONENTS: Final[Mapping[str, Builder]] = {"token": tokens, "string": ranges.string, "date": ranges.date}


def composite(parameters: Sequence[Parameter], values: list[str], request: Request) -> Criterion:
    return any_of([_one(store, value, request) for store in stores(parameters) for value in values])


def _one(parameter: Parameter, value: str, request: Request) -> Criterion:
    parts = split(value, "$")
    codes = [code for code, _ in parameter.components]
    if len(parts) != len(codes) or not all(parts):
        raise bad(f"{shown(value)} is not [{']$['.join(codes)}]; write \\$ for a dollar sign within a value")
    components = [named(f"{parameter.type}.{code}") for code in codes]
    if components[1].kind == "quantity":
        return _code_and_quantity(parameter, components, parts, request)
    if parameter.root:
        return all_of([_COMPONENTS[c.kind]([c], [part], request) for c, part in zip(components, parts, strict=True)])
    return keys([key(parameter.name, "pair", *(_pair_part(part, request) for part in parts))], request)


def _code_and_quantity(
    parameter: Parameter, components: list[Parameter], parts: list[str], request: Request
) -> Criterion:
    code_parts = parts_of(parts[0])
    code = code_parts[-1]
    if not code and not parameter.root:
        raise bad(f"{parameter.code} needs a code, not only its system")
    held = stores(components[1:])
    with_keys = tuple(key(store.name, "with", code) for store in held) if code else ()
    value = ranges.one_quantity(numbers(held), with_keys, parts[1])
    return value if len(code_parts) == 1 else all_of([tokens(components[:1], parts[:1], request), value])


def _pair_part(part: str, request: Request) -> str:
    """As ``fhir.keys`` tells: ``c:code`` or ``sc:system|code``."""
    match parts_of(part):
        case [code] if code:
            return f"c:{request.local(code)}"
        case [system, code] if code:
            return f"sc:{system}|{code}"
        case _:
            raise bad(f"{shown(part)} is not [system]|[code]")
