"""What the reserve shows in the followed record: at once, by its owner, and gone when it is the journal's or a person's."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import orjson
import pytest
from tests.copy.feedlines import contents, mark, record, version
from tests.copy.test_apply import apply, note, patient, row
from tests.unit.copy.reserve_entries import entry

from vaka.copy.apply import Applier
from vaka.copy.reserve.entry import Base, Entry, Part, State
from vaka.copy.reserve.record import InRecord
from vaka.copy.reserve.store import ReserveStore
from vaka.fhir.extract import owner_hints
from vaka.fhir.keys import resource_key


@pytest.fixture
def store(tmp_path: Path) -> ReserveStore:
    return ReserveStore(apsw.Connection(str(tmp_path / "reserve.db")), "copy-a")


@pytest.fixture
def applier(tmp_path: Path) -> Iterator[Applier]:
    connection = record(tmp_path)
    made = Applier(connection, tmp_path / "record.db")
    apply(made, version(patient(), seq=1), version(note(), seq=2), mark(9, "1.1.2"))
    yield made
    connection.close()


def taken(store: ReserveStore, resource: dict[str, Any], base: Base | None = None, **others: Any) -> Entry:
    part = Part(resource["resourceType"], resource["id"], orjson.dumps(resource), owner_hints(resource), base)
    return store.add(entry(parts=(part,), unit="unit-b", provider="provider-b", **others))[0]


def owner(applier: Applier, type_: str, id_: str) -> tuple[Any, ...]:
    return tuple(next(applier.connection.execute(
        "SELECT unit, provider, kind, author, source FROM owner WHERE owner = ?", (row(applier, type_, id_)["owner"],)
    )))  # fmt: skip


def body(applier: Applier, id_: str) -> Any:
    found = row(applier, "Observation", id_)
    return orjson.loads(applier.codec.decompress(found["dictionary"], found["body"]))


def test_a_new_entry_shows_as_its_authors_units(store: ReserveStore, applier: Applier) -> None:
    """Would break S10: nobody would see what was written, or everybody would."""
    one = taken(store, note("new", "Puls"), practitioner="nurse")
    InRecord(store).apply(applier, one.number)
    found = row(applier, "Observation", "new")
    assert (found["pending"], found["version"], found["deleted"]) == (one.number, 1, 0)
    assert owner(applier, "Observation", "new") == ("unit-b", "provider-b", "observation", "nurse", "person:SE1")
    assert found["patient"] == resource_key("Patient", "p1")


def test_a_change_of_a_change_and_the_way_back(store: ReserveStore, applier: Applier) -> None:
    """Would break: a Task would leave on the sheet what stands nowhere, or the older pending change would be gone with it."""
    shows = InRecord(store)
    first = taken(store, note("n1", "first"), Base("1", "00"))
    second = taken(store, note("n1", "second"), Base(entry=first.id))
    for one in (first, second):
        shows.apply(applier, one.number)
    assert (body(applier, "n1")["code"]["text"], row(applier, "Observation", "n1")["pending"]) == (
        "second",
        second.number,
    )
    assert owner(applier, "Observation", "n1")[:2] == ("unit-a", "provider-a"), "what is changed keeps its owner"
    store.become(second.number, State.TASK, "it changed meanwhile")
    shows.apply(applier, second.number)
    assert (body(applier, "n1")["code"]["text"], row(applier, "Observation", "n1")["pending"]) == (
        "first",
        first.number,
    )
    store.become(first.number, State.REFUSED, "no")
    shows.apply(applier, first.number)
    assert body(applier, "n1")["code"]["text"] == "first", "what was refused stays to be seen"
    store.become(first.number, State.SETTLED, "Ada: entered anew")
    shows.apply(applier, first.number)
    assert (body(applier, "n1")["code"]["text"], row(applier, "Observation", "n1")["pending"]) == ("hosta", 0)


def test_an_entry_that_is_told_again_or_refused_covers_nothing_that_came_after_it(
    store: ReserveStore, applier: Applier
) -> None:
    """Would break S10: what was corrected in a stop would be shown as it was before, at the copies that hear once more of the first
    entry, or that the journal has refused it."""
    shows = InRecord(store)
    first = taken(store, note("n1", "first"), Base("1", "00"))
    second = taken(store, note("n1", "second"), Base(entry=first.id))
    for one in (first, second, first):
        shows.apply(applier, one.number)
    assert body(applier, "n1")["code"]["text"] == "second"
    store.become(first.number, State.REFUSED, "no")
    shows.apply(applier, first.number)
    assert body(applier, "n1")["code"]["text"] == "second"
    late = taken(store, note("n2", "last"), Base(entry="comes later"))
    earlier = dataclasses.replace(taken(store, note("n2", "before")), id="comes later", key="later", number=0)
    kept, _ = store.add(earlier)
    for one in (late, kept):
        shows.apply(applier, one.number)
    assert body(applier, "n2")["code"]["text"] == "last", "it came here first, and was made on the other"
    withdrawn = taken(store, note("n1", "third"), Base(entry=second.id))
    marked = dataclasses.replace(
        second, id="marks", key="marks", number=0, parts=(Part("Observation", "n1", None, "p1", Base(entry=second.id)),)
    )
    store.add(marked)
    shows.apply(applier, withdrawn.number)
    store.become(withdrawn.number, State.WITHDRAWN)
    shows.apply(applier, withdrawn.number)
    assert body(applier, "n1")["code"]["text"] == "second", "a mark on it shows nothing of it, and hides nothing"


def test_what_was_refused_covers_nothing_that_the_journal_has_got_since(
    store: ReserveStore, applier: Applier, tmp_path: Path
) -> None:
    """Would break: after a reseed, or when another copy tells of it once more, a change that the journal refused weeks ago would stand
    in the place of what is in the record now."""
    shows = InRecord(store)
    first = taken(store, note("n1", "refused"), Base("1", "00"))
    store.become(first.number, State.REFUSED, "no")
    shows.apply(applier, first.number)
    assert body(applier, "n1")["code"]["text"] == "refused", "until then it is to be seen"
    apply(applier, version(note("n1", "since"), seq=8, number=2), mark(12, "1.1.8"))
    shows.apply(applier, first.number)
    assert body(applier, "n1")["code"]["text"] == "since"
    (tmp_path / "seed").mkdir()
    connection = record(tmp_path / "seed")
    seeded = Applier(connection, tmp_path / "seed" / "record.db")
    apply(seeded, version(patient(), seq=1), version(note("n1", "since"), seq=8, number=2), mark(12, "1.1.8"))
    shows.rebuild(seeded)
    assert body(seeded, "n1")["code"]["text"] == "since"
    connection.close()


def test_a_program_s_result_belongs_to_its_encounters_unit(store: ReserveStore, applier: Applier) -> None:
    """Would break: a laboratory's result would be nobody's, and be hidden from the ward that ordered it."""
    visit = {"resourceType": "Encounter", "id": "e1", "status": "in-progress", "subject": {"reference": "Patient/p1"},
             "class": {"code": "IMP"}}  # fmt: skip
    told = {"number": 5, "unit": "ward", "provider": "hospital", "kind": "contact", "author": None, "source": "tests"}
    apply(applier, version(visit, seq=3, owner=told), mark(10, "1.1.3"))
    one = taken(store, {**note("lab"), "encounter": {"reference": "Encounter/e1"}}, principal="laboratory")
    changed = dataclasses.replace(one, unit=None, provider=None, id="x", key="y", number=0)
    kept, _ = store.add(changed)
    InRecord(store).apply(applier, kept.number)
    assert owner(applier, "Observation", "lab")[:2] == ("ward", "hospital")


def test_the_feed_takes_over_and_a_new_seed_shows_the_same(
    store: ReserveStore, applier: Applier, tmp_path: Path
) -> None:
    """Would break: after a reseed the entries of a stop would be gone from every sheet."""
    shows = InRecord(store)
    waiting = [taken(store, note("new", "Puls")), taken(store, note("n1", "changed"), Base("1", "00"))]
    for one in waiting:
        shows.apply(applier, one.number)
    before = contents(applier.connection, without=("owner",))
    (tmp_path / "seed").mkdir()
    connection = record(tmp_path / "seed")
    seeded = Applier(connection, tmp_path / "seed" / "record.db")
    apply(seeded, version(patient(), seq=1), version(note(), seq=2), mark(9, "1.1.2"))
    shows.rebuild(seeded)
    assert contents(seeded.connection, without=("owner",)) == before
    connection.close()
    store.become(waiting[0].number, State.DONE)
    shows.apply(applier, waiting[0].number)
    assert row(applier, "Observation", "new")["pending"] == waiting[0].number, "it stays until the feed brings it"
    apply(applier, version(note("new", "Puls"), seq=7), mark(12, "1.1.7"))
    assert row(applier, "Observation", "new")["pending"] == 0


def test_what_is_done_is_shown_as_the_feed_has_it(store: ReserveStore, applier: Applier) -> None:
    """Would break: what the journal has is shown as waiting for ever, where the feed was quicker than the journal's answer; or a
    patient whom a condition found there goes on being shown as a new one."""
    shows = InRecord(store)
    names = ("quick", "slow", "found", "first")
    quick, slow, found, first = (taken(store, note(id_)) for id_ in names)
    for one in (quick, slow, found):
        shows.apply(applier, one.number)
    apply(applier, version(note("quick"), seq=7), version(note("first"), seq=6), mark(12, "1.1.7"))
    shows.apply(applier, first.number)  # its first try was carried out after all
    for one, made in zip((quick, slow, found, first), ("quick", "slow", "another", "first"), strict=True):
        store.become(
            one.number, State.DONE, "", {"made": [{"name": f"Observation/{made}", "version": "1", "status": 201}]}
        )
        shows.apply(applier, one.number)
    assert row(applier, "Observation", "quick")["pending"] == 0
    assert row(applier, "Observation", "slow")["pending"] == slow.number
    assert row(applier, "Observation", "first")["pending"] == 0
    assert not applier.connection.execute("SELECT 1 FROM resource WHERE id = 'found' AND deleted = 0").fetchall()
    apply(applier, version(note("slow"), seq=8), mark(13, "1.1.8"))
    assert row(applier, "Observation", "slow")["pending"] == 0
