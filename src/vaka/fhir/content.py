"""The words of a resource, for ``_content`` and ``_text`` (https://hl7.org/fhir/R4/search.html#content).

Words come from what people read: strings, markdown, the narrative, and text attachments (a note in Swedish is usually
an Attachment). Not from codes, dates, addresses, identifiers and units, which have parameters of their own.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, Final, TypeAlias

from vaka.config import WORDS_MAX
from vaka.fhir.definitions import structure
from vaka.fhir.text import lexemes, without_markup, words

ATTACHMENT_MAX_CHARS: Final = 1_400_000
_NOT_WORDS: Final = frozenset({
    ("Identifier", "value"), ("ContactPoint", "value"), ("Quantity", "unit"), ("Coding", "version"),
    ("SampledData", "data"), ("Attachment", "data"), ("Reference", "reference"), ("Signature", "data"),
})  # fmt: skip
_DEPTH_MAX: Final = 70
_TEXTS: Final = frozenset({"text", "xhtml"})

_Add: TypeAlias = Callable[[Sequence[str], bool], None]

_Shape: TypeAlias = dict[str, str]
"""JSON property → "text", "xhtml", "attachment", "resource", or the name of the structure that it holds."""


@cache
def _shape(name: str) -> _Shape:
    made: _Shape = {}
    for property_, (_, type_) in structure(name).properties.items():
        if property_ in {"id", "meta"} or (name, property_) in _NOT_WORDS:
            continue
        if type_ in {"string", "markdown"}:
            made[property_] = "text"
        elif type_ == "xhtml":
            made[property_] = "xhtml"
        elif type_ == "Attachment":
            made[property_] = "attachment"
        elif type_ == "Resource":
            made[property_] = "resource"
        elif structure(type_).kind != "primitive":
            made[property_] = type_
    return made


def _attached(attachment: dict[str, Any]) -> list[str]:
    """The words of a text that is attached inside the resource."""
    kind, data = attachment.get("contentType", ""), attachment.get("data")
    if not data or not kind.startswith("text/") or len(data) > ATTACHMENT_MAX_CHARS:
        return []
    text = base64.b64decode(data).decode("utf-8", "replace")
    return lexemes(without_markup(text) if kind.startswith("text/html") else text)


def _walk(shape: _Shape, value: dict[str, Any], depth: int, narrative: bool, add: _Add) -> None:
    """Adds each word, and whether it stands in the narrative, in the order of the resource."""
    if depth > _DEPTH_MAX:
        return
    for property_, held in value.items():
        kind = shape.get(property_)
        if kind is None:
            continue
        for one in held if type(held) is list else (held,):
            if type(one) is str:
                if kind == "text":
                    add(words(one), False)
                elif kind == "xhtml":
                    add(lexemes(without_markup(one)), narrative)
            elif type(one) is dict and kind not in _TEXTS:
                _element(kind, one, depth, add)


def _element(kind: str, value: dict[str, Any], depth: int, add: _Add) -> None:
    if kind == "resource":
        type_ = value.get("resourceType", "")
        try:
            shape = _shape(type_)
        except (KeyError, TypeError):
            return
        _walk(shape, value, depth + 1, False, add)
        return
    if kind == "attachment":
        try:
            add(_attached(value), False)
        except (binascii.Error, ValueError, AttributeError, TypeError):
            pass
        kind = "Attachment"
    _walk(_shape(kind), value, depth + 1, kind == "Narrative" and depth == 0, add)


class _Enough(Exception):
    """As many words as are kept have been met."""


def content_words(resource: dict[str, Any]) -> list[str]:
    """The lexemes of ``fhir.index.IndexRows.words``: those met first, up to the limit, sorted."""
    found: set[str] = set()

    def add(some: Sequence[str], narrative: bool) -> None:
        if len(found) + 2 * len(some) < WORDS_MAX:
            found.update(some)
            if narrative:
                found.update(["_" + word for word in some])
            return
        for word in some:
            found.add(word)
            if narrative:
                found.add("_" + word)
            if len(found) >= WORDS_MAX:
                raise _Enough

    with suppress(_Enough):
        _walk(_shape(resource["resourceType"]), resource, 0, False, add)
    return sorted(found)[:WORDS_MAX]
