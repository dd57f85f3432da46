"""The board: what a copy's processes tell each other at once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from vaka.copy import board as board_module
from vaka.copy.board import Board, Field, boottime_ns
from vaka.errors import Fault


def test_what_belongs_together_is_read_together(tmp_path: Path) -> None:
    """Broken: a session's cursor is compared with half of another one."""
    writing, reading = Board(tmp_path / "board", make=True), Board(tmp_path / "board")
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            writing.write({Field.EPOCH: number, Field.XID: number, Field.SEQ: number})

    thread = threading.Thread(target=write)
    thread.start()
    torn = [found for _ in range(20_000) if len(set(found := reading.read(Field.EPOCH, Field.XID, Field.SEQ))) != 1]
    stop.set()
    thread.join()
    assert not torn


def test_a_writer_that_was_killed_in_the_middle_holds_nobody_up(tmp_path: Path) -> None:
    """Broken: readers wait for ever for a follower that is dead."""
    board = Board(tmp_path / "board", make=True)
    board[Field.SEQUENCE] = 7
    assert board.read(Field.SEED) == (0,)
    assert Board(tmp_path / "board", make=True)[Field.SEQUENCE] == 8


def test_age_is_counted_on_a_clock_that_only_goes_forward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken: a clock that is set back makes old data look new, or one of another boot counts."""
    board = Board(tmp_path / "board", make=True)
    assert board.age_s() is None
    board[Field.HEARD_NS] = boottime_ns() - 5_000_000_000
    age_s = board.age_s()
    assert age_s is not None
    assert 5 <= age_s < 60
    monkeypatch.setattr(board_module, "_boot", lambda: 1)
    assert board.age_s() is None
    assert Board(tmp_path / "board", make=True)[Field.HEARD_NS] == 0


def test_a_file_that_is_too_short_is_no_board(tmp_path: Path) -> None:
    """Broken: a worker that starts first is killed by SIGBUS."""
    (tmp_path / "board").write_bytes(b"x")
    with pytest.raises(Fault):
        Board(tmp_path / "board")
