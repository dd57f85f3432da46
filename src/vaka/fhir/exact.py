"""JSON read and written so that every number keeps its text: ``72.50`` stays ``72.50``.

FHIR decimals carry their precision (https://hl7.org/fhir/R4/datatypes.html#decimal); floats would lose it.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

from vaka.fhir.parse import without_bom


class Number(float):
    """A JSON number with a point or exponent that remembers how it was written."""

    text: str

    def __new__(cls, text: str) -> Number:
        made = super().__new__(cls, text)
        made.text = text
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> Number:
        return self


def loads(body: bytes) -> Any:
    """JSON that was checked before. Slower than orjson by far: only for what is written again."""
    return json.loads(without_bom(body), parse_float=Number, parse_int=_integer)


def dumps(value: Any, *, indent: bool = False) -> bytes:
    """Compact, or indented by two; members in their order."""
    return orjson.dumps(value, default=_number, option=orjson.OPT_INDENT_2 if indent else 0)


def _integer(text: str) -> int | Number:
    """An int, but for what an int or orjson would not write the same way: minus zero, and more than 64 bits."""
    return Number(text) if text == "-0" or len(text) > 18 else int(text)


def _number(value: Any) -> orjson.Fragment:
    if isinstance(value, Number):
        return orjson.Fragment(value.text)
    raise TypeError
