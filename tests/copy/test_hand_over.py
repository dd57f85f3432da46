"""What is handed over, and how often it is looked at what waits."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import apsw
import pytest
from tests.unit.copy.reserve_entries import entry

from vaka.copy.reserve import hand_over as hand_over_module
from vaka.copy.reserve.entry import Entry, State
from vaka.copy.reserve.hand_over import HandOver
from vaka.copy.reserve.journal import Outcome
from vaka.copy.reserve.store import ReserveStore

PATIENTS, OF_EACH = 60, 3


class Journal:
    def __init__(self) -> None:
        self.taken: list[Entry] = []

    async def take(self, one: Entry) -> Outcome:
        self.taken.append(one)
        return Outcome(State.DONE, "", {})


@pytest.fixture
def store(tmp_path: Path) -> ReserveStore:
    made = ReserveStore(apsw.Connection(str(tmp_path / "reserve.db")), "copy-a")
    for number in range(PATIENTS * OF_EACH):
        one = entry(f"patient-{number % PATIENTS}")
        made.held(made.add(replace(one, origin="copy-a", state=State.UNHELD))[0].number, 2)
    return made


def test_all_goes_in_order_for_each_patient_and_whole(store: ReserveStore) -> None:
    """Broken: an entry is handed over before an earlier one of its patient, or without what was written."""
    journal = Journal()
    asyncio.run(HandOver(store, journal).all())  # type: ignore[arg-type]
    assert len(journal.taken) == PATIENTS * OF_EACH
    for patient in {patient for one in journal.taken for patient in one.patients}:
        numbers = [one.number for one in journal.taken if patient in one.patients]
        assert numbers == sorted(numbers)
        assert len(numbers) == OF_EACH
    assert all(one.parts[0].body is not None and one.author for one in journal.taken)
    assert not store.has((State.WAITING, State.UNHELD))


def test_what_waits_is_read_once_not_again_for_each_entry(store: ReserveStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken: after a stop of days each entry costs a look at all the others, and the way back takes days itself."""
    looked = 0
    numbers = ReserveStore.open_numbers

    def counted(self: ReserveStore, limit: int) -> list[tuple[int, str, State]]:
        nonlocal looked
        looked += 1
        return numbers(self, limit)

    monkeypatch.setattr(ReserveStore, "open_numbers", counted)
    monkeypatch.setattr(ReserveStore, "open", None)
    asyncio.run(HandOver(store, Journal()).all())  # type: ignore[arg-type]
    assert looked < PATIENTS


def test_what_a_person_decides_meanwhile_is_not_handed_over(store: ReserveStore) -> None:
    """Broken: an entry that was settled by a person while it stood in line goes all the same."""
    journal = Journal()
    hand_over = HandOver(store, journal)  # type: ignore[arg-type]

    async def work() -> None:
        await hand_over.step()
        last = store.open_numbers(1_000)[PATIENTS - 1][0]
        store.become(last, State.SETTLED, "by a person")
        await hand_over.all()
        assert last not in {one.number for one in journal.taken}

    asyncio.run(work())


@pytest.mark.parametrize(("origin", "state"), [("copy-a", State.REFUSED), ("copy-b", State.WAITING)])
def test_much_that_cannot_go_holds_up_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origin: str, state: State
) -> None:
    """Broken: what was refused, or is held for a copy that is gone, is more than is looked at, and nothing behind it ever comes home;
    or what has to wait for some of it does not."""
    monkeypatch.setattr(hand_over_module, "_LOOK_MAX", 20)
    store = ReserveStore(apsw.Connection(str(tmp_path / "reserve.db")), "copy-a")

    def add(patient: str, origin: str, state: State, refers: tuple[str, ...] = ()) -> Entry:
        return store.add(replace(entry(patient), origin=origin, state=state, refers=refers))[0]

    stuck = [add(f"stuck-{number}", origin, state) for number in range(40)]
    behind = [add(f"patient-{number}", "copy-a", State.WAITING) for number in range(30)]
    held = add("stuck-3", "copy-a", State.WAITING, tuple(stuck[3].makes))
    journal = Journal()
    asyncio.run(HandOver(store, journal).all())  # type: ignore[arg-type]
    assert sorted(one.number for one in journal.taken) == [one.number for one in behind]
    assert store.get(held.number) == held
    asyncio.run(HandOver(store, journal, whose=("copy-a", "copy-b")).all())  # type: ignore[arg-type]
    assert (held.number in {one.number for one in journal.taken}) is (state is State.WAITING)
