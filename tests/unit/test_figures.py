"""The figures' own logic: what is no figure is an error."""

from __future__ import annotations

import pytest
from bench import h2load, overload, wrk
from bench.open_loop import Late

_TOLD = 'Running\n{"requests":3000,"us":1500000,"bytes":9,"errors":[0,0,0,%d,0],"p50_us":900,"p99_us":2000}\n'


def test_a_load_is_read() -> None:
    """Broken: a rate or time of the wrong unit is published."""
    found = wrk.read(_TOLD % 3, "", busy=0.97, loading=0.9)
    assert (round(found.per_second), found.refused, found.p50_ms, found.p99_ms) == (1_998, 3, 0.9, 2.0)
    assert wrk.read(_TOLD % 0, "", busy=0.6, loading=0.3).per_second == 2_000, "it waited for its disk"


@pytest.mark.parametrize(
    ("told", "busy", "why"),
    [(_TOLD % 31, 0.99, "31 of 3000 answers were"), (_TOLD % 0, 0.5, "50% of its core"), ("", 0.99, "cannot connect")],
)
def test_what_is_no_figure_is_an_error(told: str, busy: float, why: str) -> None:
    """Broken: refusals, or a server that had nothing to do, are published as its speed."""
    with pytest.raises(RuntimeError, match=why):
        wrk.read(told, "cannot connect", busy, loading=0.95)


def test_a_slow_generator_is_not_taken_for_a_slow_server() -> None:
    """Broken: p99 of both sides is the load's own, and their ratio is 1."""
    rows = ["1\t200\t1000"] * 98
    assert h2load.read(rows, per_s=100, each_per_s=10, seconds=1) == [1.0] * 98
    with pytest.raises(Late, match="could not offer so much"):
        h2load.read(rows[:-1], per_s=100, each_per_s=10, seconds=1)
    late = [0.0001] * 197 + [0.5, 0.5, 0.5]
    assert overload.late_ms(late[:-2], level=1) == pytest.approx(0.1)
    with pytest.raises(Late, match="could not offer so much"):
        overload.late_ms(late, level=1)


def test_what_was_not_answered_is_no_figure() -> None:
    """Broken: the slowest are left out of p99; or what was due while they were waited for, which would have waited too."""
    with pytest.raises(RuntimeError, match="answers"):
        h2load.read(["1\t200\t1000"] * 99 + ["1\t-1\t2000"], per_s=100, each_per_s=10, seconds=1)
    stood = h2load.read(["1\t200\t1000"] * 99 + ["1\t200\t350000"], per_s=100, each_per_s=10, seconds=1)
    assert stood == [1.0] * 99 + [50.0, 150.0, 250.0, 350.0]
