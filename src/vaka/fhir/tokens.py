"""Search values that are one key each: tokens, uris, references, ids, and the words of ``:text``.

Source: https://hl7.org/fhir/R4/search.html#token, #uri, #reference, #modifiers; the keys are those of ``fhir.keys``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from vaka.fhir import definitions, text
from vaka.fhir.criteria import Criterion, Ids
from vaka.fhir.definitions import Parameter
from vaka.fhir.keys import key, reference_key, resource_key, url_reference_key
from vaka.fhir.stored import all_of, any_of, keys, stores
from vaka.fhir.values import Request, Same, bad, itself, shown, split, unescape

ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_LOCAL: Final = re.compile(r"([A-Z][A-Za-z]{1,39})/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?")
_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+")
_URI_MAX_SEGMENTS: Final = 64


def parts_of(value: str) -> list[str]:
    """The parts between bars, escapes resolved."""
    return [unescape(part) for part in split(value, "|")]


# Tokens


def token_keys(parameter: Parameter, value: str) -> Iterator[int]:
    """The keys of ``code``, ``system|code``, ``|code`` or ``system|`` in a parameter that stores its own values."""
    match parts_of(value):
        case [code]:
            yield key(parameter.name, "c", code)
        case ["", ""]:
            raise bad("neither system nor code is given")
        case [system, code] if parameter.systems is not None:
            # A plain code is stored without system: the system asked for must be the one that the element implies.
            if system in parameter.systems:
                yield key(parameter.name, "c", code) if code else key(parameter.name, "present")
        case [system, ""]:
            yield key(parameter.name, "s", system)
        case [system, code]:
            yield key(parameter.name, "sc", system, code)
        case _:
            raise bad(f"{shown(value)} is not [system]|[code]; write \\| for a bar within a code")


def tokens(parameters: Sequence[Parameter], values: list[str], request: Request) -> Criterion:
    return keys((k for store in stores(parameters) for value in values for k in token_keys(store, value)), request)


def of_type(parameters: Sequence[Parameter], values: list[str], request: Request) -> Criterion:
    """``identifier:of-type=system|code|value``: the type of the identifier, and its value."""

    def found() -> Iterator[int]:
        for value in values:
            parts = parts_of(value)
            if len(parts) != 3 or not all(parts):
                raise bad(f"{shown(value)} is not [system]|[code]|[value], which :of-type needs")
            for store in stores(parameters):
                yield key(store.name, "type", *parts)

    return keys(found(), request)


def words_of(value: str) -> list[str]:
    """The lexemes of a value, without doubles; at least one."""
    found = list(dict.fromkeys(text.words(unescape(value))))
    if not found:
        raise bad(f"{shown(value)} has no word to search by")
    return found


def text_of(parameters: Sequence[Parameter], values: list[str], request: Request) -> Criterion:
    """``:text``: every word of a value stands in the text or display of what is coded or referred to."""

    def phrase(value: str) -> Criterion:
        return all_of(
            [keys((key(store.name, "word", word) for store in stores(parameters)), request) for word in words_of(value)]
        )

    return any_of([phrase(value) for value in values])


def exact(parameters: Sequence[Parameter], values: list[str], request: Request) -> Criterion:
    """``:exact`` of a string: case and accents count."""
    return keys((key(s.name, "exact", unescape(v)) for s in stores(parameters) for v in values), request)


# URIs


def uris(parameters: Sequence[Parameter], values: list[str], request: Request) -> Criterion:
    return keys((key(s.name, "uri", unescape(v)) for s in stores(parameters) for v in values), request)


def below(parameters: Sequence[Parameter], values: list[str], request: Request) -> Criterion:
    """The uri itself and those whose path continues it."""
    return keys((key(s.name, "below", unescape(v).rstrip("/")) for s in stores(parameters) for v in values), request)


def above(parameters: Sequence[Parameter], values: list[str], request: Request) -> Criterion:
    """The uri itself and those that it continues."""
    wanted = [uri for value in values for uri in uri_and_parents(unescape(value))]
    return keys((key(store.name, "uri", uri) for store in stores(parameters) for uri in wanted), request)


def uri_and_parents(uri: str) -> list[str]:
    """``http://a.se/b/c`` → itself, ``http://a.se/b``, ``http://a.se``, each also with a slash behind it."""
    scheme, separator, path = uri.partition("://")
    if not separator:
        return [uri]
    segments = path.rstrip("/").split("/")
    if len(segments) > _URI_MAX_SEGMENTS:
        raise bad(f"the uri has more than {_URI_MAX_SEGMENTS} segments")
    parents = [f"{scheme}://" + "/".join(segments[:count]) for count in range(len(segments), 0, -1)]
    return list(dict.fromkeys([uri, *(form for parent in parents for form in (parent, parent + "/"))]))


# References


def references(
    parameters: Sequence[Parameter], values: list[str], request: Request, only: str | None = None
) -> Criterion:
    """``Type/id``, ``id``, an address here or elsewhere, a canonical, ``urn:…``; ``only``: the modifier ``:[type]``."""
    code = parameters[0].code
    allowed = {type_ for parameter in parameters for type_ in parameter.targets}
    if only and only not in allowed:
        raise bad(f"{code} does not refer to {only}")

    def found(value: str) -> Iterator[int]:
        local = _LOCAL.fullmatch(request.local(value))
        if local and local[1] in definitions.RESOURCE_TYPES:
            type_, id_ = local[1], local[2]
            if only and type_ != only:
                raise bad(f"{shown(value)} is not a {only}")
            # A canonical may be the address of a resource here, though its parameter names no target type.
            if allowed and type_ not in allowed:
                raise bad(f"{code} does not refer to {type_}")
            yield from local_keys(parameters, (type_,), id_, request.same)
        elif ID.fullmatch(value):
            yield from local_keys(parameters, (only,) if only else definitions.RESOURCE_TYPES, value, request.same)
        elif only is None and _ABSOLUTE.fullmatch(value):
            yield from (url_reference_key(store.name, value) for store in stores(parameters))
        else:
            raise bad(f"{shown(value)} is not a reference: write Type/id, id or an absolute address")

    return keys((k for value in values for k in found(unescape(value))), request)


def local_keys(parameters: Sequence[Parameter], types: Sequence[str], id_: str, same: Same = itself) -> Iterator[int]:
    """The keys of a reference to ``types``/``id_`` by ``parameters``, each within its targets. To a Patient: under all ids of its
    record, but for a Patient's own links, which say how the ids belong together."""
    for parameter in parameters:
        for name, narrowed in parameter.stored_as:
            for type_ in types:
                if narrowed in (None, type_) and type_ in (parameter.targets or types):
                    for one in same(id_) if type_ == "Patient" and parameter.type != "Patient" else (id_,):
                        yield reference_key(name, type_, one)


def identifiers(parameters: Sequence[Parameter], values: list[str], request: Request) -> Criterion:
    """``:identifier``: by the identifier that the reference carries, not by what it refers to."""

    def found() -> Iterator[int]:
        for value in values:
            parts = parts_of(value)
            if len(parts) > 2 or not parts[-1]:
                raise bad(f"{shown(value)} is not [system]|[value]")
            for store in stores(parameters):
                yield key(store.name, "id", *parts) if len(parts) == 2 else key(store.name, "idv", *parts)

    return keys(found(), request)


def ids(parameters: Sequence[Parameter], values: list[str], request: Request) -> Criterion:
    """``_id``."""
    for value in values:
        if not ID.fullmatch(value):
            raise bad(f"{shown(value)} is not an id")
    types = [parameter.type for parameter in parameters]
    request.spend(keys=len(types) * len(values))
    return Ids(tuple(dict.fromkeys(resource_key(type_, value) for type_ in types for value in values)))
