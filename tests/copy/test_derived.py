"""Sheets and lists on a real record.db: an encrypted file, written by the applier from lines of the feed, read by others."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import apsw
import orjson
import pytest
from tests.copy.feedlines import KEY, mark, read_all, version

from vaka.access.filter import system_filter
from vaka.access.ownership import inherits_from, kind_of
from vaka.copy import apply, derived, engine, listed
from vaka.copy.changes import Changes
from vaka.copy.reader import Reader
from vaka.copy.sheet import page
from vaka.copy.sheet.identity import identity
from vaka.copy.sheet.reading import Sheets
from vaka.copy.sheet.stream import joined
from vaka.copy.statements import statements
from vaka.fhir.dates import ZONE
from vaka.fhir.keys import resource_key
from vaka.region import demo

FULL = system_filter("tests")
WARD = "inf35"
NOW = datetime(2026, 11, 29, 14, 3, tzinfo=ZONE)
NOW_US = int(NOW.timestamp()) * 1_000_000


def of_ward() -> Iterator[tuple[dict[str, Any], dict[str, Any], str | None]]:
    """(resource, owner, patient) of the demo's infection ward: its patients, all that they have, units and places."""
    resources = [orjson.loads(each) for each in demo.resources(NOW.date(), NOW)]
    above = {
        r["id"]: r.get("partOf", {}).get("reference", "").partition("/")[2]
        for r in resources
        if r["resourceType"] == "Organization"
    }
    here = {
        r["subject"]["reference"]
        for r in resources
        if r["resourceType"] == "Encounter"
        and r["status"] == "in-progress"
        and r["serviceProvider"]["reference"].endswith(f"/{WARD}")
    }
    units: dict[tuple[str, str], str | None] = {}
    numbers: dict[tuple[Any, ...], int] = {}
    for resource in resources:
        type_, id_ = resource["resourceType"], resource["id"]
        about = (resource.get("subject") or resource.get("patient") or resource.get("for") or {}).get("reference")
        if type_ == "Appointment":
            about = resource["participant"][0]["actor"]["reference"]
        if type_ == "Patient":
            about = f"Patient/{id_}"
        if (about and about not in here) or type_.startswith("Practitioner"):
            continue
        parent = inherits_from(resource)
        unit = id_ if type_ == "Organization" else None
        if parent is not None:
            unit = parent[1] if parent[0] == "Organization" else units.get(parent)
        units[type_, id_] = unit
        provider = unit
        while provider and above.get(provider):
            provider = above[provider]
        whose = (unit, provider, kind_of(resource))
        number = numbers.setdefault(whose, len(numbers) + 1)
        owner = {
            "number": number,
            "unit": unit,
            "provider": provider,
            "kind": whose[2],
            "author": None,
            "source": "vaka:load",
        }
        yield resource, owner, about.partition("/")[2] if about else None


class Copied:
    """The ward's record in a file, and who reads it."""

    def __init__(self, path: Path) -> None:
        self.path = path / "record.db"
        self.writer = engine.writer(self.path, KEY)
        apply.make(self.writer)
        self.codec = apply.codec(self.writer)
        derived.prepare(self.writer, self.codec)
        self.applier = apply.Applier(self.writer, self.path, on_changed=derived.Derived(self.codec))
        self.seq = 0

    def give(
        self, resource: dict[str, Any], owner: dict[str, Any], patient: str | None, number: int = 1, **more: Any
    ) -> None:
        self.give_all([(resource, owner, patient)], number, **more)

    def give_all(
        self, rows: list[tuple[dict[str, Any], dict[str, Any], str | None]], number: int = 1, **more: Any
    ) -> None:
        lines = []
        for resource, owner, patient in rows:
            self.seq += 1
            lines.append(version(resource, number, xid=self.seq, seq=self.seq, owner=owner, patient=patient, **more))
        self.applier.apply(read_all(*lines, mark(self.seq + 1, f"1.{self.seq}.{self.seq}")))

    def make(self) -> int:
        made = 0
        while count := derived.make(self.writer, self.codec):
            made += count
        return made

    def reader(self) -> Reader:
        return Reader(engine.reader(self.path, KEY), apply.codec(self.writer), 1)


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Copied:
    made = Copied(tmp_path_factory.mktemp("copied"))
    rows = list(of_ward())
    for begin in range(0, len(rows), 500):
        made.give_all(rows[begin : begin + 500])
    return made


def html(reader: Reader, id_: str, sheets: Sheets | None = None) -> str:
    (row,) = reader.rows("SELECT dictionary, body FROM resource WHERE id = :id", {"id": id_})
    who = identity(id_, reader.codec.decompress(row[0], row[1]))
    found = (sheets or Sheets()).body(reader, FULL, id_, "sv")
    assert found is not None
    return zlib.decompress(joined(page.html(found[0], who, page.Reader("sv", NOW_US, NOW_US)))).decode()


def patients(reader: Reader) -> list[str]:
    return [
        row[0]
        for row in reader.rows(
            "SELECT id FROM resource r JOIN owner o ON o.owner = r.owner WHERE o.kind = 'person' AND r.rkey = r.patient",
            {},
        )
    ]


def test_sheets_of_a_ward(ward: Copied) -> None:
    """Would break: a sheet that was made before differs from one that its reader makes; or real records are none of their size."""
    reader = ward.reader()
    ids = patients(reader)
    assert len(ids) >= 7
    before = {id_: html(reader, id_) for id_ in ids}
    assert ward.make() > 50
    assert ward.make() == 0
    after = {id_: html(reader, id_) for id_ in ids}
    assert before == after
    assert all("kan inte visas" not in each for each in after.values())
    sizes = sorted(len(each.encode()) for each in after.values())
    assert 6_000 < sizes[0] < sizes[-1] < 40_000
    sepsis = next(each for each in after.values() if "Rolf Lindberg" in each)
    for told in (
        "Penicillin",
        "Fallrisk",
        "Fragmin 5000 E",
        "antikoagulantia",
        "P-CRP",
        "128 mg/L",
        "Blododling",
        "Sal 6 plats 12",
    ):
        assert told in sepsis


def test_lists_of_a_ward(ward: Copied) -> None:
    """Would break: the ward's lists in a real file lack somebody."""
    found = listed.worklists(ward.reader(), WARD, FULL)
    lists = dict(found.lists)
    assert len(lists["here"]) >= 7
    assert all(line["place"] and line["responsible"] for line in lists["here"])
    assert lists["unsigned"]
    assert all(line["what"] for line in lists["unsigned"])
    assert not found.broken


def test_a_change_and_its_mark_are_one_commit(tmp_path: Path) -> None:
    """Would break: a change is there and the old sheet still stands, or the other way, after a kill in between (S1)."""
    copied = Copied(tmp_path)
    owner = {"number": 1, "unit": "u1", "provider": "v1", "kind": "alert", "author": None, "source": "tests"}
    flag = {
        "resourceType": "Flag",
        "id": "f",
        "status": "active",
        "code": {"text": "MRSA"},
        "subject": {"reference": "Patient/p"},
    }
    copied.give({"resourceType": "Patient", "id": "p"}, owner | {"number": 2, "kind": "person"}, "p")
    copied.give(flag, owner, "p")
    copied.make()
    reader, sheets = copied.reader(), Sheets()
    assert "MRSA" in html(reader, "p", sheets)

    class Cut(Exception):
        pass

    def fails(connection: apsw.Connection, changes: Any) -> set[int]:
        derived.Derived(copied.codec)(connection, changes)
        raise Cut

    copied.applier.putter.on_changed = fails
    with pytest.raises(Cut):
        copied.give(flag | {"code": {"text": "VRE"}}, owner, "p", 2)
    assert "MRSA" in html(reader, "p", sheets)
    assert copied.make() == 0
    copied.applier.putter.on_changed = derived.Derived(copied.codec)
    copied.give(flag | {"code": {"text": "VRE"}}, owner, "p", 2)
    for _ in range(2):
        assert "VRE" in html(reader, "p", sheets)
        assert "MRSA" not in html(reader, "p", sheets)
        assert copied.make() in (0, 1)


def test_a_place_is_called_what_it_is_called_now(tmp_path: Path) -> None:
    """Would break: a bed that came later than who lies in it, or has another name now, is an id on the sheet, or the old name, for
    as long as the patient stays."""
    copied = Copied(tmp_path)
    owner = {"number": 1, "unit": "u1", "provider": "v1", "kind": "contact", "author": None, "source": "tests"}
    places = owner | {"number": 3, "kind": "other"}
    for id_, status in (("p", "in-progress"), ("q", "finished")):
        copied.give({"resourceType": "Patient", "id": id_}, owner | {"number": 2, "kind": "person"}, id_)
        copied.give(
            {"resourceType": "Encounter", "id": f"e-{id_}", "status": status, "subject": {"reference": f"Patient/{id_}"},
             "location": [{"location": {"reference": "Location/bed-1"}}]}, owner, id_,
        )  # fmt: skip
    copied.make()
    reader, sheets, patient = copied.reader(), Sheets(), resource_key("Patient", "p")
    copied.applier.changes = told = Changes(tmp_path / "changes")
    assert "bed-1" in html(reader, "p", sheets)
    for number, name in enumerate(("Sal 8 plats 16", "Sal 9 plats 1"), start=1):
        stood, other = told.stamp(patient), told.stamp(resource_key("Patient", "q"))
        copied.give({"resourceType": "Location", "id": "bed-1", "name": name}, places, None, number)
        assert told.stamp(patient) != stood, "an answer in memory is no longer good"
        assert told.stamp(resource_key("Patient", "q")) == other
        assert name in html(reader, "p", sheets)
        assert copied.make() == 1, "of nobody who has gone"
        assert name in html(reader, "p", sheets)


def test_what_is_set_aside_is_told_on_the_sheet_and_the_lists_at_once(tmp_path: Path) -> None:
    """Would break: the older version stands on a sheet or list that was made before, or is kept in memory, with no word of the newer
    one that could not be interpreted (S4); or what is on no list for that is missed by nobody."""
    copied = Copied(tmp_path)
    copied.applier.changes = changes = Changes(tmp_path / "changes")
    owner = {"number": 1, "unit": "u1", "provider": "v1", "kind": "contact", "author": None, "source": "tests"}
    visit = {"resourceType": "Encounter", "id": "e", "status": "in-progress", "subject": {"reference": "Patient/p"}}
    copied.give({"resourceType": "Patient", "id": "p"}, owner | {"number": 2, "kind": "person"}, "p")
    copied.give(visit, owner, "p")
    copied.make()
    reader, sheets = copied.reader(), Sheets()
    assert "ersatt av en version" not in html(reader, "p", sheets)
    found = listed.worklists(reader, "u1", FULL)
    assert (found.broken, [line.get("superseded") for line in dict(found.lists)["here"]]) == (0, [None])
    stood = changes.stamp(resource_key("Patient", "p"))

    def set_aside(type_: str, id_: str, number: int, *, told: str | None, whose: dict[str, Any] | None = None) -> None:
        copied.seq += 1
        line = version(
            {**visit, "resourceType": type_, "id": id_},
            number,
            xid=copied.seq,
            seq=copied.seq,
            owner=whose,
            patient="p",
        )
        broken = orjson.loads(line) | {"patient": told} | ({"action": "novelty"} if type_ == "Encounter" else {})
        copied.applier.apply(read_all(orjson.dumps(broken), mark(copied.seq + 1, f"1.{copied.seq}.{copied.seq}")))

    set_aside("Encounter", "e", 2, told=None)  # it does not even tell whose it is: what stands does
    assert changes.stamp(resource_key("Patient", "p")) != stood
    for _ in range(2):
        told = html(reader, "p", sheets)
        assert "ersatt av en version" in told
        assert "1 uppgift kan inte visas." in told
        copied.make()
    found = listed.worklists(reader, "u1", FULL)
    assert (found.broken, [line.get("superseded") for line in dict(found.lists)["here"]]) == (1, [True])
    set_aside("Novelty", "n", 1, told="p", whose=owner)
    set_aside("Novelty", "m", 1, told="p", whose=owner | {"number": 3, "unit": "u2"})
    assert [listed.worklists(reader, unit, FULL).broken for unit in ("u1", "u2")] == [2, 1]
    stood = changes.stamp(resource_key("Patient", "p"))
    copied.give(visit, owner, "p", 3)
    assert "ersatt av en version" not in html(reader, "p", sheets)
    assert changes.stamp(resource_key("Patient", "p")) != stood
    assert listed.worklists(reader, "u1", FULL).broken == 1


def test_a_redaction_leaves_nothing(tmp_path: Path) -> None:
    """Would break: what was ordered destroyed stands in a fragment on the disk (S26)."""
    copied = Copied(tmp_path)
    owner = {"number": 1, "unit": "u1", "provider": "v1", "kind": "alert", "author": None, "source": "tests"}
    flag = {
        "resourceType": "Flag",
        "id": "f",
        "status": "active",
        "code": {"text": "Unspeakable"},
        "subject": {"reference": "Patient/p"},
    }
    copied.give(flag, owner, "p")
    copied.make()
    assert copied.writer.execute("SELECT count(*) FROM fragment_body").fetchone() == (1,)
    copied.give(flag, owner, "p", 2, action="redact")
    assert copied.writer.execute("SELECT count(*) FROM fragment_body").fetchone() == (0,)
    copied.make()
    assert copied.writer.execute("SELECT count(*) FROM fragment").fetchone() == (0,)


def test_all_of_it_is_made_from_the_record_alone(ward: Copied) -> None:
    """Would break: a file that was seeded by another release has no lists, or others than one that followed."""
    ward.make()
    followed = {
        table: sorted(ward.writer.execute(f"SELECT {columns} FROM {table}")) for table, columns in TABLES.items()
    }
    derived.rebuild(ward.writer, ward.codec)
    ward.make()
    rebuilt = {
        table: sorted(ward.writer.execute(f"SELECT {columns} FROM {table}")) for table, columns in TABLES.items()
    }
    assert rebuilt == followed
    assert followed["worklist"]


TABLES = {
    "fragment": "patient, kind, provider, unit, newest", "fragment_body": "facts, sv, en, json",
    "worklist": "unit, list, from_us, rkey, until_us, patient, coalesce(person, '')",
}  # fmt: skip


@pytest.mark.parametrize("name", ["entries", "visible_entries"])
def test_what_one_owner_has_is_looked_up_by_patient(ward: Copied, name: str) -> None:
    """Broken: making one sheet goes through all that the owner has of everybody, and takes longer than a copy gives."""
    sql = statements("sheet")
    values = {"patient": 1, "kind": "note", "provider": "p", "unit": "u", "limit": 10}  # of which each takes its own
    plan = ward.writer.execute("EXPLAIN QUERY PLAN " + sql[name].replace("{access}", "1"), values).fetchall()
    assert any("resource_patient" in str(row[3]) for row in plan), plan
