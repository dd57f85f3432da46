"""Giving reserve personal numbers and reserve encounter numbers (S18).

Invariants: a number is recorded before it is given, with who asked and what was known of the person, and is never given
again; a new person
gets one only on two identifiers, or where it is said that nothing is known; who asks has been shown who it might be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from vaka.copy.reserve import numbers
from vaka.copy.reserve.journal import Away, JournalClient
from vaka.copy.reserve.store import ReserveStore
from vaka.errors import Invalid, Unavailable, Unprocessable

PERSONAL: Final = "personal"
ENCOUNTER: Final = "encounter"
"""Kinds of numbers."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What a person's reserve number rests on. ``identifiers``: (kind, value) such as ("name", "Åsa Ek"), ("born", "1951-03-02"),
    ("personnummer", …), ("described", …); ``unknown``: nothing is known; ``shown``: ids of the Patients who were shown as
    who it might be, None where nobody has looked."""

    identifiers: Sequence[tuple[str, str]] = ()
    unknown: bool = False
    shown: Sequence[str] | None = None


def require_ground(ground: Ground) -> None:
    """Invalid where a person's number would rest on too little."""
    kinds = {kind for kind, value in ground.identifiers if value.strip()}
    if ground.unknown is bool(kinds):
        raise Invalid("either identifiers or unknown", help="say what is known of the person, or that nothing is")
    if not ground.unknown and len(kinds) < 2:
        raise Invalid(
            "a reserve number needs two identifiers",
            help="for example name and date of birth; or say that the person is unknown",
        )


def personal(store: ReserveStore, ground: Ground, *, by: str, key: str | None = None) -> str:
    """A new reserve personal number; the same again for the same ``key`` of who asks. Invalid where its ground is not enough;
    Unavailable where this copy was never given a range."""
    require_ground(ground)
    if ground.shown is None:
        raise Invalid(
            "look first who it might be", help="search by what is known, and send the ids of those who were shown"
        )
    told = {
        "identifiers": [list(one) for one in ground.identifiers],
        "unknown": ground.unknown,
        "shown": list(ground.shown),
        "key": key,
    }
    return _once(store, PERSONAL, numbers.personal, by, told)


def encounter(store: ReserveStore, *, by: str, patient: str, key: str | None = None) -> str:
    """A new reserve encounter number, for a visit of this Patient; the same again for the same ``key`` of who asks."""
    return _once(store, ENCOUNTER, numbers.encounter, by, {"patient": patient, "key": key})


def _once(store: ReserveStore, kind: str, make: Callable[[int, int], str], by: str, told: Mapping[str, Any]) -> str:
    if told["key"] is not None and (before := store.given(kind, by, told["key"])) is not None:
        value, ground = before
        if orjson.loads(ground) != told:
            raise Unprocessable(
                "this Idempotency-Key was used for another request", help="make a new key for each request"
            )
        return value
    return store.give(_range(store), kind, make, by=by, ground=orjson.dumps(told).decode())


async def get_range(store: ReserveStore, journal: JournalClient) -> bool:
    """Asks the journal for this copy's number, once, while it is well: before it is needed. Whether it is known."""
    if store.range() is None:
        try:
            store.set_range(await journal.number(store.origin))
        except Away:
            return False
    return True


def _range(store: ReserveStore) -> int:
    found = store.range()
    if found is None:
        raise Unavailable(
            "this copy has no numbers to give: the journal has not been heard since it was made",
            help="use the paper series of the unit, and enter it afterwards",
        )
    return found
