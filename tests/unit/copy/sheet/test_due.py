"""When the next dose is due: local times, elapsed intervals, and what cannot be known."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.copy.sheet.building import NOW_US, concept, made

from vaka.copy.sheet.due import Due, State, due
from vaka.copy.sheet.stream import unpacked
from vaka.fhir.dates import ZONE

HOUR = 3_600_000_000


def us(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp()) * 1_000_000


def order(repeat: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "MedicationRequest", "status": "active", "intent": "order", "medicationCodeableConcept": concept("Alvedon"),
        "category": [{"coding": [{"code": "inpatient"}]}], "authoredOn": "2026-01-01",
        "dosageInstruction": [{"timing": {"repeat": repeat}, "doseAndRate": [{"doseQuantity": {"value": 1.0, "unit": "g"}}]}], **more,
    }  # fmt: skip


def dose(at: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "MedicationAdministration", "status": "completed", "medicationCodeableConcept": concept("Alvedon"),
        "request": {"reference": "MedicationRequest/i0"}, "effectiveDateTime": at, **more,
    }  # fmt: skip


DAILY = {"timeOfDay": ["08:00:00", "14:00:00", "20:00:00"], "frequency": 3, "period": 1, "periodUnit": "d"}
HOURLY = {"frequency": 1, "period": 6, "periodUnit": "h"}


def asked(*resources: dict[str, Any], now: int = NOW_US, certain: bool = True) -> list[Due]:
    found = made(*resources)
    return due([found.scheduled], [found.given], now, certain=certain)


def test_a_dose_of_now_stands_until_it_is_given() -> None:
    """Would break: at 14:03 the dose of 14:00 is neither next nor overdue, and nobody gives it."""
    found = asked(order(DAILY), dose("2026-11-29T08:05:00+01:00"))
    assert [(one.at_us, one.state) for one in found] == [
        (us("2026-11-29T14:00"), State.NEXT), (us("2026-11-29T20:00"), State.NEXT),
    ]  # fmt: skip
    given_ = asked(order(DAILY), dose("2026-11-29T08:05:00+01:00"), dose("2026-11-29T13:50:00+01:00"))
    assert [one.at_us for one in given_] == [us("2026-11-29T20:00")]


def test_overdue_after_an_hour_and_unknown_where_something_is_hidden() -> None:
    """Would break: a dose is given twice, since a copy out of reach had it (S11)."""
    late = us("2026-11-29T15:30")
    assert asked(order(DAILY), now=late)[0].state is State.OVERDUE
    assert asked(order(DAILY), now=late, certain=False)[0].state is State.UNKNOWN


def test_an_interval_is_elapsed_time() -> None:
    """Would break: in the night when the clock is set back, a dose of every six hours comes an hour late (S6)."""
    before = us("2026-10-24T22:00")
    found = asked(order(HOURLY), dose("2026-10-24T22:00:00+02:00"), now=before + HOUR)
    assert [one.at_us for one in found] == [before + 6 * HOUR]
    assert datetime.fromtimestamp((before + 6 * HOUR) / 1e6, ZONE).hour == 3


def test_a_time_of_day_is_local() -> None:
    """Would break: the morning dose comes at 07:00 once the clock is set back."""
    found = asked(order({"timeOfDay": ["08:00:00"]}), now=us("2026-10-24T20:00"))
    assert us("2026-10-25T08:00") in [one.at_us for one in found]


def test_what_has_no_next_dose() -> None:
    """Would break: a draft, a drug taken as needed or at home, or an order that is over stands as due (S12)."""
    needed = order(DAILY)
    needed["dosageInstruction"][0]["asNeededBoolean"] = True
    over = order({**DAILY, "boundsPeriod": {"end": "2026-11-01"}})
    home = order(DAILY, category=[{"coding": [{"code": "community"}]}])
    for one in (
        order(DAILY, status="draft"),
        order(DAILY, status="on-hold"),
        order(DAILY, intent="plan"),
        needed,
        over,
        home,
        order({}),
    ):
        assert asked(one) == []


def test_an_order_of_today_owes_no_dose_of_before() -> None:
    """Would break: an order of 14:02 shows the dose of 14:00 as overdue all afternoon."""
    found = asked(order(DAILY, authoredOn="2026-11-29T14:02:00+01:00"), now=us("2026-11-29T16:00"))
    assert [one.at_us for one in found] == [us("2026-11-29T20:00"), us("2026-11-30T08:00"), us("2026-11-30T14:00")][:1]


@given(
    st.lists(st.integers(0, 1439), min_size=1, max_size=6, unique=True),
    st.integers(us("2026-01-01T00:00"), us("2027-01-01T00:00")),
    st.lists(st.integers(-3 * 24 * 60, 0), max_size=4),
)
def test_never_less_than_one_line_and_never_what_was_just_given(
    minutes: list[int], now: int, given_: list[int]
) -> None:
    """Would break: the next dose of a daily order is lost on some day of the year; a dose given at its time stays overdue."""
    row = ["MedicationRequest/a", "", "Alvedon", "1 g", sorted(minutes), 0, 0, 2**62]
    doses = [{"MedicationRequest/a": now + each * 60_000_000} for each in given_]
    found = due([[row]], doses, now, certain=True)
    assert any(one.state is State.NEXT and now < one.at_us <= now + 25 * HOUR for one in found) or len(minutes) == 1
    late = [one for one in found if one.state is State.OVERDUE]
    for one in late:
        again = due([[row]], [*doses, {"MedicationRequest/a": one.at_us}], now, certain=True)
        assert one not in again


@pytest.mark.parametrize("repeat", [DAILY, HOURLY])
@pytest.mark.parametrize("category", ["", "inpatient", "outpatient"])
def test_an_order_that_does_not_say_whose_it_is_has_no_silent_times(repeat: dict[str, Any], category: str) -> None:
    """Would break (S3): an integration sends its orders without a category, no dose is ever due, and the sheet does not say why."""
    sent = order(repeat) | {"category": [{"coding": [{"code": category}]}] if category else []}
    found = made(sent)
    assert bool(asked(sent)) is (category == "inpatient")
    for form, text in (
        ("en", b"Next dose not known"),
        ("sv", "Nästa dos är inte känd".encode()),
        ("json", b"due_not_known"),
    ):
        shown = b"".join(unpacked(piece.part) for piece in found.pieces[form])
        assert (text in shown) is (not category)


@pytest.mark.parametrize("more", [{"status": "on-hold"}, {"dosageInstruction": [{"text": "vid behov"}]}])
def test_an_order_without_times_says_nothing_of_them(more: dict[str, Any]) -> None:
    """Would break: each line of a drug that is taken at home says that something is not known."""
    found = made(order(DAILY) | {"category": []} | more)
    assert b"due_not_known" not in b"".join(unpacked(piece.part) for piece in found.pieces["json"])
