"""What of a reserve entry may conflict with what the record says by now (S11, S12). Pure.

- An order that becomes active in reserve is not active in the record until a person says so: it is entered as on hold.
- Two doses of one drug closer than the order's interval are both kept, and raise an urgent task.

Which of two results is the later is ``fhir.laboratory``, which the journal itself keeps (``journal.laboratory``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from vaka import config
from vaka.copy.reserve.taken import ORDERS
from vaka.fhir.dates import parse

ACTIVE: Final = "active"
HELD: Final = "on-hold"
_ENDED: Final = frozenset({"completed", "cancelled", "stopped", "revoked", "entered-in-error"})
_GIVEN: Final = frozenset({"completed", "in-progress", "on-hold", "stopped"})
_UNIT_US: Final[Mapping[str, int]] = {
    "s": 1_000_000, "min": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000, "wk": 7 * 86_400_000_000,
    "mo": 30 * 86_400_000_000,
}  # fmt: skip


def activates(entered: Mapping[str, Any], standing: Mapping[str, Any] | None) -> bool:
    """Whether ``entered`` makes an order active that was not."""
    if entered.get("resourceType") not in ORDERS or entered.get("status") != ACTIVE:
        return False
    return standing is None or standing.get("status") != ACTIVE


def is_held(order: Mapping[str, Any]) -> bool:
    return order.get("resourceType") in ORDERS and order.get("status") == HELD


def has_ended(order: Mapping[str, Any]) -> bool:
    """Whether this is an order of which nothing is due any more."""
    return order.get("resourceType") in ORDERS and order.get("status") in _ENDED


def was_given(dose: Mapping[str, Any]) -> bool:
    """Whether a MedicationAdministration says that something was given."""
    return dose.get("resourceType") == "MedicationAdministration" and dose.get("status") in _GIVEN


def given_us(dose: Mapping[str, Any]) -> int | None:
    """When a dose began to be given; None where it does not say to the day."""
    period = dose.get("effectivePeriod")
    text = dose.get("effectiveDateTime") or (period.get("start") if isinstance(period, Mapping) else None)
    span = parse(text) if isinstance(text, str) else None
    return span[0] if span is not None else None


def order_of(dose: Mapping[str, Any]) -> str | None:
    """The id of the MedicationRequest that a dose was given by."""
    request = dose.get("request")
    text = request.get("reference") if isinstance(request, Mapping) else None
    kind, _, id_ = str(text).partition("/")
    return id_ if kind == "MedicationRequest" and id_ else None


def interval_us(order: Mapping[str, Any] | None) -> int:
    """The shortest time between two doses of an order; ``DOSE_INTERVAL_S`` where it does not say."""
    found: list[int] = []
    instructions = order.get("dosageInstruction") if order is not None else None
    for one in instructions if isinstance(instructions, list) else ():
        timing = one.get("timing") if isinstance(one, Mapping) else None
        repeat = timing.get("repeat") if isinstance(timing, Mapping) else None
        if not isinstance(repeat, Mapping):
            continue
        unit, period = _UNIT_US.get(str(repeat.get("periodUnit"))), repeat.get("period")
        if unit is not None and isinstance(period, int | float) and period > 0:
            found.append(int(unit * period / max(1, repeat.get("frequencyMax") or repeat.get("frequency") or 1)))
    return min(found) if found else config.DOSE_INTERVAL_S * 1_000_000


def too_close(dose: Mapping[str, Any], other: Mapping[str, Any], interval: int) -> bool:
    """Whether two doses are of one drug and closer than ``interval``. One whose time is unknown is close to all."""
    if not was_given(other) or not _drugs(dose) & _drugs(other):
        return False
    at, before = given_us(dose), given_us(other)
    return at is None or before is None or abs(at - before) < interval


def _drugs(dose: Mapping[str, Any]) -> set[str]:
    """What tells that two doses are of one drug: its codes, its name, its Medication, the order."""
    concept, reference = dose.get("medicationCodeableConcept"), dose.get("medicationReference")
    found = {f"order {id_}" for id_ in [order_of(dose)] if id_ is not None}
    if isinstance(reference, Mapping) and isinstance(reference.get("reference"), str):
        found.add(reference["reference"])
    if isinstance(concept, Mapping):
        found |= {f"{c.get('system')}|{c.get('code')}" for c in _list(concept.get("coding")) if c.get("code")}
        if isinstance(text := concept.get("text"), str):
            found.add(text.strip().casefold())
    return found


def _list(value: Any) -> Iterable[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
