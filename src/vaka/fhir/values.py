"""The text of one search value: escapes, alternatives, prefixes, numbers with their implied range, and the request's
limits.

Invariants: nothing here raises but ``errors.Invalid``; a number's range is never empty (``low <= value < high``).
Source: https://hl7.org/fhir/R4/search.html#escaping, #prefix, #number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Final, NamedTuple, TypeAlias, cast

from vaka import config, errors
from vaka.fhir.criteria import Prefix

# A bare id on a reference to anything makes 146 keys, and a search in the system one key for each type: bounded apart
# from the values, so that no request can cost seconds before it reaches the store.
KEYS_MAX: Final = 10 * config.QUERY_MAX_VALUES

_SHOWN_CHARS: Final = 60
_NUMBER_MAX_CHARS: Final = 64
_EXPONENT_MAX: Final = 330  # beyond it a binary double is zero or infinite
_AP_SHARE: Final = Decimal("0.1")
_EXACT: Final = Context(prec=200, Emax=2_000, Emin=-2_000)

_ESCAPE = re.compile(r"\\([,|$\\])")
_PREFIXED = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)(?=[-+.\d])")
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?([eE][-+]?\d{1,4})?", re.ASCII)
_UNWANTED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")


class Unsupported(Exception):
    """A parameter that this server does not apply: an error when the request is strict, else named as ignored."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


Same: TypeAlias = Callable[[str], Sequence[str]]


def itself(id_: str) -> Sequence[str]:
    """Nobody was merged."""
    return (id_,)


@dataclass(slots=True)
class Request:
    """What the leaves of one request share: where "here" is, when "now" is, and what may still be spent.
    ``same``: the ids under which the record of a Patient is kept, one or more (S23)."""

    base_url: str
    now_us: int
    same: Same = itself
    values_left: int = config.QUERY_MAX_VALUES
    keys_left: int = KEYS_MAX

    def local(self, reference: str) -> str:
        """A reference without the address of this server before it."""
        return reference.removeprefix(self.base_url.rstrip("/") + "/")

    def spend(self, values: int = 0, keys: int = 0) -> None:
        self.values_left -= values
        self.keys_left -= keys
        if self.values_left < 0:
            raise errors.TooLarge(f"the search has more than {config.QUERY_MAX_VALUES} values")
        if self.keys_left < 0:
            raise errors.TooLarge(
                "the search has too many values for so many resource types", help="Name the type, or search in parts."
            )


class Number(NamedTuple):
    """``value`` with the half-open range that its digits imply: 72.5 → [72.45, 72.55); for ``ap`` at least ± 10 %."""

    prefix: Prefix
    value: float
    low: float
    high: float


def shown(text: str) -> str:
    """``text`` as it may stand in a message: quoted, short, always encodable."""
    return f'"{clean(text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…")}"'


def clean(text: str) -> str:
    """``text`` with a replacement character for each that no FHIR string may hold."""
    return _UNWANTED.sub("\N{REPLACEMENT CHARACTER}", text)


def bad(message: str) -> errors.Invalid:
    """A value that breaks the rules; the caller's loop adds the parameter's name as path."""
    return errors.Invalid(message)


def is_clean(text: str) -> bool:
    """False where ``text`` holds what no FHIR string may hold: control characters, lone surrogates."""
    return _UNWANTED.search(text) is None


def split(text: str, separator: str) -> list[str]:
    """The parts between separators that no backslash protects; escapes stay, for the next split."""
    if "\\" not in text:
        return text.split(separator)
    parts: list[str] = []
    start, at = 0, 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == separator:
            parts.append(text[start:at])
            start = at + 1
        at += 1
    parts.append(text[start:])
    return parts


def unescape(text: str) -> str:
    """Escapes resolved; a backslash before anything else stands for itself."""
    return _ESCAPE.sub(r"\1", text) if "\\" in text else text


def alternatives(text: str, request: Request) -> list[str]:
    """The values that a comma joins by OR, still escaped. None of them may be empty: an empty value must never widen
    a search."""
    values = split(text, ",")
    request.spend(values=len(values))
    if not all(values):
        raise bad("a value is empty")
    return values


def prefixed(text: str) -> tuple[Prefix, str]:
    """``ge2024`` → (ge, 2024); without prefix eq."""
    found = _PREFIXED.match(text)
    return (cast(Prefix, found[1]), text[2:]) if found else ("eq", text)


def number(text: str) -> Number:
    """A prefixed number, e.g. ``ge5.40``. Beyond the range of a double: an error."""
    prefix, digits = prefixed(text)
    if len(digits) > _NUMBER_MAX_CHARS or not _NUMBER.fullmatch(digits):
        raise bad(f"{shown(text)} is not a number")
    exact = Decimal(digits)
    if exact and abs(exact.adjusted()) > _EXPONENT_MAX:
        raise bad(f"{shown(text)} is out of range")
    exponent = exact.as_tuple().exponent
    assert isinstance(exponent, int)
    # The letter of R4: 1e2 is 95 to 105, a digit more than it shows.
    place = max(exponent, -1_000) - ("e" in digits.lower())
    half = Decimal((0, (5,), place - 1))
    if prefix == "ap":
        half = max(half, _EXACT.multiply(exact.copy_abs(), _AP_SHARE))
    value, low, high = float(exact), float(_EXACT.subtract(exact, half)), float(_EXACT.add(exact, half))
    if not (math.isfinite(low) and math.isfinite(high)):
        raise bad(f"{shown(text)} is out of range")
    return Number(prefix, value, *ordered(value, low, high))


def ordered(value: float, low: float, high: float) -> tuple[float, float]:
    """``low`` and ``high`` around ``value``, and never empty where digits are finer than a double."""
    return min(low, value), max(high, math.nextafter(value, math.inf))
