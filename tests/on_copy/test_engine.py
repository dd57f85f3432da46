"""The copy's engine: encrypted, with one writer, and clear about what is wrong with a file or a key."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest
from tests.on_copy.feedlines import KEY, record

from vaka import errors
from vaka.copy import engine


def test_nothing_is_plain_in_any_file(tmp_path: Path) -> None:
    """Broken: a stolen disk is a stolen record."""
    connection = record(tmp_path)
    with engine.transaction(connection):
        connection.executemany(
            "INSERT INTO fact VALUES (?, ?)", [(f"Lindqvist{n}", "Lindqvist " * 500) for n in range(500)]
        )
    connection.execute("SELECT * FROM fact ORDER BY value || name").fetchall()
    seen = {path.name for path in tmp_path.iterdir()}
    assert {"record.db", "record.db-wal"} <= seen
    for path in tmp_path.iterdir():
        assert b"Lindqvist" not in path.read_bytes(), path
        assert b"CREATE TABLE" not in path.read_bytes(), path
    assert (tmp_path / "record.db").stat().st_mode & 0o777 == 0o600
    connection.close()


def test_a_commit_is_on_the_disk_when_it_has_returned(tmp_path: Path) -> None:
    """Broken: a cursor is told to be kept that a power cut takes back."""
    connection = record(tmp_path)
    found = {name: connection.pragma(name) for name in ("journal_mode", "synchronous", "mmap_size", "temp_store")}
    assert found == {"journal_mode": "wal", "synchronous": 2, "mmap_size": 0, "temp_store": 2}


def test_another_key_is_told(tmp_path: Path) -> None:
    """Broken: an operator who gave the wrong key file is told of damage, and removes a good copy."""
    record(tmp_path).close()
    with pytest.raises(errors.Setup, match="cannot be opened with this key"):
        engine.reader(tmp_path / "record.db", bytes(32))
    with pytest.raises(errors.Setup, match="cannot be opened with this key"):
        engine.writer(tmp_path / "record.db", bytes(32))


def test_a_plain_file_is_refused(tmp_path: Path) -> None:
    """Broken: a copy goes on in a file that anybody can read."""
    plain = apsw.Connection(str(tmp_path / "record.db"))
    plain.execute("CREATE TABLE t (x)")
    plain.close()
    with pytest.raises(errors.Setup, match="not encrypted"):
        engine.writer(tmp_path / "record.db", KEY)


def test_a_reader_cannot_write_and_sees_what_was_committed(tmp_path: Path) -> None:
    """Broken: a worker changes the record."""
    connection = record(tmp_path)
    reader = engine.reader(tmp_path / "record.db", KEY)
    with engine.transaction(connection):
        connection.execute("INSERT INTO fact VALUES ('a', 'b')")
        assert reader.execute("SELECT count(*) FROM fact WHERE name = 'a'").get == 0
    assert reader.execute("SELECT value FROM fact WHERE name = 'a'").get == "b"
    with pytest.raises(apsw.ReadOnlyError):
        reader.execute("DELETE FROM fact")


def test_a_reader_opens_what_no_writer_holds(tmp_path: Path) -> None:
    """Broken: reading stops when the follower does."""
    record(tmp_path).close()
    assert engine.reader(tmp_path / "record.db", KEY).execute("SELECT value FROM fact WHERE name = 'schema'").get == "1"


def test_a_changed_byte_is_noticed(tmp_path: Path) -> None:
    """Broken: a damaged disk, or a hand, changes what is read."""
    connection = record(tmp_path)
    with engine.transaction(connection):
        connection.executemany("INSERT INTO fact VALUES (?, ?)", [(str(n), "x" * 900) for n in range(500)])
    connection.close()
    path = tmp_path / "record.db"
    content = bytearray(path.read_bytes())
    content[len(content) // 2 + 100] ^= 1
    path.write_bytes(content)
    opened = engine.reader(path, KEY)
    with pytest.raises(engine.Damaged):
        engine.check(opened, path)


def test_an_old_sqlite_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken: a copy runs on a version that is known to lose a log."""
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.50.4")
    with pytest.raises(errors.Setup, match=r"3\.50\.4 is not"):
        engine.require_version()
