"""When the next dose is due, and what is overdue: asked when a sheet is shown, for the present time. Pure; decision support of
its own, so it stands in a module of its own (care-rules: medical device).

Invariants: only orders of inpatients with times of day or an interval have a next dose (of one that does not say whose it is, its
line says that it is not known); drafts and drugs taken as needed have none (S12); a time of day is local time of Sweden, an
interval is elapsed time (S6); where something may be hidden or out of reach, a dose that was not told of is "unknown", never "not
given" or overdue (S3, S11).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from vaka import config
from vaka.copy.sheet.elements import Json, at_us, code, many, one, text, when
from vaka.copy.sheet.elements import dose as amount_of
from vaka.copy.sheet.entry import Found, Gathered
from vaka.copy.sheet.medication import SECTION, atc, drug, last_given, until
from vaka.fhir.dates import ZONE

_MINUTE_US: Final = 60_000_000
_DAY_US: Final = 86_400_000_000
_UNITS_US: Final = {"h": 60 * _MINUTE_US, "min": _MINUTE_US, "d": _DAY_US}
_TIMES_MAX: Final = 24
_COUNTED: Final = frozenset({"inpatient", "discharge"})
_NEVER: Final = -(2**62)


class State(StrEnum):
    NEXT = "next"
    OVERDUE = "overdue"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Due:
    """One line: ``at_us``, when it is or was due."""

    what: str
    dose: str
    at_us: int
    state: State


def scheduled(gathered: Gathered) -> tuple[list[list[Any]], set[str]]:
    """What ``due`` needs of each order: [reference, ATC, drug, dose, times of day in minutes, interval µs, from µs, until µs], as
    JSON keeps it; and the orders whose times are not counted, since they do not say whether they are an inpatient's."""
    rows: list[list[Any]] = []
    not_counted: set[str] = set()
    for found, row in gathered.each(SECTION, ("MedicationRequest",), _row):
        category = code(found.resource.get("category"))
        if category in _COUNTED:
            rows.append(row)
        elif not category:
            not_counted.add(str(row[0]))
    return rows, not_counted


def given(gathered: Gathered) -> dict[str, int]:
    """When each order, and each ``atc:CODE`` and ``loose:CODE``, was last given, in microseconds."""
    return {name: at_us(line["at"]) for name, line in last_given(gathered).items()}


def due(
    schedules: Iterable[Sequence[Sequence[Any]]], doses: Iterable[Mapping[str, int]], now_us: int, *, certain: bool
) -> list[Due]:
    """What is due within 24 h and what is overdue, earliest first. ``schedules``, ``doses``: of each fragment that the reader may
    see; ``certain``: nothing is hidden, and no copy that takes entries is out of reach."""
    newest: dict[str, int] = {}
    for each in doses:
        for name, at in each.items():
            newest[name] = max(at, newest.get(name, at))
    found = [one for rows in schedules for row in rows for one in _of(row, newest, now_us, certain)]
    return sorted(found, key=lambda one: (one.at_us, one.what))


def elsewhere(
    seen: Sequence[tuple[Sequence[Sequence[Any]], Mapping[str, int]]], now_us: int
) -> list[tuple[str, str, int]]:
    """(order, drug, when) of orders whose last dose another owner gave than the order's: its own line lacks it. ``seen``: what is
    ordered and given, of each fragment that the reader may see."""
    newest: dict[str, int] = {}
    for _, doses in seen:
        for order, at in doses.items():
            newest[order] = max(at, newest.get(order, at))
    found = [
        (order, what, last)
        for ordered, doses in seen
        for order, what, until_us, group, from_us in ordered
        if (last := _last(newest, order, group, from_us)) > _last(doses, order, group, from_us)
        and (until_us is None or until_us > now_us)
    ]
    return sorted(found, key=lambda one: (-one[2], one[1]))


def _last(doses: Mapping[str, int], order: str, group: str, from_us: int) -> int:
    """As the order's line has it (``medication.last_of``)."""
    loose = doses.get(f"loose:{group}", _NEVER) if group else _NEVER
    return max(doses.get(order, _NEVER), loose if loose >= from_us else _NEVER)


def _of(row: Sequence[Any], newest: Mapping[str, int], now_us: int, certain: bool) -> list[Due]:
    reference, group, what, dose, minutes, interval_us, from_us, until_us = row
    last = newest.get(reference, -(2**62))
    if last < from_us and group:  # given by hand, without naming its order
        last = max(last, newest.get(f"atc:{group}", last))
    before, after = _around(minutes, interval_us, from_us, last, now_us)
    made = []
    if before is not None and from_us <= before < until_us:
        # A dose within half the way to the one before it counts as this one, given early.
        half = (interval_us or _gap(minutes)) // 2
        if last < before - half:
            late = now_us - before > config.DOSE_GRACE_MIN * _MINUTE_US
            made.append(
                Due(what, dose, before, State.UNKNOWN if not certain else State.OVERDUE if late else State.NEXT)
            )
    if after is not None and from_us <= after < until_us and after <= now_us + _DAY_US:
        made.append(Due(what, dose, after, State.NEXT))
    return made


def _around(
    minutes: Sequence[int], interval_us: int, from_us: int, last: int, now_us: int
) -> tuple[int | None, int | None]:
    """The scheduled times before and after now."""
    if interval_us:
        next_ = last + interval_us if last >= from_us else from_us
        return (next_, next_ + interval_us) if next_ <= now_us else (None, next_)
    if not minutes:
        return None, None
    today = _local_day(now_us // (15 * _MINUTE_US))
    at = [moment for day in (-1, 0, 1) for moment in _times(today + day, tuple(minutes))]
    return max((one for one in at if one <= now_us), default=None), min(
        (one for one in at if one > now_us), default=None
    )


def _gap(minutes: Sequence[int]) -> int:
    """The shortest way between two times of day."""
    at = sorted(minutes)
    return min((b - a for a, b in zip(at, [*at[1:], at[0] + 1440], strict=True)), default=1440) * _MINUTE_US


@lru_cache(maxsize=64)
def _local_day(quarter: int) -> int:
    """The day in Sweden, by quarters of an hour since 1970."""
    return datetime.fromtimestamp(quarter * 900, UTC).astimezone(ZONE).toordinal()


@lru_cache(maxsize=4_096)
def _times(day: int, minutes: tuple[int, ...]) -> tuple[int, ...]:
    """The moments of these local times; one that the clock skips is the same way after midnight as it says, one that comes twice
    is the first."""
    made = []
    for each in minutes:
        local = datetime.combine(date.fromordinal(day), time(each // 60, each % 60), ZONE)
        made.append(int(local.timestamp()) * 1_000_000)
    return tuple(made)


def _row(found: Found) -> list[Any] | None:
    resource = found.resource
    if resource.get("status") != "active" or code(resource.get("category")) not in (*_COUNTED, ""):
        return None
    if resource.get("intent") in ("proposal", "plan", "option") or resource.get("doNotPerform") is True:
        return None
    minutes: set[int] = set()
    interval, doses = 0, []
    for dosage in many(resource.get("dosageInstruction")):
        if dosage.get("asNeededBoolean") is True or dosage.get("asNeededCodeableConcept"):
            continue
        repeat = one(one(dosage.get("timing")).get("repeat"))
        of_day = repeat.get("timeOfDay")
        times = [
            found_ for each in (of_day if isinstance(of_day, list) else ()) if (found_ := _minute(each)) is not None
        ]
        minutes.update(times[:_TIMES_MAX])
        interval = interval or (0 if times else _interval(repeat))
        if amount := _amount(dosage):
            doses.append(amount)
    if not minutes and not interval:
        return None
    start, end = at_us(when(resource, "authoredOn")), until(resource)
    reference = f"MedicationRequest/{found.entry.id}"
    dose = ", ".join(dict.fromkeys(doses))
    interval = 0 if minutes else interval
    return [
        reference,
        atc(resource),
        drug(resource),
        dose,
        sorted(minutes),
        interval,
        start,
        end if end is not None else 2**62,
    ]


def _minute(value: Any) -> int | None:
    try:
        at = time.fromisoformat(value)
    except (ValueError, TypeError):
        return None
    return at.hour * 60 + at.minute


def _interval(repeat: Json) -> int:
    """Between two doses, in microseconds; 0 where it cannot be told."""
    frequency, period = repeat.get("frequency", 1), repeat.get("period")
    unit = _UNITS_US.get(str(repeat.get("periodUnit")), 0)
    if not isinstance(frequency, int) or not isinstance(period, int | float) or frequency < 1 or not 0 < period < 1_000:
        return 0
    made = int(period * unit / frequency)
    # Once a day or more seldom without a time of day says nothing of an hour.
    return made if 15 * _MINUTE_US <= made < _DAY_US else 0


def _amount(dosage: Json) -> str:
    return amount_of(one(dosage.get("doseAndRate")).get("doseQuantity")) or text(dosage.get("text"), 80)
