"""Applying lines of the feed: what stands afterwards, whatever came in which order."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.copy.feedlines import KEY, contents, mark, read_all, record, version, words

from vaka.copy import engine
from vaka.copy.apply import Applier
from vaka.copy.put import Changed
from vaka.fhir.keys import reference_key, resource_key

Resource = dict[str, Any]


def patient(id_: str = "p1", **more: Any) -> Resource:
    return {"resourceType": "Patient", "id": id_, "name": [{"family": "Lindqvist"}], **more}


def note(id_: str = "n1", text: str = "hosta", subject: str = "p1") -> Resource:
    return {
        "resourceType": "Observation", "id": id_, "status": "final", "code": {"text": text},
        "subject": {"reference": f"Patient/{subject}"}, "effectiveDateTime": "2026-03-01",
        "valueQuantity": {"value": 7, "unit": "mmol/L", "system": "http://unitsofmeasure.org", "code": "mmol/L"},
    }  # fmt: skip


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[apsw.Connection]:
    opened = record(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def applier(connection: apsw.Connection, tmp_path: Path) -> Applier:
    return Applier(connection, tmp_path / "record.db")


def apply(applier: Applier, *lines: bytes) -> Any:
    return applier.apply(read_all(*lines))


def row(applier: Applier, type_: str, id_: str) -> dict[str, Any]:
    found = applier.connection.execute("SELECT * FROM resource WHERE rkey = ?", (resource_key(type_, id_),))
    names = [column[0] for column in found.get_description()]
    return dict(zip(names, next(found), strict=True))


def test_rows_and_cursor_are_there_together(applier: Applier) -> None:
    """Broken: a copy that was stopped asks on from a place that it has not kept."""
    applied = apply(applier, version(patient(), xid=5, seq=7), version(note(), xid=6, seq=8), mark(9, "1.6.8"))
    assert (str(applied.at.cursor), applied.at.horizon_xid, applied.at.whole) == ("1.6.8", 9, True)
    assert applier.at == applied.at
    assert row(applier, "Observation", "n1")["patient"] == resource_key("Patient", "p1")
    assert words(applier.connection, "host") == [resource_key("Observation", "n1")]


def test_a_late_older_version_changes_only_when_it_was_created(applier: Applier) -> None:
    """Broken: 3 comes before 2 and the older text is shown."""
    apply(applier, version(note(text="tredje"), 3, xid=5, seq=12))
    apply(applier, version(note(text="andra"), 2, xid=6, seq=11), version(note(text="forsta"), 1, xid=7, seq=10))
    found = row(applier, "Observation", "n1")
    assert (found["version"], found["created"], found["seq"]) == (3, 10, 12)
    assert not words(applier.connection, "andr")


def test_a_change_leaves_nothing_of_before(applier: Applier, tmp_path: Path) -> None:
    """Broken: a resource is found by what it said once."""
    apply(applier, version(note(text="hosta")), version(note(text="feber", subject="p2"), 2, xid=2, seq=2))
    apply(applier, version(note(text="yrsel", subject="p3"), 3, xid=3, seq=3))
    (tmp_path / "other").mkdir()
    fresh = record(tmp_path / "other")
    apply(
        Applier(fresh, tmp_path / "other"),
        version(note(), 1),
        version(note(text="yrsel", subject="p3"), 3, xid=3, seq=3),
    )
    assert contents(applier.connection) == contents(fresh)
    assert not words(applier.connection, "host")
    assert not words(applier.connection, "feb")
    applier.connection.execute("INSERT INTO words (words) VALUES ('integrity-check')")


def test_a_deletion_keeps_the_row_and_nothing_finds_it(applier: Applier) -> None:
    """Broken: what was deleted is still found, or is created anew as version 1."""
    apply(applier, version(note()), version(note(), 2, xid=2, seq=2, action="delete"))
    found = row(applier, "Observation", "n1")
    assert (found["deleted"], found["version"], found["body"]) == (1, 2, None)
    assert not list(applier.connection.execute("SELECT 1 FROM token UNION ALL SELECT 1 FROM search_date"))
    assert not words(applier.connection, "host")


def test_a_redaction_takes_the_body_out(applier: Applier) -> None:
    """Broken: what an authority ordered destroyed is still in the copy (S26)."""
    apply(applier, version(note()))
    apply(applier, version(note(), 2, xid=2, seq=2, action="redact"))
    found = row(applier, "Observation", "n1")
    assert (found["redacted"], found["body"], found["action"]) == (1, None, 4)


def test_the_log_is_emptied_after_a_redaction_once_nobody_reads_in_it(applier: Applier, tmp_path: Path) -> None:
    """Broken: what was ordered destroyed stays in the write-ahead log for as long as nobody writes much (S26)."""
    apply(applier, version(note()), version(note("n2"), xid=2, seq=2))
    reader = engine.reader(tmp_path / "record.db", KEY)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM resource").fetchall()
    apply(applier, version(note(), 2, xid=3, seq=3, action="redact"))
    log = tmp_path / "record.db-wal"
    assert log.stat().st_size > 0
    reader.execute("COMMIT")
    apply(applier, version(note("n2"), 2, xid=4, seq=4))
    assert log.stat().st_size == 0
    reader.close()


def test_a_block_names_the_unit_that_only_comes_later(applier: Applier) -> None:
    """Broken: a block whose Organization comes after it in the feed blocks another unit than the patient said."""
    consent = {
        "resourceType": "Consent", "id": "c1", "status": "active", "patient": {"reference": "Patient/p1"},
        "category": [{"coding": [{"system": "urn:x-vaka:consent", "code": "inner-block"}]}],
        "organization": [{"reference": "Organization/ward"}], "provision": {"type": "deny"},
    }  # fmt: skip
    ward = {"number": 2, "unit": "ward", "provider": "hospital", "kind": "directory", "author": None, "source": "tests"}
    apply(applier, version(consent))
    organization = {"resourceType": "Organization", "id": "ward", "name": "Ward"}
    apply(applier, version(organization, xid=2, seq=2, owner=ward))
    assert list(applier.connection.execute("SELECT provider, unit FROM block")) == [("hospital", "ward")]


def test_a_merged_patients_entries_are_found_under_the_surviving_one(applier: Applier) -> None:
    """Broken: after a merge the copy shows half a record."""
    apply(applier, version(note(subject="old")), version(note(subject="old"), 2, xid=2, seq=2, patient="new"))
    rkey = resource_key("Observation", "n1")
    new, old = (reference_key("Observation.subject", "Patient", one) for one in ("new", "old"))
    assert {k for (k,) in applier.connection.execute("SELECT key FROM token WHERE rkey = ?", (rkey,))} >= {new, old}
    apply(applier, version(note(subject="old"), 3, xid=3, seq=3, patient="old"))
    assert new not in {k for (k,) in applier.connection.execute("SELECT key FROM token WHERE rkey = ?", (rkey,))}


def test_an_owners_number_that_was_given_again_keeps_its_meaning(applier: Applier) -> None:
    """Broken: after a restore of the journal, old entries become another provider's."""
    other = {"number": 1, "unit": "x", "provider": "y", "kind": "note", "author": None, "source": "tests"}
    apply(applier, version(note("a")))
    apply(applier, version(note("b"), xid=2, seq=2, epoch=2, owner=other))
    owners = {o: rest for o, *rest in applier.connection.execute("SELECT owner, unit, provider FROM owner")}
    assert owners[row(applier, "Observation", "a")["owner"]] == ["unit-a", "provider-a"]
    assert owners[row(applier, "Observation", "b")["owner"]] == ["x", "y"]


def test_what_cannot_be_interpreted_is_set_aside(applier: Applier, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken: one hostile resource stops the copy for everybody (S4)."""
    forged = version(note("forged")).replace(b"hosta", b"rosta")
    unknown = version({"resourceType": "Novelty", "id": "x"}, xid=3, seq=3)
    apply(applier, version(note("good"), xid=2, seq=2), forged, unknown)
    assert row(applier, "Observation", "good")["version"] == 1
    reasons = dict(applier.connection.execute("SELECT id, reason FROM aside"))
    assert reasons == {"forged": "the body is not that of its hash", "x": "unknown type"}
    from vaka.copy import put

    def fails(*_: Any) -> None:
        raise RecursionError

    monkeypatch.setattr(put, "rows_of", fails)
    apply(applier, version(note("hostile"), xid=4, seq=4))
    assert row(applier, "Observation", "hostile")["indexed"] == 0
    monkeypatch.undo()
    apply(applier, version(note("hostile"), 2, xid=5, seq=5), version(note("forged"), 2, xid=6, seq=6))
    assert [one for (one,) in applier.connection.execute("SELECT id FROM aside")] == ["x"]
    assert row(applier, "Observation", "hostile")["indexed"] == 1


def test_the_sheet_is_told_whose_changed(connection: apsw.Connection, tmp_path: Path) -> None:
    """Broken: a sheet still shows what was moved to another patient."""
    told: list[Changed] = []

    def tells(_: apsw.Connection, changed: Collection[Changed]) -> tuple[int, ...]:
        told.extend(changed)
        return ()

    applier = Applier(connection, tmp_path, on_changed=tells)
    apply(applier, version(note()))
    apply(applier, version(note(subject="p2"), 2, xid=2, seq=2))
    before, after = (resource_key("Patient", one) for one in ("p1", "p2"))
    assert told[0].before is None
    assert told[1].before is not None
    assert told[1].after is not None
    assert (told[1].before.patient, told[1].after.patient) == (before, after)


def test_a_hook_that_fails_undoes_the_whole_commit(connection: apsw.Connection, tmp_path: Path) -> None:
    """Broken: the sheet and the record disagree after a fault."""

    def fails(*_: Any) -> tuple[int, ...]:
        raise RuntimeError

    applier = Applier(connection, tmp_path, on_changed=fails)
    with pytest.raises(RuntimeError):
        apply(applier, version(note()))
    assert applier.at.cursor.seq == 0
    assert not list(
        connection.execute("SELECT 1 FROM resource UNION ALL SELECT 1 FROM owner UNION ALL SELECT 1 FROM token")
    )


def test_what_a_later_epoch_did_not_know_was_lost(connection: apsw.Connection, tmp_path: Path) -> None:
    """Broken: a restored journal writes over what it lost, and nobody can give it back."""
    lost: list[Any] = []
    applier = Applier(connection, tmp_path, on_lost=lost.extend)
    apply(applier, version(note(text="forlorad"), 2, xid=5, seq=5))
    apply(applier, version(note(text="ny"), 2, xid=4, seq=4, epoch=2))
    assert [(one.version, one.epoch) for one in lost] == [(2, 1)]
    assert row(applier, "Observation", "n1")["epoch"] == 2


_HISTORY = [
    version(patient("p1", meta={"security": [{"code": "R"}]}), 1, xid=1, seq=1), version(note("a", "hosta"), 1, xid=2, seq=2),
    version(note("a", "feber"), 2, xid=4, seq=3), version(note("a", "yrsel"), 3, xid=3, seq=4),
    version(note("b", "klada"), 1, xid=5, seq=5), version(note("b"), 2, xid=6, seq=6, action="delete"),
    version(note("b", "igen", "p2"), 3, xid=7, seq=7), version(patient("p1"), 2, xid=8, seq=8),
    version(note("c", "bort"), 1, xid=9, seq=9, redacted=True), version(note("c"), 2, xid=10, seq=10, action="redact"),
]  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(len(_HISTORY))), cuts=st.sets(st.integers(0, len(_HISTORY) * 2)), again=st.randoms())
def test_any_order_and_repetition_gives_the_same_state(
    order: list[int], cuts: set[int], again: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Broken: two copies of one journal disagree."""
    straight = record(tmp_path_factory.mktemp("straight"))
    apply(Applier(straight, Path("straight")), *_HISTORY)
    shuffled = record(tmp_path_factory.mktemp("shuffled"))
    applier = Applier(shuffled, Path("shuffled"))
    lines = [_HISTORY[n] for n in order] + [again.choice(_HISTORY) for _ in range(5)]
    start = 0
    for cut in [*sorted(cuts), len(lines)]:
        apply(applier, *lines[start:cut])
        start = max(cut, start)
    assert contents(shuffled) == contents(straight)
    assert applier.at.cursor == Applier(straight, Path("straight")).at.cursor
    straight.close()
    shuffled.close()
