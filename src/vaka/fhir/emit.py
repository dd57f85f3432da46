"""Which function of ``index_tokens`` and ``index_ranges`` indexes the values of a data type for a search parameter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from vaka.fhir import index_ranges, index_tokens
from vaka.fhir.definitions import Parameter
from vaka.fhir.found import Emit

_TOKENS: Final[Mapping[str, Callable[[Parameter], Emit]]] = {
    "Coding": index_tokens.coding,
    "CodeableConcept": index_tokens.codeable_concept,
    "Identifier": index_tokens.identifier,
    "ContactPoint": index_tokens.contact_point,
}
_DATES: Final[Mapping[str, Callable[[Parameter], Emit]]] = {
    "date": index_ranges.date,
    "dateTime": index_ranges.date,
    "instant": index_ranges.date,
    "Period": index_ranges.period,
    "Timing": index_ranges.timing,
}
_STRINGS: Final[Mapping[str, Callable[[Parameter], Emit]]] = {
    "HumanName": index_tokens.human_name,
    "Address": index_tokens.address,
    "string": index_tokens.string,
    "markdown": index_tokens.string,
}


def emitter(parameter: Parameter, type_: str, narrow: str | None, code_element: str | None) -> Emit | None:
    """The function for values of ``type_``; None where the parameter's kind has no use for them (a Procedure
    performed at an Age, a source that is an Attachment). ``narrow``, ``code_element``: see ``index_tokens.reference``,
    ``index_ranges.quantity``."""
    match parameter.kind:
        case "token":
            return _TOKENS.get(type_, index_tokens.plain)(parameter)
        case "date":
            return _DATES[type_](parameter) if type_ in _DATES else None
        case "string":
            return _STRINGS[type_](parameter)
        case "uri":
            return index_tokens.uri(parameter)
        case "reference" if type_ == "Resource":
            return index_tokens.inline(parameter, narrow)
        case "reference":
            return index_tokens.reference(parameter, narrow) if type_ != "Attachment" else None
        case "quantity":
            return index_ranges.quantity(parameter, type_, code_element)
        case "number":
            return index_ranges.number(parameter, type_)
        case _:
            raise ValueError(f"{parameter.name}: no values of kind {parameter.kind}")
