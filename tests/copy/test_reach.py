"""What a sheet says of entries that may be missing (S10, S11): at other copies out of reach, and where this copy's follower stands
still, whatever the clock does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import apsw
import pytest

from vaka import config
from vaka.api.door.opening import _freshness
from vaka.api.door.told import Told
from vaka.copy.board import Board, Field, boottime_ns
from vaka.copy.reserve import peers as peers_module
from vaka.copy.reserve import store as store_module
from vaka.copy.reserve.peers import Peer, Peers
from vaka.copy.reserve.store import ReserveStore
from vaka.copy.sheet import page
from vaka.store.sheet import Freshness

SECOND_US = 1_000_000
SECOND_NS = 1_000_000_000


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    made = Board(tmp_path / "board", make=True)
    made[Field.WHOLE], made[Field.HEARD_NS] = 1, boottime_ns()
    yield made
    made.close()


def fresh(board: Board, tmp_path: Path, *names: str) -> Freshness:
    away = [SimpleNamespace(name=name, since_us=1) for name in names]
    reserve: Any = SimpleNamespace(peers=SimpleNamespace(out_of_reach=lambda: away))
    return _freshness(Told(tmp_path / "board"), cast(Any, SimpleNamespace(reaches=lambda told: False)), reserve)


def test_a_follower_that_stands_still_makes_no_dose_certain(board: Board, tmp_path: Path) -> None:
    """Broken: with the follower frozen and the journal away nothing that is entered comes into the record, and a dose that was given
    at another copy, or here, stands as not given."""
    assert fresh(board, tmp_path).notices == (page.NOT_SHOWN,), "it has not begun since the machine started"
    board[Field.RESERVE_NS] = boottime_ns()
    assert fresh(board, tmp_path).certain and not fresh(board, tmp_path).notices
    board[Field.RESERVE_NS] = boottime_ns() - 60 * SECOND_NS
    told = fresh(board, tmp_path)
    assert not told.certain
    ((text, since_us),) = [one for one in told.notices if not isinstance(one, str)]
    assert text == page.NOT_SHOWN_SINCE
    assert abs(time.time_ns() // 1_000 - 60 * SECOND_US - since_us) < 5 * SECOND_US


def test_a_copy_that_cannot_know_of_blocks_says_so(
    board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken (S20): after a week's stop other providers' information is hidden, or shown in an emergency alone, and no page says
    why."""
    board[Field.RESERVE_NS] = boottime_ns()
    assert page.AGED not in fresh(board, tmp_path).notices
    later_ns = boottime_ns() + int((config.COPY_CONSENTS_DAYS * 86_400 + 60) * SECOND_NS)
    monkeypatch.setattr("vaka.api.door.told.boottime_ns", lambda: later_ns)
    board[Field.RESERVE_NS] = later_ns
    found = fresh(board, tmp_path)
    assert found.notices == (page.AGED,)
    assert found.certain, "a block hides no dose that the own provider gave"
    monkeypatch.undo()
    board[Field.WHOLE] = 0
    assert page.AGED in fresh(board, tmp_path).notices, (
        "it catches up: an entry can come before the block that was committed first"
    )


def test_a_copy_out_of_reach_is_named_while_the_follower_is_well(board: Board, tmp_path: Path) -> None:
    """Broken: what was entered there is missing, and the page looks complete."""
    board[Field.RESERVE_NS] = boottime_ns()
    board[Field.PEERS_AWAY] = 1
    told = fresh(board, tmp_path, "south")
    assert not told.certain and told.out_of_reach == (("south", 1),) and not told.notices


def test_a_clock_that_is_set_back_hides_no_copy_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken: with the clock an hour slow, a copy that went away a moment ago counts as heard for an hour."""
    now = SimpleNamespace(monotonic_s=1_000.0, wall_us=10_000 * SECOND_US)
    monkeypatch.setattr(peers_module, "time", SimpleNamespace(monotonic=lambda: now.monotonic_s))
    monkeypatch.setattr(peers_module, "now_us", lambda: now.wall_us)
    monkeypatch.setattr(store_module, "now_us", lambda: now.wall_us)
    store = ReserveStore(apsw.Connection(":memory:"), "north")
    peers = Peers(store, lambda: [Peer("south", "http://127.0.0.1:9")], lambda: "token")
    peers._exchanging = now.monotonic_s
    store.told("south", 0)
    assert not peers.out_of_reach()
    now.wall_us -= 3_600 * SECOND_US
    now.monotonic_s += 60
    assert [one.name for one in peers.out_of_reach()] == ["south"]
