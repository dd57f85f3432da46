"""What a copy is read from before anybody follows."""

from __future__ import annotations

from pathlib import Path

import pytest

from vaka.api.door.told import Told
from vaka.copy import board as board_module
from vaka.copy import booting
from vaka.copy.board import Board, Field, boottime_ns
from vaka.copy.files import Folder
from vaka.copy.lease import Lease

KEY = bytes(32)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Of a copy that read from its third seed, and was fresh."""
    made = Folder(tmp_path)
    made.prepare()
    made.seed(3).mkdir()
    made.record(3).touch()
    made.use(3)
    Lease(made.lease, KEY, begins=True)
    board, now = Board(made.board, make=True), boottime_ns()
    board.write({Field.SEED: 3, Field.WHOLE: 1, Field.HEARD_NS: now, Field.SIGN_NS: now})
    board.close()
    return made


def test_after_a_boot_the_record_in_use_is_read_and_not_called_fresh(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken: a copy whose machine was started again answers nothing until something follows, or says that it is fresh."""
    monkeypatch.setattr(board_module, "_boot", lambda: 1)
    booting.begin(folder, KEY)
    told = Told(folder.board)
    assert told.seed == 3 and told.readable
    assert told.age_s == float("inf") and told.aged and not told.heard


def test_within_a_boot_the_board_stays(folder: Folder) -> None:
    """Broken: a copy that is started again calls itself old until its journal is heard."""
    booting.begin(folder, KEY)
    assert Told(folder.board).readable and Told(folder.board).age_s < 60


def test_a_copy_whose_lease_has_ended_is_not_read_after_a_boot(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken: a stolen copy is read until its follower finds that its lease has ended."""
    folder.lease.unlink()
    monkeypatch.setattr(board_module, "_boot", lambda: 1)
    booting.begin(folder, KEY)
    assert not Told(folder.board).readable


def test_a_new_copy_reads_nothing(tmp_path: Path) -> None:
    """Broken: a copy that holds no record tries to read one."""
    folder = Folder(tmp_path)
    folder.prepare()
    booting.begin(folder, KEY)
    assert not Told(folder.board).readable
    assert not folder.lease.exists(), "the follower begins the lease, when it begins the copy"
