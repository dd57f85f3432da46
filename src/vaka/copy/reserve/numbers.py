"""Reserve encounter numbers and reserve personal numbers (S18): how they look, and which copy may give which. Pure.

Invariants: every copy has a number of its own (1 to 498), given by the journal once and for ever, and with it ranges
that no other has; a
number has a check digit (Luhn), so that one digit misread or two swapped are noticed.
The personal number is the region's reserve number: 99, nine digits, check digit (urn:oid:1.2.752.97.3.1.3); serials
from 500,000,000 are
set aside for stops. The encounter number is ``R``, three digits for the copy, six of a running number, check digit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from vaka.errors import Invalid
from vaka.fhir import exact
from vaka.fhir.luhn import check_digit

PERSONAL: Final = "urn:oid:1.2.752.97.3.1.3"
ENCOUNTER: Final = "urn:x-vaka:reserve-encounter"
COPY_MAX: Final = 498
PERSONAL_PER_COPY: Final = 1_000_000
ENCOUNTERS_PER_COPY: Final = 1_000_000
_FIRST: Final = 500_000_000
_ENCOUNTER: Final = re.compile(r"R(\d{3})(\d{6})(\d)", re.ASCII)
_PERSONAL: Final = re.compile(r"99(\d{9})(\d)", re.ASCII)


def require_copy(copy: int) -> None:
    if not 1 <= copy <= COPY_MAX:
        raise Invalid(f"a copy's number for reserve numbers is 1 to {COPY_MAX}, not {copy}")


def personal(copy: int, serial: int) -> str:
    """The ``serial``-th personal number of the copy with this number. Invalid past its range."""
    require_copy(copy)
    if not 0 <= serial < PERSONAL_PER_COPY:
        raise Invalid("this copy has given all its reserve numbers", help="the journal gives it another number")
    text = f"{_FIRST + copy * PERSONAL_PER_COPY + serial:09d}"
    return f"99{text}{check_digit(text)}"


def encounter(copy: int, serial: int) -> str:
    """The ``serial``-th encounter number of the copy with this number. Invalid past its range."""
    require_copy(copy)
    if not 0 <= serial < ENCOUNTERS_PER_COPY:
        raise Invalid("this copy has given all its encounter numbers", help="the journal gives it another number")
    text = f"{copy:03d}{serial:06d}"
    return f"R{text}{check_digit(text)}"


def copy_of(number: str) -> int | None:
    """The copy that gave a number for a stop; None for what is none, or has been misread."""
    if (found := _ENCOUNTER.fullmatch(number)) is not None:
        return int(found[1]) if check_digit(found[1] + found[2]) == int(found[3]) else None
    if (found := _PERSONAL.fullmatch(number)) is not None and check_digit(found[1]) == int(found[2]):
        copy = (int(found[1]) - _FIRST) // PERSONAL_PER_COPY
        return copy if 1 <= copy <= COPY_MAX else None
    return None


_HERE: Final = frozenset({"arrived", "triaged", "in-progress"})


def needs_number(resource: Mapping[str, Any]) -> bool:
    """Whether this is the visit of somebody who has come, and has no number yet."""
    return (
        resource.get("resourceType") == "Encounter"
        and resource.get("status") in _HERE
        and not resource.get("identifier")
    )


def with_number(body: bytes, number: str) -> bytes:
    """A visit with its reserve number."""
    resource = exact.loads(body)
    resource["identifier"] = [
        {"use": "temp", "system": ENCOUNTER, "value": number},
        *(resource.get("identifier") or ()),
    ]
    return exact.dumps(resource)


def misread(resource: Mapping[str, Any]) -> Iterator[str]:
    """Numbers in ``resource`` that look as if a copy had given them, and that none has: a digit is wrong, or two are swapped."""
    held = resource.get("identifier")
    for one in held if isinstance(held, list) else ():
        if not isinstance(one, Mapping):
            continue
        system, value = one.get("system"), str(one.get("value", ""))
        if system == ENCOUNTER and copy_of(value) is None:
            yield value
        if system == PERSONAL and value.startswith("995") and copy_of(value) is None:
            yield value
