"""The parameters that shape a search's answer: order, page, total, summary, elements, includes.

Source: https://hl7.org/fhir/R4/search.html#sort, #count, #total, #include, #summary, #elements, #contained.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias, get_args

from vaka import config
from vaka.fhir import definitions
from vaka.fhir.chains import common
from vaka.fhir.criteria import Include, SortKey
from vaka.fhir.elements import element_name
from vaka.fhir.leaves import kind_of
from vaka.fhir.stored import numbers
from vaka.fhir.values import Unsupported, bad, shown

Total: TypeAlias = Literal["none", "estimate", "accurate"]
Summary: TypeAlias = Literal["true", "text", "data", "count", "false"]

_SOURCES: Final[dict[str, Literal["date", "quantity", "string", "updated", "id", "text"]]] = {
    "date": "date",
    "number": "quantity",
    "quantity": "quantity",
    "string": "string",
    "token": "text",
    "uri": "text",
    "reference": "text",
    "id": "id",
    "updated": "updated",
}
_DIGITS: Final = re.compile(r"\d{1,4000}", re.ASCII)


def sort(types: Sequence[str], value: str) -> tuple[SortKey, ...]:
    """``-date,name``: the most important key first, ``-`` for descending. Raises ``Unsupported`` for what cannot be
    sorted by."""
    keys = []
    for text in value.split(","):
        code = text.removeprefix("-")
        if not code:
            raise bad("a sort key is empty")
        parameters = common(types, code)
        source = _SOURCES.get(kind_of(parameters[0]))
        if source is None:
            raise Unsupported(f"{code} has no order to sort by")
        params = numbers(parameters) if source in ("date", "quantity", "string") else ()
        keys.append(SortKey(source, params, code, text.startswith("-")))
    return tuple(dict.fromkeys(keys))


def count(value: str) -> int:
    """``_count``: at most config.PAGE_MAX_COUNT; 0 asks for the number of matches only."""
    if not _DIGITS.fullmatch(value):
        raise bad(f"{shown(value)} is not a number of resources")
    return min(int(value), config.PAGE_MAX_COUNT)


def total(value: str) -> Total:
    for known in get_args(Total):
        if value == known:
            return known  # type: ignore[no-any-return]
    raise bad(f"_total is one of {', '.join(get_args(Total))}, not {shown(value)}")


def summary(value: str) -> Summary:
    for known in get_args(Summary):
        if value == known:
            return known  # type: ignore[no-any-return]
    raise bad(f"_summary is one of {', '.join(get_args(Summary))}, not {shown(value)}")


def elements(value: str) -> tuple[str, ...]:
    """``_elements=id,status``: names of elements at the top of the resource; a type before the name is dropped."""
    names = []
    for text in value.split(","):
        name = element_name(text)
        if name is None:
            raise bad(f"{shown(text)} is not the name of an element")
        names.append(name)
    return tuple(dict.fromkeys(names))


def include(value: str, modifier: str, *, reverse: bool) -> Include:
    """``_include=Type:parameter[:target]``, ``Type:*`` or ``*``; ``modifier``: ``iterate`` (or its older name
    ``recurse``).

    Raises ``Unsupported`` for a parameter that the type does not have."""
    if modifier not in ("", "iterate", "recurse"):
        raise bad(f"the modifier {shown(':' + modifier)} is not supported on includes; supported: :iterate")
    if value == "*":
        return Include("*", "*", None, bool(modifier), reverse)
    parts = value.split(":")
    if len(parts) not in (2, 3) or not all(parts):
        raise bad("write [type]:[reference parameter], with :[target type] where it is to be narrowed")
    type_, code, target = parts[0], parts[1], parts[2] if len(parts) == 3 else None
    for name in (type_, target):
        if name is not None and name not in definitions.RESOURCE_TYPES:
            raise bad(f"{shown(name)} is not a resource type")
    if code != "*":
        parameter = common((type_,), code)[0]
        if parameter.kind != "reference":
            raise bad(f"{parameter.name} is not a reference")
        if target is not None and target not in parameter.targets:
            raise bad(f"{parameter.name} does not refer to {target}")
    return Include(type_, code, target, bool(modifier), reverse)
