"""One search parameter with its modifier and values → a criterion without chains.

A modifier that the table at the end does not hold is refused: servers SHALL reject a search with a modifier that they
do not support. Source: https://hl7.org/fhir/R4/search.html#modifiers, #missing, #content.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from vaka import errors
from vaka.fhir import composites, definitions, ranges, tokens
from vaka.fhir.criteria import Criterion, Not, Tokens, Words
from vaka.fhir.definitions import Parameter
from vaka.fhir.keys import key
from vaka.fhir.stored import EVERYTHING, NOTHING, Builder, any_of, negated
from vaka.fhir.values import Request, alternatives, bad, shown

_OWN_KINDS: Final[Mapping[str, str]] = {"_id": "id", "_lastUpdated": "updated", "_text": "words", "_content": "words"}
_OR: Final = re.compile(r"(?<!\S)OR(?!\S)")
_AND: Final = re.compile(r"(?<!\S)AND(?!\S)")


def kind_of(parameter: Parameter) -> str:
    """The kind by which values are read; four parameters of all resources have one of their own."""
    return _OWN_KINDS.get(parameter.code, parameter.kind)


def leaf(parameters: Sequence[Parameter], modifier: str, value: str, request: Request) -> Criterion:
    """The criterion of ``parameters`` (one for each searched type, all of one kind). Raises ``errors.Invalid``."""
    kind = kind_of(parameters[0])
    if modifier == "missing" and kind != "words":
        return _missing(parameters, kind, value)
    if kind == "reference" and modifier in definitions.RESOURCE_TYPES:
        return tokens.references(parameters, alternatives(value, request), request, only=modifier)
    builder = _BUILDERS.get((kind, modifier))
    # Parts of a path are stored only of parameters called url (canonical addresses of definitions).
    if builder is None or (modifier == "below" and parameters[0].code != "url"):
        raise unknown_modifier(parameters[0], modifier)
    return builder(parameters, alternatives(value, request), request)


def unknown_modifier(parameter: Parameter, modifier: str) -> errors.Invalid:
    kind = kind_of(parameter)
    known = [f":{m}" for k, m in _BUILDERS if k == kind and m and (m != "below" or parameter.code == "url")]
    known += [":missing"] * (kind != "words") + [":[type]"] * (kind == "reference")
    message = f"the modifier {shown(':' + modifier)} is not supported on {parameter.code}"
    message += "; supported: " + ", ".join(sorted(known)) if known else ""
    return errors.Invalid(message, issues=[errors.Issue("error", "not-supported", message)])


def _missing(parameters: Sequence[Parameter], kind: str, value: str) -> Criterion:
    if value not in ("true", "false"):
        raise bad(f":missing is true or false, not {shown(value)}")
    if kind in ("id", "updated"):
        return NOTHING if value == "true" else EVERYTHING
    present = Tokens(tuple(key(parameter.name, "present") for parameter in parameters))
    return Not(present) if value == "true" else present


def _full_text(parameters: Sequence[Parameter], values: list[str], request: Request) -> Criterion:
    """``_text`` and ``_content``: all words of one alternative; a comma or OR separates alternatives, AND and quotes
    only words. ``_text`` reads the narrative alone, whose lexemes are stored with a leading ``_``."""
    mark = "_" if parameters[0].code == "_text" else ""
    phrases = [phrase for value in values for phrase in _OR.split(value)]
    request.spend(values=len(phrases))
    return any_of([Words(tuple(mark + word for word in tokens.words_of(_AND.sub(" ", phrase)))) for phrase in phrases])


_BUILDERS: Final[Mapping[tuple[str, str], Builder]] = {
    ("id", ""): tokens.ids,
    ("id", "not"): negated(tokens.ids),
    ("updated", ""): ranges.updated,
    ("words", ""): _full_text,
    ("token", ""): tokens.tokens,
    ("token", "not"): negated(tokens.tokens),
    ("token", "text"): tokens.text_of,
    ("token", "of-type"): tokens.of_type,
    ("string", ""): ranges.string,
    ("string", "contains"): ranges.contains,
    ("string", "exact"): tokens.exact,
    ("uri", ""): tokens.uris,
    ("uri", "not"): negated(tokens.uris),
    ("uri", "below"): tokens.below,
    ("uri", "above"): tokens.above,
    ("date", ""): ranges.date,
    ("number", ""): ranges.plain_number,
    ("quantity", ""): ranges.quantity,
    ("reference", ""): tokens.references,
    ("reference", "not"): negated(tokens.references),
    ("reference", "identifier"): tokens.identifiers,
    ("reference", "text"): tokens.text_of,
    ("composite", ""): composites.composite,
}
