"""Keys and strings of one value: tokens, names and text, references, uris.

Each function takes a parameter and gives what ``fhir.emit`` calls for every value of one data type. What each type is
found by: https://hl7.org/fhir/R4/search.html#token, #string, #reference, #uri.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from vaka.config import STRING_MAX_CHARS
from vaka.fhir.definitions import RESOURCE_TYPES, Parameter
from vaka.fhir.found import Emit, Found
from vaka.fhir.keys import key, parameter_mask, resource_key, url_reference_key
from vaka.fhir.text import fold, words

_FOLDED_FROM_CHARS: Final = 4 * STRING_MAX_CHARS
_BELOW_MAX: Final = 64
_LOCAL: Final = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?")
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_TYPES: Final = frozenset(RESOURCE_TYPES)


# Tokens ------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=16_384)
def word_keys(name: str, text: str) -> tuple[int, ...]:
    """The keys of ``:text``."""
    return tuple(key(name, "word", word) for word in words(text))


@lru_cache(maxsize=16_384)
def coding_keys(name: str, system: str, code: str, display: str) -> tuple[int, ...]:
    """The keys of one Coding: by code, by system and code, by system, by the words of its display."""
    found = [key(name, "c", code), key(name, "sc", system, code)] if code else []
    if system:
        found.append(key(name, "s", system))
    return (*found, *word_keys(name, display))


def coding(parameter: Parameter) -> Emit:
    name = parameter.name

    def emit(value: Any, _: dict[str, Any], found: Found) -> None:
        get = value.get
        found.tokens.update(coding_keys(name, get("system", ""), get("code", ""), get("display", "")))

    return emit


def codeable_concept(parameter: Parameter) -> Emit:
    name = parameter.name

    def emit(value: Any, _: dict[str, Any], found: Found) -> None:
        if text := value.get("text"):
            found.tokens.update(word_keys(name, text))
        for coding in value.get("coding", ()):
            get = coding.get
            found.tokens.update(coding_keys(name, get("system", ""), get("code", ""), get("display", "")))

    return emit


def identifier(parameter: Parameter) -> Emit:
    name = parameter.name
    make = key.__wrapped__  # most identifiers are met once: they would only drive others out of the cache

    def emit(value: Any, _: dict[str, Any], found: Found) -> None:
        add = found.tokens.add
        system, text = value.get("system", ""), value.get("value", "")
        if system:
            add(key(name, "s", system))
        if text:
            add(make(name, "c", text))
            add(make(name, "sc", system, text))
        if kind := value.get("type"):
            found.tokens.update(word_keys(name, kind.get("text", "")))
            for coding in kind.get("coding", ()) if text else ():
                add(make(name, "type", coding.get("system", ""), coding.get("code", ""), text))

    return emit


def plain_text(value: Any) -> str:
    """A primitive as a token's code."""
    if value is True:
        return "true"
    if value is False:
        return "false"
    return str(value)


def plain(parameter: Parameter) -> Emit:
    """code, boolean, string, id, uri. Where the parameter knows the systems, the code alone is stored."""
    name = parameter.name
    alone = parameter.systems is not None

    def emit(value: Any, _: dict[str, Any], found: Found) -> None:
        code = plain_text(value)
        found.tokens.add(key(name, "c", code))
        if not alone:
            found.tokens.add(key(name, "sc", "", code))

    return emit


def contact_point(parameter: Parameter) -> Emit:
    name = parameter.name

    def emit(value: Any, _: dict[str, Any], found: Found) -> None:
        if text := value.get("value"):
            found.tokens.add(key(name, "c", text))

    return emit


# Strings -----------------------------------------------------------------------------------------------------------


def _add_string(parameter: Parameter, text: str, found: Found) -> None:
    folded = fold(text) if len(text) <= STRING_MAX_CHARS else fold.__wrapped__(text[:_FOLDED_FROM_CHARS])
    if folded:
        found.strings.append((parameter.number, folded[:STRING_MAX_CHARS]))
        found.tokens.add(key(parameter.name, "exact", text))


def string(parameter: Parameter) -> Emit:
    def emit(value: Any, _: dict[str, Any], found: Found) -> None:
        _add_string(parameter, value, found)

    return emit


def _parts(parameter: Parameter, *names: str) -> Emit:
    """A HumanName or an Address: each of its parts."""

    def emit(value: Any, _: dict[str, Any], found: Found) -> None:
        for name in names:
            part = value.get(name)
            if type(part) is str:
                _add_string(parameter, part, found)
            elif part:
                for text in part:
                    if text is not None:
                        _add_string(parameter, text, found)

    return emit


def human_name(parameter: Parameter) -> Emit:
    return _parts(parameter, "text", "family", "given", "prefix", "suffix")


def address(parameter: Parameter) -> Emit:
    return _parts(parameter, "text", "line", "city", "district", "state", "postalCode", "country")


# References and uris -----------------------------------------------------------------------------------------------


@lru_cache(maxsize=16_384)
def local_reference(text: str) -> tuple[str, str] | None:
    """``Type/id`` (a version behind it is left out) as (type, id); None for any other reference."""
    match = _LOCAL.fullmatch(text)
    return (match[1], match[2]) if match and match[1] in _TYPES else None


def canonical_forms(uri: str) -> Iterable[str]:
    """``url|version`` and ``url`` of a canonical; else the uri itself."""
    bare = uri.partition("|")[0]
    return (uri,) if bare == uri else (uri, bare)


def reference(parameter: Parameter, narrow: str | None) -> Emit:
    name = parameter.name
    mask = parameter_mask(name)

    def emit(value: Any, _: dict[str, Any], found: Found) -> None:
        add = found.tokens.add
        if type(value) is dict:
            text = value.get("reference", "")
            held = value.get("identifier")
            if held and (number := held.get("value")):
                add(key(name, "id", held.get("system", ""), number))
                add(key(name, "idv", number))
            if display := value.get("display"):
                found.tokens.update(word_keys(name, display))
        else:
            text = value
        local = local_reference(text)
        if local is not None:
            if narrow is None or local[0] == narrow:
                add(resource_key(*local) ^ mask)
        elif _ADDRESS.match(text):
            for form in canonical_forms(text):
                add(url_reference_key(name, form))

    return emit


def inline(parameter: Parameter, narrow: str | None) -> Emit:
    """A resource in the resource (Bundle.entry[0].resource), found as if it were referred to."""
    mask = parameter_mask(parameter.name)
    present = key(parameter.name, "present")

    def emit(value: Any, _: dict[str, Any], found: Found) -> None:
        type_ = value["resourceType"]
        if type_ == narrow:
            found.tokens.add(present)
            if id_ := value.get("id"):
                found.tokens.add(resource_key(type_, id_) ^ mask)

    return emit


def uri_prefixes(uri: str) -> Iterable[str]:
    """``http://a.se/b/c`` → itself, ``http://a.se/b``, ``http://a.se``: what ``:below`` may be asked with."""
    scheme, separator, path = uri.partition("://")
    if not separator:
        return (uri,)
    segments = path.rstrip("/").split("/")[:_BELOW_MAX]
    return [f"{scheme}://" + "/".join(segments[:count]) for count in range(len(segments), 0, -1)]


def uri(parameter: Parameter) -> Emit:
    name = parameter.name

    def emit(value: Any, _: dict[str, Any], found: Found) -> None:
        for form in canonical_forms(value):
            found.tokens.add(key(name, "uri", form))
        if parameter.code == "url":
            found.tokens.update(key(name, "below", prefix) for prefix in uri_prefixes(value))
        elif parameter.code == "_source" and "#" in value:
            found.tokens.add(key(name, "uri", value.partition("#")[0]))

    return emit


def pair_parts(type_: str, value: Any, systems: Iterable[str]) -> list[str]:
    """A value as a part of a pair key (``c:code``, ``sc:system|code``); ``systems``: those that a plain code
    implies."""
    if type_ == "Reference":
        text = value["reference"]
        local = local_reference(text)
        return [f"c:{local[0]}/{local[1]}", f"c:{local[1]}"] if local else [f"c:{text}"]
    if type_ in {"CodeableConcept", "Coding"}:
        codings = value.get("coding", ()) if type_ == "CodeableConcept" else (value,)
        coded = [(c.get("system", ""), c["code"]) for c in codings if c.get("code")]
    else:
        coded = [(system, plain_text(value)) for system in systems]
    return list(dict.fromkeys(part for system, code in coded for part in (f"c:{code}", f"sc:{system}|{code}")))
