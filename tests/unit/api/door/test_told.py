"""How a copy stands, as its board tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from vaka.api.door.told import Told
from vaka.copy import board as board_module
from vaka.copy.board import Board, Field, Journal, boottime_ns
from vaka.store.cursor import Cursor
from vaka.store.through import now_us


def test_without_a_board_nothing_is_known(tmp_path: Path) -> None:
    """Broken: before the follower has begun the copy says that it is fresh, or fails."""
    told = Told(tmp_path / "board")
    assert not told.readable and not told.heard and not told.reached(Cursor(1, 1, 1))
    assert told.age_s == float("inf")


def test_what_the_board_tells(tmp_path: Path) -> None:
    """Broken: a journal that is silent counts as heard, or one that a held copy still hears as away."""
    board = Board(tmp_path / "board", make=True)
    told = Told(tmp_path / "board")
    now = boottime_ns()
    board.write({Field.SEED: 3, Field.EPOCH: 1, Field.XID: 7, Field.SEQ: 9, Field.WHOLE: 1, Field.HEARD_NS: now})
    board[Field.SIGN_NS] = now
    assert told.readable and told.heard and told.seed == 3
    assert told.reached(Cursor(1, 7, 9)) and told.reached(Cursor(1, 6, 50))
    assert not told.reached(Cursor(1, 7, 10)) and not told.reached(Cursor(2, 1, 1))
    board[Field.HEARD_NS] = now - 5_000_000_000
    assert told.heard and told.age_s >= 5, "it lags: its journal speaks of what was 5 s ago"
    board[Field.SIGN_NS] = now - 5_000_000_000
    board[Field.JOURNAL] = Journal.HEARD
    assert not told.heard, "whole, and silent for 5 s: frozen, though its connection stands"
    assert 5 <= told.age_s < 60
    board[Field.FROZEN] = 1
    assert told.heard and told.frozen, "held by a person: the follower's own word counts"
    board[Field.FROZEN], board[Field.DISK_FULL] = 0, 1
    assert told.disk_full and not told.heard, "the word of a follower that is gone"
    board[Field.FOLLOWER_NS] = now
    assert told.heard, "it has no room to apply what it hears"
    board[Field.DISK_FULL] = board[Field.WHOLE] = 0
    assert told.heard, "catching up"
    board[Field.JOURNAL] = Journal.AWAY
    assert not told.heard
    board[Field.DAMAGED] = 1
    assert not told.readable


def test_a_board_of_an_earlier_boot_tells_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken: after the machine was started again a copy calls itself fresh by a clock that has begun anew."""
    board = Board(tmp_path / "board", make=True)
    later = boottime_ns() + 3_600_000_000_000
    board.write({Field.SEED: 3, Field.WHOLE: 1, Field.HEARD_NS: later, Field.SIGN_NS: later})
    told = Told(tmp_path / "board")
    monkeypatch.setattr(board_module, "_boot", lambda: 1)
    assert not told.readable and not told.heard and told.aged
    assert told.age_s == float("inf")


def test_how_far_the_clock_is_off(tmp_path: Path) -> None:
    """Broken: an entry of a copy that is cut off from time service stands in the record with a time that nobody knows is wrong."""
    board, told = Board(tmp_path / "board", make=True), Told(tmp_path / "board")
    assert told.offset_ms is None, "no journal was heard"
    board.write({Field.CLOCK_US: now_us() - 90_000_000, Field.CLOCK_NS: boottime_ns()})
    assert told.offset_ms is not None and 90_000 <= told.offset_ms < 91_000
    # A minute after it was heard last, by a clock that never jumps.
    board.write({Field.CLOCK_US: now_us() + 30_000_000, Field.CLOCK_NS: boottime_ns() - 60_000_000_000})
    assert told.offset_ms is not None and -91_000 < told.offset_ms <= -89_000
    board.write({Field.CLOCK_US: now_us() - 400_000, Field.CLOCK_NS: boottime_ns()})
    assert told.offset_ms == 0, "no more exactly than a mark is known to have been made"
