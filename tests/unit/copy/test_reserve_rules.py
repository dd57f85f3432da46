"""The reserve's pure parts: the mode, what is handed over next, what is taken, the numbers."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.copy.reserve_entries import entry

from vaka import config
from vaka.api.reserve import conflicts
from vaka.copy.reserve import numbers
from vaka.copy.reserve.back import Facts, missing
from vaka.copy.reserve.entry import Base, Entry, State
from vaka.copy.reserve.mode import (
    GAP_MAX_S,
    Committed,
    Drained,
    Event,
    Forced,
    Left,
    Mode,
    Silent,
    Standing,
    after,
    to_reserve,
)
from vaka.copy.reserve.plan import plan
from vaka.copy.reserve.shown import shown
from vaka.copy.reserve.taken import require_taken
from vaka.errors import Invalid, OnlyJournal

_EVENTS = st.one_of(
    st.just(Committed()),
    st.just(Silent()),
    st.just(Drained()),
    st.just(Forced("Ada", "why")),
    st.just(Left("Bo", "why")),
)


@given(st.lists(st.tuples(_EVENTS, st.floats(0.1, 8.0)), max_size=80))
def test_the_mode_keeps_its_rules(steps: list[tuple[Event, float]]) -> None:
    """Would break S14 and S31: back too early, a person overruled, or a write lost between."""
    state, now, good_since = Standing(), 0.0, None
    last = 0.0
    for event, wait in steps:
        now += wait
        before = state
        state = after(before, event, now)
        if before.mode is Mode.FORCED:
            assert state.mode is (Mode.RETURNING if isinstance(event, Left) else Mode.FORCED)
        if isinstance(event, Silent):
            assert state.mode in (Mode.RESERVE, Mode.FORCED)
        if isinstance(event, Committed) and before.mode is Mode.RESERVE:
            good_since = now if good_since is None or now - last > GAP_MAX_S else good_since
            last = now
            assert (state.mode is Mode.RETURNING) is (now - good_since >= config.RESERVE_BACK_S)
        if state.mode is not Mode.RESERVE or isinstance(event, Silent):
            good_since = None
        if state.mode is Mode.JOURNAL and before.mode is not Mode.JOURNAL:
            assert before.mode is Mode.RETURNING
            assert isinstance(event, Drained)


def test_a_write_goes_where_the_mode_says() -> None:
    """Would break: a write would pass entries of its patient that wait, or wait for a journal that is away."""
    assert to_reserve(Standing(), waits=False) is None
    assert to_reserve(Standing(Mode.RETURNING), waits=False) is None
    assert to_reserve(Standing(Mode.RETURNING), waits=True)
    assert to_reserve(Standing(Mode.JOURNAL), waits=True)
    assert to_reserve(Standing(Mode.FORCED, reason="upgrade"), waits=False) == "upgrade"


def _numbered(*entries: Entry) -> list[Entry]:
    return [dataclasses.replace(one, number=n) for n, one in enumerate(entries, 1)]


def _ready(entries: list[Entry], going: tuple[int, ...] = ()) -> list[int]:
    return [one.number for one in plan(entries, going).ready]


def test_one_patient_goes_in_order_and_patients_go_side_by_side() -> None:
    """Would break: a correction would arrive before what it corrects."""
    entries = _numbered(entry("a"), entry("a"), entry("b"), entry(None), entry("b"))
    assert _ready(entries) == [1, 3, 4]
    assert _ready(entries, going=(1,)) == [3, 4]


def test_what_was_refused_holds_back_only_what_refers_to_it() -> None:
    """Would break S14: one refused entry would stop a patient, or what needs it would be sent without it."""
    patient = entry("new", type="Patient", resource="new", state=State.REFUSED, refers=())
    visit = entry("new", type="Encounter", resource="v")
    dose = entry("new", refers=("Encounter/v",))
    other = entry("old")
    refused = entry("old", state=State.REFUSED, resource="x")
    correction = entry("old", resource="x", base=Base(entry=refused.id))
    reading = entry("old")
    entries = _numbered(patient, visit, dose, other, refused, correction, reading)
    found = plan(entries)
    assert [one.number for one in found.ready] == [4]
    assert found.held_back == {2: 1, 3: 1, 6: 5}
    rest = [one for one in entries if one.number != 4]
    assert _ready(rest) == [7], "a later entry of the same patient goes on"


def test_a_refused_change_of_what_the_journal_has_holds_back_no_stranger() -> None:
    """Would break: a refused correction of a Patient would hold back all that names the patient."""
    refused = entry("a", type="Patient", resource="a", base=Base("3", "00"), state=State.REFUSED, refers=())
    assert _ready(_numbered(refused, entry("a"))) == [2]


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from([State.WAITING, State.REFUSED]), st.integers(0, 5)),
        max_size=20,
    )
)
def test_whatever_is_ready_needs_nothing_that_is_not_done(told: list[tuple[str, State, int]]) -> None:
    """Would break: an entry would be handed over before what it refers to. And all that is not held back goes in the
    end."""
    entries: list[Entry] = []
    for n, (patient, state, back) in enumerate(told):
        refers = (f"Observation/{n - back}",) if 0 < back <= n else ()
        entries.append(entry(patient, resource=str(n), state=state, refers=refers))
    left = _numbered(*entries)
    for _ in range(len(left) + 1):
        found = plan(left)
        for one in found.ready:
            earlier = [e for e in left if e.number < one.number]
            assert not any(e.makes & set(one.refers) for e in earlier)
            assert not any(
                e.patients & one.patients
                for e in earlier
                if e.state is State.WAITING and e.number not in found.held_back
            )
        if not found.ready:
            break
        going = {one.number for one in found.ready}
        left = [e for e in left if e.number not in going]
    assert {e.number for e in left if e.state is State.WAITING} == set(found.held_back)


@pytest.mark.parametrize("asked", [
    ("POST",), ("POST", "Observation"), ("POST", "Patient"), ("PUT", "Encounter", "1"), ("PATCH", "MedicationRequest", "1"),
    ("POST", "Composition", "1", "$sign"), ("POST", "DiagnosticReport", "1", "$acknowledge"), ("POST", "Flag"), ("POST", "AllergyIntolerance"),
])  # fmt: skip
def test_what_records_care_is_taken(asked: tuple[str, ...]) -> None:
    """Would break S13: something that has to be written during a stop could not be."""
    require_taken(asked[0], asked[1:], ())


@pytest.mark.parametrize("asked", [
    ("DELETE", "Observation", "1"), ("POST", "Patient", "$merge"), ("POST", "Consent"), ("PUT", "Practitioner", "1"), ("POST", "Provenance"),
    ("POST", "Patient", "1", "$open"), ("POST", "Observation", "1", "$redact"), ("PUT", "Organization", "1"), ("POST", "Bundle"),
])  # fmt: skip
def test_what_only_the_journal_can_decide_is_not_taken(asked: tuple[str, ...]) -> None:
    """Would break: a wrong guess of a copy could not be taken back; who asks is told what to do."""
    with pytest.raises(OnlyJournal) as refused:
        require_taken(asked[0], asked[1:], ())
    assert refused.value.help


@given(
    st.integers(1, numbers.COPY_MAX), st.integers(0, 999_999), st.integers(1, numbers.COPY_MAX), st.integers(0, 999_999)
)
def test_no_two_copies_give_one_number(a: int, x: int, b: int, y: int) -> None:
    """Would break S18: two patients of one stop would have one number."""
    for make in (numbers.personal, numbers.encounter):
        assert (make(a, x) == make(b, y)) is ((a, x) == (b, y))
        assert numbers.copy_of(make(a, x)) == a


@given(st.integers(1, numbers.COPY_MAX), st.integers(0, 999_999), st.data())
def test_a_misread_number_is_noticed(copy: int, serial: int, data: st.DataObject) -> None:
    """Would break: one digit read wrong would be another patient."""
    number = numbers.personal(copy, serial)
    at = data.draw(st.integers(2, len(number) - 1))
    wrong = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != number[at]]))
    assert numbers.copy_of(number[:at] + wrong + number[at + 1 :]) is None


def test_a_range_ends() -> None:
    """Would break: a copy would go on in its neighbour's range."""
    for make in (numbers.personal, numbers.encounter):
        with pytest.raises(Invalid):
            make(1, 1_000_000)
        with pytest.raises(Invalid):
            make(numbers.COPY_MAX + 1, 0)


def test_all_back_is_said_only_when_it_is() -> None:
    """Would break S35: a ward would be told that all is back while its entries wait on another copy."""
    good = Facts(0.3, Mode.JOURNAL, {State.DONE: 7, State.TASK: 1, State.SETTLED: 2})
    assert missing(good) == []
    for wrong in (
        {"lag_s": None}, {"lag_s": 30.0}, {"mode": Mode.RETURNING}, {"mode": Mode.FORCED}, {"counts": {State.WAITING: 1}},
        {"counts": {State.UNHELD: 1}}, {"counts": {State.REFUSED: 1}}, {"out_of_reach": ["south"]}, {"integrations": [("laboratory", True)]},
        {"step": "card"}, {"logins": 3},
    ):  # fmt: skip
        assert len(missing(dataclasses.replace(good, **wrong))) == 1, wrong


def test_what_an_entry_shows() -> None:
    """Would break S10: a pending entry would be shown as another's, or go on being shown once it is a Task."""
    one = entry(unit="u", provider="p", practitioner="n", number=4)
    (row,) = shown(one)
    assert (row.number, row.type, row.new) == (4, "Observation", True)
    assert (row.owner.unit, row.owner.provider, row.owner.author, row.owner.kind) == ("u", "p", "n", "observation")
    for state in (State.DONE, State.REFUSED, State.WAITING):
        assert shown(dataclasses.replace(one, state=state))
    for state in (State.TASK, State.SETTLED, State.WITHDRAWN, State.UNHELD):
        assert not shown(dataclasses.replace(one, state=state))


@pytest.mark.parametrize(
    ("order", "hours"),
    [
        ({"dosageInstruction": [{"timing": {"repeat": {"frequency": 4, "period": 1, "periodUnit": "d"}}}]}, 6),
        (
            {
                "dosageInstruction": [
                    {"timing": {"repeat": {"frequency": 1, "frequencyMax": 3, "period": 24, "periodUnit": "h"}}}
                ]
            },
            8,
        ),
        ({"dosageInstruction": [{"timing": {"code": {"text": "vid behov"}}}]}, 4),
        ({}, 4),
        (None, 4),
    ],
)
def test_the_interval_between_doses(order: dict[str, object] | None, hours: int) -> None:
    """Would break S11: a double dose would not be told, or every dose would be."""
    interval = conflicts.interval_us(order)
    assert interval == hours * 3_600_000_000
    given = {"resourceType": "MedicationAdministration", "status": "completed", "medicationCodeableConcept": {"text": "Alvedon"},
             "effectiveDateTime": "2026-10-25T02:30:00+02:00"}  # fmt: skip
    later = {
        **given,
        "medicationCodeableConcept": {"text": " alvedon "},
        "effectiveDateTime": "2026-10-25T02:30:00+01:00",
    }
    assert conflicts.too_close(given, later, interval), "one hour apart, in the hour that comes twice"
    assert not conflicts.too_close(given, {**later, "status": "not-done"}, interval)
    assert not conflicts.too_close(given, {**later, "medicationCodeableConcept": {"text": "Waran"}}, interval)
    assert conflicts.too_close(given, {**later, "effectiveDateTime": None}, interval), "who does not say when is asked"
