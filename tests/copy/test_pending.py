"""Reserve entries shown in the record, until the feed brings them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.copy.feedlines import NOW_US, contents, read_all, record, version, words

from vaka.copy.apply import Applier
from vaka.copy.lines import Owner
from vaka.copy.pending import Pending, show, withdraw, withdraw_all
from vaka.copy.reserve.entry import FIRST_SEQ
from vaka.fhir.keys import resource_key

OWNER = Owner(None, "unit-a", "provider-a", "note", "Practitioner/1", "copy north")


def note(text: str, id_: str = "n1") -> dict[str, Any]:
    return {
        "resourceType": "Observation", "id": id_, "status": "final", "code": {"text": text}, "subject": {"reference": "Patient/p1"},
    }  # fmt: skip


def entry(number: int, text: str, id_: str = "n1") -> Pending:
    return Pending(number, "Observation", id_, orjson.dumps(note(text, id_)), OWNER, "p1", NOW_US)


def row(applier: Applier) -> tuple[Any, ...]:
    found = applier.connection.execute(
        "SELECT version, pending, created, deleted FROM resource WHERE rkey = ?", (resource_key("Observation", "n1"),)
    ).fetchone()
    assert found is not None
    return tuple(found)


@pytest.fixture
def applier(tmp_path: Path) -> Applier:
    return Applier(record(tmp_path), tmp_path / "record.db")


def test_an_entry_is_shown_and_found_and_taken_back_without_a_trace(applier: Applier) -> None:
    """Broken: an entry that the journal refused is still found, or what it covered is gone."""
    applier.apply(read_all(version(note("hosta"))))
    before = contents(applier.connection, without=("owner",))
    show(applier, [entry(7, "feber")])
    assert row(applier) == (2, 7, 1, 0)
    assert words(applier.connection, "feb")
    assert not words(applier.connection, "host")
    withdraw(applier, 7)
    assert contents(applier.connection, without=("owner",)) == before
    assert words(applier.connection, "host")
    assert not words(applier.connection, "feb")


def test_a_new_resource_of_an_entry_is_the_newest_until_the_journal_has_it(applier: Applier) -> None:
    """Broken: an entry is doubled when the journal has it, or stays pending for ever."""
    show(applier, [entry(7, "hosta")])
    assert row(applier) == (1, 7, FIRST_SEQ + 7, 0)
    show(applier, [entry(7, "hosta")])
    applier.apply(read_all(version(note("hosta"), xid=4, seq=4)))
    assert row(applier) == (1, 0, 4, 0)
    withdraw(applier, 7)
    assert row(applier) == (1, 0, 4, 0)


def test_the_feed_goes_on_beneath_an_entry(applier: Applier) -> None:
    """Broken: what the journal said while an entry was shown is lost when the entry is taken back."""
    applier.apply(read_all(version(note("hosta"))))
    show(applier, [entry(7, "feber")])
    show(applier, [entry(8, "yrsel")])
    assert row(applier)[:2] == (3, 8)
    applier.apply(read_all(version(note("annat"), 2, xid=2, seq=2)))
    assert row(applier)[:2] == (3, 8)
    withdraw(applier, 8)
    assert row(applier)[:2] == (2, 0)
    assert words(applier.connection, "ann")
    assert not applier.connection.execute("SELECT count(*) FROM beneath").get


def test_a_higher_version_of_the_feed_takes_an_entrys_place(applier: Applier) -> None:
    """Broken: a change by somebody else stays hidden under an entry."""
    applier.apply(read_all(version(note("hosta"))))
    show(applier, [entry(7, "feber")])
    applier.apply(read_all(version(note("annat"), 2, xid=2, seq=2)))
    assert row(applier)[:2] == (2, 0)
    assert words(applier.connection, "ann")
    assert not applier.connection.execute("SELECT count(*) FROM beneath").get


def test_a_passed_on_write_that_the_feed_has_brought_is_not_shown_again(applier: Applier) -> None:
    """Broken: the overlay of one's own write hides the next version."""
    applier.apply(read_all(version(note("hosta"), 2, xid=2, seq=2)))
    one = entry(7, "feber")
    show(applier, [Pending(7, one.type, one.id, one.body, OWNER, "p1", NOW_US, 2, 1)])
    assert row(applier)[:2] == (2, 0)


def test_all_entries_are_taken_out_of_a_neighbours_seed(applier: Applier) -> None:
    """Broken: a copy shows entries that its reserve does not have."""
    applier.apply(read_all(version(note("hosta"))))
    show(applier, [entry(7, "feber"), entry(8, "klada", "n2")])
    withdraw_all(applier)
    assert row(applier)[:2] == (1, 0)
    assert applier.connection.execute("SELECT count(*) FROM resource").get == 1
