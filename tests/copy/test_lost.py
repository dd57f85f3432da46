"""What the journal lost becomes reserve entries: each version one, of the same id whichever copy held it, before anything else."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import orjson
import pytest
from tests.copy.feedlines import mark, record, version
from tests.copy.test_apply import apply, note, patient, row
from tests.unit.copy.reserve_entries import entry

from vaka.copy import lines
from vaka.copy.apply import Applier
from vaka.copy.lost import LostFile
from vaka.copy.reserve import lost
from vaka.copy.reserve.entry import LOST, Base, Entry, Part, State
from vaka.copy.reserve.hand_over import HandOver
from vaka.copy.reserve.journal import Outcome, resolved
from vaka.copy.reserve.record import InRecord
from vaka.copy.reserve.store import ReserveStore
from vaka.fhir.keys import resource_key


def opened(path: Path, origin: str = "copy-a") -> ReserveStore:
    return ReserveStore(apsw.Connection(str(path)), origin)


async def at_once(work: Callable[[], Any]) -> Any:
    return work()


async def nothing(_: Entry) -> None:
    return None


@pytest.fixture
def applier(tmp_path: Path) -> Iterator[Applier]:
    connection = record(tmp_path)
    made = Applier(connection, tmp_path / "record.db")
    apply(made, version(patient(), seq=1), version(note(), seq=2), mark(9, "1.1.2"))
    yield made
    connection.close()


@pytest.fixture
def found(applier: Applier, tmp_path: Path) -> Iterator[LostFile]:
    """A value and its patient, found to be lost."""
    made = LostFile(tmp_path / "lost.db", bytes(32))
    keys = [resource_key("Patient", patient()["id"]), resource_key("Observation", note()["id"])]
    made.add(applier.connection, applier.codec, list(applier.putter.standing(keys).values()))
    yield made
    made.close()


def given(found: LostFile, store: ReserveStore) -> list[Entry]:
    asyncio.run(lost.give(found, store, "A", at_once, nothing))
    return store.listed(list(State))


def test_each_lost_version_is_one_entry_in_the_feeds_order_and_whole(found: LostFile, tmp_path: Path) -> None:
    """Would break: something would be given back twice, before what it refers to, or as something else than the journal had."""
    store = opened(tmp_path / "reserve.db")
    entries = given(found, store)
    assert [one.path.split("/")[0] for one in entries] == ["Patient", "Observation"]
    assert {(one.method, one.state, one.origin) for one in entries} == {(LOST, State.WAITING, "copy-a")}
    read = lines.read(entries[1].body)
    assert isinstance(read, lines.Version)
    assert (read.id, read.number) == (note()["id"], 1)
    assert found.count() == 0
    assert f"Patient/{patient()['id']}" in entries[1].refers
    assert given(found, store) == entries


def test_a_stop_between_the_two_files_doubles_nothing(found: LostFile, tmp_path: Path) -> None:
    """Would break: killed after the reserve has it and before lost.db knows, a copy would give everything back again."""
    store = opened(tmp_path / "reserve.db")

    class Killed(Exception):
        pass

    async def killed(work: Callable[[], Any]) -> Any:
        if work != found.waiting:
            raise Killed
        return work()

    with pytest.raises(Killed):
        asyncio.run(lost.give(found, store, "A", killed, nothing))
    assert found.count() == 2
    before = store.listed(list(State))
    assert [one.id for one in given(found, store)] == [one.id for one in before]


def test_two_copies_make_the_same_entry_and_either_hands_it_over(found: LostFile, tmp_path: Path) -> None:
    """Would break: what both held would be there twice, or would wait for a copy that is gone."""
    first, second = opened(tmp_path / "a.db", "copy-a"), opened(tmp_path / "b.db", "copy-b")
    other = LostFile(tmp_path / "lost.db", bytes(32))
    theirs = [lost.entry_of(one, origin="copy-b", site="B", now_us=1) for one in other.waiting()]
    other.close()
    for one in theirs:
        first.hold(one)
    mine = given(found, first)
    assert [(one.id, one.key, one.origin) for one in mine] == [(one.id, one.key, "copy-a") for one in theirs]
    for one in mine:
        assert second.hold(one).id == one.id
    assert len(second.listed(list(State))) == 2


def test_what_was_lost_goes_before_what_was_written_on_it(found: LostFile, tmp_path: Path) -> None:
    """Would break: a change of the stop, made on what was lost, would meet an older version and be a Task for a person."""
    store = opened(tmp_path / "reserve.db")
    waiting = found.waiting()[1]
    name, digest = note()["id"], waiting.hash.hex()
    part = Part("Observation", name, b"{}", patient()["id"], Base("1", digest))
    store.add(entry(patient()["id"], parts=(part,), method="PUT", headers={"if-match": 'W/"1"'}))
    given(found, store)
    taken: list[Entry] = []

    class Journal:
        async def take(self, one: Entry) -> Outcome:
            taken.append(one)
            made = [{"name": one.path, "version": "1-e2"}] if one.method == LOST else []
            return Outcome(State.DONE, "", {"made": made})

    may = False
    hand_over = HandOver(store, Journal(), may=lambda: may)  # type: ignore[arg-type]
    asyncio.run(hand_over.all())
    assert not taken, "its history is not known to be ours yet"
    may = True
    asyncio.run(hand_over.all())
    assert [one.method for one in taken] == [LOST, LOST, "PUT"]
    base = taken[-1].parts[0].base
    assert base is not None
    assert (base.version_id, taken[-1].headers["if-match"]) == ("1-e2", 'W/"1-e2"')


def test_a_base_that_was_not_lost_stays(found: LostFile) -> None:
    """Would break: a plain change of the stop would be made on another version than its author saw."""
    one = entry(base=Base("7", "ab" * 32), headers={"if-match": 'W/"7"'})
    assert resolved(one, lambda *_: None) == one


def test_a_copy_without_it_shows_it_and_one_that_has_it_goes_on(
    found: LostFile, applier: Applier, tmp_path: Path
) -> None:
    """Would break: at the neighbour it would be missing until the journal has it; here it would stand under another number."""
    store = opened(tmp_path / "reserve.db")
    entries = given(found, store)
    shown = InRecord(store)
    for one in entries:
        shown.apply(applier, one.number)
    assert row(applier, "Observation", note()["id"])["pending"] == 0
    (tmp_path / "other").mkdir()
    connection = record(tmp_path / "other")
    other = Applier(connection, tmp_path / "other" / "record.db")
    apply(other, mark(9, "1.1.2"))
    for one in entries:
        shown.apply(other, one.number)
    told = row(other, "Observation", note()["id"])
    assert told["pending"] == entries[1].number
    made = orjson.loads(entries[1].parts[0].body or b"")
    assert made["meta"]["versionId"] == entries[1].version_id
    store.become(entries[1].number, State.TASK)
    shown.apply(other, entries[1].number)
    assert other.putter.standing([resource_key("Observation", note()["id"])]) == {}
    assert dataclasses.replace(entries[1], state=State.TASK).id == entries[1].id
    connection.close()
