"""The copy as a record to read from: what it does not answer, what it does when its file changes or breaks, and its pages."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.unit.copy.records import OWNER, Followed

from vaka import config
from vaka.access.filter import program_filter, system_filter
from vaka.copy import apply, engine, intake, lines
from vaka.copy.reader import Reader
from vaka.copy.readers import Readers
from vaka.copy.scope import Scope
from vaka.copy.store import CopyStore
from vaka.errors import Busy, Invalid, NotFound, OnlyJournal
from vaka.fhir.keys import reference_key
from vaka.fhir.query import parse_query
from vaka.store.page import Page, Position

KEY = b"k" * 32
FULL = system_filter("tests")
STRANGER = program_filter("stranger", "system/Patient.rs")


def patient(number: int, **members: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": f"p{number}", **members}


class Seeds:
    """Where a store finds its record: a numbered file."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.number = folder, 0
        self.found_damaged: list[int] = []
        self.opened: list[Reader] = []

    def make(self, *resources: dict[str, Any]) -> Followed:
        self.number += 1
        path = self.folder / f"{self.number}.db"
        made = Followed(engine.writer(path, KEY), path)
        made.put(resources)
        return made

    def seed(self) -> int:
        return self.number

    def open(self) -> Reader:
        connection = engine.reader(self.folder / f"{self.number}.db", KEY)
        self.opened.append(Reader(connection, apply.codec(connection), self.number))
        return self.opened[-1]

    def damaged(self, seed: int, what: str) -> None:
        self.found_damaged.append(seed)


@pytest.fixture
def seeds(tmp_path: Path) -> Seeds:
    return Seeds(tmp_path)


@pytest.fixture
def store(seeds: Seeds) -> Iterator[CopyStore]:
    made = CopyStore(seeds)
    yield made
    made.close()


def search(store: CopyStore, text: str, count: int = 10, at: Position | None = None, access: Any = FULL) -> Page:
    type_, _, asked = text.partition("?")
    given = [(name, value) for name, _, value in (part.partition("=") for part in asked.split("&") if part)]
    query = parse_query([type_], given, base_url="http://x/fhir", strict=True)
    return asyncio.run(store.searching(access).search(query, count=count, at=at))


def ids(page: Page) -> list[str]:
    return [version.id for version in page.matches]


def test_what_cannot_be_interpreted_is_never_passed_over(seeds: Seeds, store: CopyStore) -> None:
    """Breaks if an allergy that this copy cannot interpret is searched for and not found, or read as it was before (S3, S4)."""
    allergy = {"resourceType": "AllergyIntolerance", "id": "a", "patient": {"reference": "Patient/p1"}}
    record = seeds.make(patient(1), allergy, {**allergy, "id": "b"})
    line = record._line({**allergy, "note": [{"text": "x"}]}, OWNER)
    record.applier.apply([lines.read(orjson.dumps({**line, "action": "novelty"}))])
    with pytest.raises(OnlyJournal):
        asyncio.run(store.read("AllergyIntolerance", "a", access=FULL))
    assert asyncio.run(store.read("AllergyIntolerance", "b", access=FULL)) is not None
    for text, aside in (
        ("AllergyIntolerance?patient=p1", 1), ("AllergyIntolerance?patient=p1&_summary=count", 1), ("Observation?patient=p1", 0),
        ("AllergyIntolerance?patient=p2", 0), ("AllergyIntolerance?_id=a", 1), ("AllergyIntolerance?_id=b", 0),
        ("AllergyIntolerance?clinical-status=active", 1), ("Observation?status=final", 0), ("Patient?_id=p1", 0),
        ("Patient?_id=p1&_revinclude=AllergyIntolerance:patient", 1),
    ):  # fmt: skip
        assert search(store, text).aside == aside, text
    assert search(store, "AllergyIntolerance?patient=p1", count=0).aside == 1
    with pytest.raises(NotFound):
        search(store, "AllergyIntolerance?patient=p1", access=STRANGER)
    assert search(store, "Patient?_id=p1", access=STRANGER).aside == 0


def test_what_stands_of_what_was_set_aside_is_marked_in_each_way_to_it(seeds: Seeds, store: CopyStore) -> None:
    """Breaks if a search, or an include, gives the older version of what this copy cannot interpret as if it were current, or passes
    over that of which there is none (S4)."""
    drug: dict[str, Any] = {"resourceType": "Medication", "id": "m", "code": {"text": "x"}}
    order = {
        "resourceType": "MedicationRequest", "id": "r", "subject": {"reference": "Patient/p1"}, "status": "active",
        "intent": "order", "medicationReference": {"reference": "Medication/m"},
    }  # fmt: skip
    record = seeds.make(patient(1), drug, order)

    def found(*references: tuple[str, str], access: Any = FULL) -> tuple[dict[str, bool], int]:
        searching = store.searching(access)
        versions = asyncio.run(searching.read_many(references))
        return {one.id: one.superseded for one in versions}, searching.missed

    assert found(("Medication", "m"), ("Medication", "n")) == ({"m": False}, 0)
    for resource in (drug, order, {**drug, "id": "n"}):
        record.applier.apply([lines.read(orjson.dumps({**record._line(resource, OWNER), "action": "novelty"}))])
    (shown,) = search(store, "MedicationRequest?patient=p1").matches
    assert shown.superseded
    assert [one.superseded for one in search(store, "MedicationRequest?status=active").matches] == [True]
    assert found(("Medication", "m")) == ({"m": True}, 0)
    assert found(("Medication", "m"), ("Medication", "n"), ("Medication", "o")) == ({"m": True}, 1)
    key = reference_key("MedicationRequest.medication", "Medication", "m")
    assert [one.superseded for one in asyncio.run(store.searching(FULL).include([key], limit=5))] == [True]


def test_versions_that_are_not_current_are_the_journal_s_to_tell(seeds: Seeds, store: CopyStore) -> None:
    """Breaks if a copy says that an old version is not there, or tells by its answer that a hidden resource stands."""
    record = seeds.make(
        patient(1), {"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"}}
    )
    record.put([patient(1, active=True)])
    read = asyncio.run(store.read("Patient", "p1", access=FULL))
    assert read is not None
    assert read.version == 2
    assert asyncio.run(store.vread("Patient", "p1", 2, 1, access=FULL)) == read
    for access, type_, id_, version in (
        (FULL, "Patient", "p1", 1), (FULL, "Patient", "p1", 3), (FULL, "Patient", "none", 1), (STRANGER, "Observation", "o", 1),
        (STRANGER, "Observation", "o", 2), (STRANGER, "Observation", "none", 1),
    ):  # fmt: skip
        with pytest.raises(OnlyJournal, match="only the journal has every version"):
            asyncio.run(store.vread(type_, id_, version, 1, access=access))
    assert asyncio.run(store.read("Observation", "o", access=STRANGER)) is None
    assert asyncio.run(store.read("Observation", "none", access=STRANGER)) is None


def test_a_copy_of_some_units_does_not_say_that_something_is_not_there(seeds: Seeds) -> None:
    """Breaks if a site's copy answers 404 for a patient of another site."""
    intake.make(seeds.make(patient(1)).connection, Scope(("SE1-A",), ("a",)))
    store = CopyStore(seeds)
    assert asyncio.run(store.read("Patient", "p1", access=FULL)) is not None
    with pytest.raises(OnlyJournal):
        asyncio.run(store.read("Patient", "p2", access=FULL))
    store.close()


def test_another_seed_is_read_at_the_next_question(seeds: Seeds, store: CopyStore) -> None:
    """Breaks if a reader goes on in a file that another has taken the place of, or keeps it open."""
    seeds.make(patient(1))
    assert ids(search(store, "Patient")) == ["p1"]
    assert asyncio.run(store.read("Patient", "p1", access=FULL)) is not None
    seeds.make(patient(2))
    assert ids(search(store, "Patient")) == ["p2"]
    assert asyncio.run(store.read("Patient", "p1", access=FULL)) is None
    seeds.make(patient(3))
    assert asyncio.run(store.read("Patient", "p3", access=FULL)) is not None
    closed = [reader for reader in seeds.opened if reader.seed != 3]
    assert closed
    for reader in closed:
        with pytest.raises(Exception, match="closed"):
            reader.connection.execute("SELECT 1")


def test_a_damaged_file_is_told_and_never_answered_from(seeds: Seeds, store: CopyStore) -> None:
    """Breaks if a changed page gives an answer, or a fault that nobody is told of."""
    record = seeds.make(*[patient(n, name=[{"family": os.urandom(200).hex()}]) for n in range(200)])
    record.connection.close()
    path = seeds.folder / "1.db"
    content = bytearray(path.read_bytes())
    for place in range(3 * 4096 + 100, len(content), 4096):
        content[place] ^= 1
    path.write_bytes(content)
    for ask in (lambda: search(store, "Patient"), lambda: asyncio.run(store.read("Patient", "p7", access=FULL))):
        with pytest.raises(OnlyJournal, match="cannot be read"):
            ask()
    assert seeds.found_damaged == [1, 1]


def test_a_search_that_takes_too_long_is_the_journal_s(seeds: Seeds, store: CopyStore) -> None:
    """Breaks if a long search holds a reader's moment, or ends as if there were nothing; or if the next one ends with it."""
    seeds.make(*[patient(n, name=[{"family": f"family{n}"}]) for n in range(400)])
    reader = seeds.open()
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
    with pytest.raises(OnlyJournal, match=r"longer than 0\.05 s"), reader.moment(0.05):
        reader.rows(endless, {})
    assert not reader.connection.in_transaction
    with reader.moment():
        assert reader.rows("SELECT count(*) FROM resource", {}) == [(400,)]
    reader.close()


def test_too_many_searches_are_not_let_wait(seeds: Seeds, monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks if a burst of searches grows a queue without end."""
    seeds.make(patient(1))
    monkeypatch.setattr(config, "COPY_SEARCHES_WAITING", 3)
    readers = Readers(seeds)

    async def burst() -> list[object]:
        return await asyncio.gather(*(readers.run(lambda _: 1) for _ in range(5)), return_exceptions=True)

    found = asyncio.run(burst())
    assert [type(one) for one in found] == [int, int, int, Busy, Busy]
    readers.close()


def test_readers_in_threads_do_not_meet(seeds: Seeds, store: CopyStore) -> None:
    """Breaks if two searches at once share a connection: each must see its own rows, while the record grows."""
    record = seeds.make(*[patient(n, identifier=[{"system": "x", "value": str(n)}]) for n in range(50)])

    async def ask() -> None:
        async def one(number: int) -> None:
            query = parse_query(["Patient"], [("identifier", f"x|{number % 50}")], base_url="http://x", strict=True)
            page = await store.searching(FULL.anew()).search(query, count=10)
            assert ids(page) == [f"p{number % 50}"]

        for round_ in range(4):
            await asyncio.gather(*(one(number) for number in range(100)))
            record.put([patient(100 + round_)])

    asyncio.run(ask())
    assert 1 <= len(seeds.opened) <= config.COPY_SEARCHERS + 1


@pytest.mark.parametrize("sort", ["", "&_sort=family", "&_sort=-birthdate,_id", "&_sort=_lastUpdated", "&_sort=gender"])
def test_what_changes_between_pages_stands_once_at_most(seeds: Seeds, store: CopyStore, sort: str) -> None:
    """Breaks if a page shows again what was changed since the first, misses what was not, or shows what came since."""

    def make(number: int, family: str) -> dict[str, Any]:
        return patient(number, active=True, name=[{"family": family}], birthDate=f"19{50 + number}", gender="male")

    record = seeds.make(*[make(n, f"f{n}") for n in range(12)])
    first = search(store, f"Patient?active=true{sort}", 4)
    shown = ids(first)
    left = [f"p{n}" for n in range(12) if f"p{n}" not in shown]
    moved = [shown[0], left[0]]
    record.put([make(int(id_[1:]), "moved") for id_ in moved] + [make(40, "a"), make(41, "z")])
    at = first.next
    while at is not None:
        page = search(store, f"Patient?active=true{sort}", 4, at)
        shown += ids(page)
        at = page.next
    assert len(shown) == len(set(shown))
    assert set(shown) == {f"p{n}" for n in range(12)} - {left[0]}


@pytest.mark.parametrize(
    ("upper", "refused"),
    [
        ((0, "1:2:"), OnlyJournal),
        ((0, "copy 1 99999 1"), OnlyJournal),
        ((0, "copy 1 2"), Invalid),
        ((0, ""), OnlyJournal),
    ],
)
def test_pages_of_others(seeds: Seeds, store: CopyStore, upper: tuple[int, str], refused: type[Exception]) -> None:
    """Breaks if pages that the journal began, or a copy that is ahead, go on as if they were this copy's."""
    seeds.make(patient(1), patient(2))
    with pytest.raises(refused):
        search(store, "Patient", 1, Position(upper, (), 1, 1))


def test_a_merge_is_known_at_the_next_question(seeds: Seeds, store: CopyStore, key: Callable[[str], int]) -> None:
    """Breaks if a copy goes on asking for one id of a patient whose record was merged (S23)."""
    record = seeds.make(patient(1), patient(2))
    assert (store.same("p1"), store.resolve("p1")) == (("p1",), "p1")
    record.connection.execute("INSERT INTO alias VALUES (?, 'p1', ?, 'p2', ?, 1)", (key("p1"), key("p2"), key("p2")))
    record.connection.execute("UPDATE private_state SET cursor = '1.2.3'")
    assert (sorted(store.same("p2")), store.resolve("p1")) == (["p1", "p2"], "p2")


@pytest.fixture
def key() -> Callable[[str], int]:
    from vaka.fhir.keys import resource_key

    return lambda id_: resource_key("Patient", id_)
