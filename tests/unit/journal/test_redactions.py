"""The list of redactions survives what can happen to files. journal/redactions.py."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from vaka import log
from vaka.errors import Unavailable
from vaka.journal.redactions import NAME, Redaction, Redactions

ONE = Redaction("Patient", "1", "8.2", "IVO", "system/x", "2026-03-01T10:00:00.000Z")
TWO = Redaction("Patient", "2", "8.3", "IVO", "system/x", "2026-03-01T10:00:00.000Z")


def test_both_places_have_it_and_either_is_enough(tmp_path: Path) -> None:
    """Would break: the list is lost with one disk."""
    (tmp_path / "backup").mkdir()
    listed = Redactions(tmp_path)
    assert listed.read() == []
    listed.add([ONE])
    listed.add([TWO, ONE])
    assert listed.read() == [ONE, TWO]
    for file in (tmp_path / NAME, tmp_path / "backup" / NAME):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        copy = file.read_bytes()
        file.unlink()
        assert listed.read() == [ONE, TWO]
        file.write_bytes(copy)


def test_without_a_backup_place(tmp_path: Path) -> None:
    """Would break: with a PostgreSQL of one's own nothing can be redacted."""
    Redactions(tmp_path).add([ONE])
    assert Redactions(tmp_path).read() == [ONE]
    assert Redactions(tmp_path, tmp_path / "nowhere").files == [tmp_path / NAME]


@pytest.mark.parametrize("cut", [1, 5, 60])
def test_a_line_that_a_crash_cut_is_passed_over_and_the_next_is_whole(tmp_path: Path, cut: int) -> None:
    """Would break: one torn line makes the list unreadable, or swallows the line after it."""
    listed = Redactions(tmp_path)
    listed.add([ONE, TWO])
    file = tmp_path / NAME
    file.write_bytes(file.read_bytes()[:-cut])
    assert listed.read() == ([ONE, TWO] if cut == 1 else [ONE])
    listed.add([TWO])
    assert file.read_bytes().endswith(b"}\n")
    listed.add([Redaction("Patient", "3", "1", "x", "y", "z")])
    assert [one.id for one in listed.read()] == ["1", "2", "3"]


def test_a_line_that_is_damaged_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Would break: a redaction is forgotten unseen; or one bad line keeps the whole record from being read."""
    told: list[dict[str, object]] = []
    monkeypatch.setattr(log, "error", lambda event, **more: told.append({"event": event, **more}))
    listed = Redactions(tmp_path)
    listed.add([ONE, TWO])
    file = tmp_path / NAME
    file.write_bytes(b"{damaged\n\n" + file.read_bytes())
    assert listed.read() == [ONE, TWO]
    assert told == [{"event": "redaction cannot be read", "file": str(file), "line": 1}]


def test_a_place_that_cannot_be_written_stops_it(tmp_path: Path) -> None:
    """Would break: something is redacted that is not listed."""
    (tmp_path / "backup").symlink_to(tmp_path / "unplugged")
    with pytest.raises(Unavailable, match="cannot be written"):
        Redactions(tmp_path).add([ONE])
