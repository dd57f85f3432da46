"""Search values that are ranges: dates, numbers, quantities; and strings, which are ranges of folded text.

Source: https://hl7.org/fhir/R4/search.html#date, #number, #quantity, #string, #prefix. How each prefix compares a row
with the range asked for is told, and done, in ``fhir.matching``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from vaka import config
from vaka.fhir import dates, quantities, text
from vaka.fhir.criteria import Criterion, Dates, LastUpdated, Prefix, Quantities, Strings
from vaka.fhir.definitions import Parameter
from vaka.fhir.index import DATE_MAX_US, DATE_MIN_US
from vaka.fhir.stored import any_of, numbers, stores
from vaka.fhir.tokens import parts_of
from vaka.fhir.values import Number, Request, bad, number, ordered, prefixed, shown, unescape

_AP_PART: Final = 10  # "approximately" a date: a tenth of the time between now and it


def date_range(value: str, request: Request) -> tuple[Prefix, int, int]:
    """``ge2024-05`` → (ge, first, end) in microseconds, half-open; for ``ap`` widened."""
    prefix, text_ = prefixed(unescape(value))
    found = dates.parse(text_)
    if found is None:
        raise bad(f"{shown(text_)} is not a date: write YYYY-MM-DD, or YYYY-MM-DDThh:mm:ss+01:00")
    low, high = found
    if prefix == "ap":
        wider = abs(request.now_us - (low + high) // 2) // _AP_PART
        low, high = max(low - wider, DATE_MIN_US), min(high + wider, DATE_MAX_US)
    return prefix, low, high


def date(parameters: Sequence[Parameter], values: list[str], request: Request) -> Criterion:
    held = stores(parameters)
    single = len(held) == len(parameters) and all(store.single for store in held)
    params = numbers(parameters)
    return any_of([Dates(params, *date_range(value, request), single) for value in values])


def updated(parameters: Sequence[Parameter], values: list[str], request: Request) -> Criterion:
    """``_lastUpdated``."""
    return any_of([LastUpdated(*date_range(value, request)) for value in values])


def plain_number(parameters: Sequence[Parameter], values: list[str], request: Request) -> Criterion:
    params = numbers(parameters)
    return any_of([Quantities(params, (), 0, *number(unescape(value))) for value in values])


def quantity(parameters: Sequence[Parameter], values: list[str], request: Request) -> Criterion:
    params = numbers(parameters)
    return any_of([one_quantity(params, (), value) for value in values])


def one_quantity(params: tuple[int, ...], with_keys: tuple[int, ...], value: str) -> Criterion:
    """``[prefix]number``, ``number|system|code`` or ``number||code``; ``with_keys``: only values that stand with
    these codes."""
    match parts_of(value):
        case [digits] | [digits, "", ""]:
            return Quantities(params, with_keys, 0, *number(digits))
        case [digits, system, code] if code:
            unit, asked = _in_unit(number(digits), system, code)
            return Quantities(params, with_keys, unit, *asked)
        case _:
            raise bad(f"{shown(value)} is not [number], [number]|[system]|[code] or [number]||[code]")


def _in_unit(asked: Number, system: str, code: str) -> tuple[int, Number]:
    """The unit's key, and the number with its range in that unit's base."""
    converted = [quantities.canonical(value, system, code) for value in (asked.value, asked.low, asked.high)]
    found = [pair for pair in converted if pair is not None]
    if len(found) < len(converted):
        raise bad(f"the value is out of range in {shown(code)}")
    value, low, high = (pair[1] for pair in found)
    return found[0][0], Number(asked.prefix, value, *ordered(value, low, high))


def string(parameters: Sequence[Parameter], values: list[str], request: Request) -> Criterion:
    return any_of([Strings(numbers(parameters), "prefix", folded(value)) for value in values])


def contains(parameters: Sequence[Parameter], values: list[str], request: Request) -> Criterion:
    return any_of([Strings(numbers(parameters), "contains", folded(value)) for value in values])


def folded(value: str) -> str:
    """A value as strings are stored; one with nothing to compare would match every string and is refused."""
    result = text.fold(unescape(value))
    if not result:
        raise bad(f"{shown(value)} has no letter or digit to search by")
    if len(result) > config.STRING_MAX_CHARS:
        raise bad(f"a string is searched by at most {config.STRING_MAX_CHARS} characters (:exact takes more)")
    return result
