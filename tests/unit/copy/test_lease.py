"""The lease of a copy's key: it ends by itself, whatever the clock is set to, and only the journal's word begins it anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from vaka import config
from vaka.copy import clock as clocks
from vaka.copy import lease as leases
from vaka.copy.lease import Lease

DAY_US = 86_400_000_000
KEY = bytes(range(32))
BEGAN_US = 1_790_000_000_000_000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The wall clock, in microseconds; the machine's own moves by nothing."""
    at = [BEGAN_US]
    monkeypatch.setattr(leases, "wall_us", lambda: at[0])
    monkeypatch.setattr(clocks, "wall_us", lambda: at[0])
    monkeypatch.setattr(clocks, "boottime_ns", lambda: 0)
    return at


def test_it_ends_and_the_journal_begins_it_anew(tmp_path: Path, clock: list[int]) -> None:
    """Would break: a stolen copy is read for ever; or one whose journal was long away never again."""
    made = Lease(tmp_path / "lease", KEY, begins=True)
    assert made.holds
    clock[0] += int(config.COPY_LEASE_DAYS * DAY_US) - 1
    assert Lease(tmp_path / "lease", KEY).holds
    clock[0] += 2
    assert not made.holds
    again = Lease(tmp_path / "lease", KEY, begins=True)
    assert not again.holds, "a new start is no new lease"
    again.renew(clock[0])
    assert again.holds and Lease(tmp_path / "lease", KEY).holds


def test_a_clock_that_is_set_back_lengthens_nothing(tmp_path: Path, clock: list[int]) -> None:
    """Would break: who has stolen a copy sets its clock to the day before."""
    made = Lease(tmp_path / "lease", KEY, begins=True)
    clock[0] += 40 * DAY_US
    made.pass_time()
    clock[0] = BEGAN_US
    assert not made.holds
    assert not Lease(tmp_path / "lease", KEY).holds


def test_a_clock_that_ran_ahead_is_over_with_the_next_hearing(tmp_path: Path, clock: list[int]) -> None:
    """Would break: an hour with a wrong clock makes a copy useless for the years between."""
    made = Lease(tmp_path / "lease", KEY, begins=True)
    clock[0] += 4_000 * DAY_US
    made.pass_time()
    clock[0] = BEGAN_US
    assert not made.holds
    made.renew(BEGAN_US)
    assert made.holds and Lease(tmp_path / "lease", KEY).holds


def test_a_clock_that_goes_on_running_ahead_ends_no_lease_that_the_journal_begins(
    tmp_path: Path, clock: list[int]
) -> None:
    """Would break: a copy whose clock is set wrong is dark for as long as it is, though it hears its journal; or for good, once
    such a clock has passed the end of what was begun by it."""
    Lease(tmp_path / "lease", KEY, begins=True)
    clock[0] += 4_000 * DAY_US
    made = Lease(tmp_path / "lease", KEY)
    assert not made.holds
    made.renew(BEGAN_US)
    made.pass_time()
    assert made.holds
    clock[0] += int(config.COPY_LEASE_DAYS * DAY_US) - 1
    made.pass_time()
    assert made.holds
    clock[0] += 2
    assert not made.holds
    clock[0] = BEGAN_US
    made.renew(BEGAN_US)
    assert made.holds and Lease(tmp_path / "lease", KEY).holds


def test_a_new_copy_whose_clock_runs_ahead_has_no_longer_lease(tmp_path: Path, clock: list[int]) -> None:
    """Would break: a copy that was made while its clock was years ahead is read for these years after it was stolen."""
    clock[0] += 4_000 * DAY_US
    made = Lease(tmp_path / "lease", KEY, begins=True)
    made.renew(BEGAN_US)
    clock[0] = BEGAN_US + int(config.COPY_LEASE_DAYS * DAY_US) + 1
    assert not Lease(tmp_path / "lease", KEY).holds


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"until_us": 9000000000000000, "seen_us": 0, "seal": "00"}'])
def test_one_that_is_not_ours_has_ended(tmp_path: Path, clock: list[int], content: bytes) -> None:
    """Would break: a lease is written by hand; or a damaged one keeps the copy from starting."""
    (tmp_path / "lease").write_bytes(content)
    assert not Lease(tmp_path / "lease", KEY, begins=True).holds
    Lease(tmp_path / "other", KEY, begins=True)
    assert not Lease(tmp_path / "other", KEY[::-1], begins=True).holds, "another copy's"


def test_one_that_is_missing_has_ended_unless_the_copy_is_new(tmp_path: Path, clock: list[int]) -> None:
    """Would break: removing the file is as good as a lease."""
    assert not Lease(tmp_path / "lease", KEY).holds
    assert Lease(tmp_path / "lease", KEY, begins=True).holds
