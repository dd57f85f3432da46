"""What a copy keeps of the private feed: lines in, state out, whatever is cut, repeated or unknown."""

from __future__ import annotations

from typing import Any

import apsw
import orjson
import pytest

from vaka.copy import private


@pytest.fixture
def record() -> apsw.Connection:
    connection = apsw.Connection(":memory:")
    private.create(connection)
    private.create(connection)  # a file of before: nothing changes
    return connection


def line(topic: str, key: str, seq: int, row: dict[str, Any] | None) -> bytes:
    return orjson.dumps({"cursor": f"1.9.{seq}", "topic": topic, "key": key, "row": row})


def mark(seq: int) -> bytes:
    return orjson.dumps({"horizon": "10", "epoch": 1, "cursor": f"1.9.{seq}", "at": "", "ageSeconds": 0})


def revocation(person: str, seq: int) -> bytes:
    row = {"session": None, "person": person, "at_us": 5, "until_us": 2**60, "newer": "column"}
    return line("revocation", f"{person}||5", seq, row)


def passkey(person: str, seq: int, signs: int = 0) -> bytes:
    row = {
        "credential": "\\x" + person.encode().hex(), "person": person, "site": "localhost", "public_key": "\\x6b",
        "signs": signs, "demo": False, "made": "2026-01-01T00:00:00+00:00",
    }  # fmt: skip
    return line("passkey", "\\x" + person.encode().hex(), seq, row)


def opening(id_: str, seq: int, closed_us: int | None = None) -> bytes:
    row = {
        "opening": id_, "patient": -(2**63), "person": "P", "unit": "u", "provider": "v", "what": 3, "target": None,
        "session": "s", "opened_us": 1, "until_us": 9, "closed_us": closed_us,
    }  # fmt: skip
    return line("opening", id_, seq, row)


def all_of(record: apsw.Connection, columns: str, table: str) -> list[Any]:
    return record.execute(f"SELECT {columns} FROM {table} ORDER BY 1").fetchall()


def test_lines_become_rows_and_the_cursor_stands_with_them(record: apsw.Connection) -> None:
    """Broken: a copy that was killed begins past what it kept, or before it and then counts something twice."""
    assert private.cursor_of(record) is None
    assert private.apply(record, [mark(0).replace(b"1.9.0", b"1.0.0")]) is None
    lines = [passkey("a", 1), revocation("a", 2), opening("o", 3), mark(3)]
    assert private.apply(record, lines) == "1.9.3"
    private.apply(record, lines)
    assert all_of(record, "credential, person, demo", "passkey") == [(b"a", "a", 0)]
    assert all_of(record, "person, session", "revocation") == [("a", None)]
    assert all_of(record, "patient, pending", "opening") == [(-(2**63), 0)]
    assert private.cursor_of(record) == "1.9.3"
    private.apply(record, [passkey("a", 4, signs=7), opening("o", 5, closed_us=6), line("passkey", "\\x62", 6, None)])
    assert all_of(record, "signs", "passkey") == [(7,)]
    assert all_of(record, "closed_us", "opening") == [(6,)]
    private.apply(record, [line("passkey", "\\x61", 7, None), line("revocation", "a||5", 8, None)])
    assert not all_of(record, "*", "passkey") + all_of(record, "*", "revocation")


def test_what_cannot_be_kept_stops_nothing(record: apsw.Connection) -> None:
    """Broken: one line that this release does not understand keeps every later revocation out."""
    lines = [
        line("news", "1", 1, {"a": 1}), line("alias", "1", 2, {"patient": "x"}), line("alias", "2", 3, {}),
        line("passkey", "k", 4, {"credential": "zz"}), line("alias", "3", 5, {"patient": 1e30}), revocation("a", 6),
    ]  # fmt: skip
    assert private.apply(record, lines) == "1.9.6"
    assert len(all_of(record, "*", "revocation")) == 1


def test_a_batch_that_is_cut_leaves_nothing(record: apsw.Connection) -> None:
    """Broken: half a batch is kept with the cursor of before, or of after."""
    with pytest.raises(orjson.JSONDecodeError):
        private.apply(record, [revocation("a", 1), b'{"cursor": "1.9.2", "topic'])
    assert private.cursor_of(record) is None
    assert not all_of(record, "*", "revocation")


def test_read_from_nothing_the_old_state_stays_until_the_new_one_is_whole(record: apsw.Connection) -> None:
    """Broken: after a restore of the journal everybody whose session was ended is in again for a while, or a passkey that the
    journal does not know any more opens a copy for ever."""
    private.apply(record, [revocation("a", 1), passkey("a", 2), passkey("b", 3), opening("o", 4), mark(4)])
    record.execute("UPDATE opening SET pending = 1")
    private.begin_anew(record)
    assert private.cursor_of(record) is None
    private.apply(record, [passkey("b", 5)])
    assert len(all_of(record, "*", "revocation")) == 1
    assert len(all_of(record, "*", "passkey")) == 2
    private.apply(record, [mark(5)])
    assert not all_of(record, "*", "revocation")
    assert all_of(record, "person", "passkey") == [("b",)]
    assert all_of(record, "opening", "opening") == [("o",)], "made here, not handed over yet"


def test_revocations_past_their_time_go(record: apsw.Connection) -> None:
    """Broken: a copy keeps every logout of years."""
    old = {"session": "s", "person": "old", "at_us": 5, "until_us": 6}
    private.apply(record, [line("revocation", "old|s|5", 1, old), revocation("new", 2)])
    assert all_of(record, "person", "revocation") == [("new",)]


def test_the_keys_of_the_journal_are_kept_whole(record: apsw.Connection) -> None:
    """Broken: a key that the journal has taken away still verifies sessions here."""
    row = {"session": {"k1": "aa", "k2": "bb"}, "token": {"t": "cc"}, "form": "dd", "page": "ee", "newer": {"n": "ff"}}
    private.apply(record, [orjson.dumps({"topic": "keys", "key": "journal", "row": row})])
    assert len(all_of(record, "*", "journal_key")) == 6
    row["session"] = {"k2": "bb"}
    private.apply(record, [orjson.dumps({"topic": "keys", "key": "journal", "row": row})])
    found = record.execute("SELECT kid FROM journal_key WHERE use = 'session'").fetchall()
    assert found == [("k2",)]
