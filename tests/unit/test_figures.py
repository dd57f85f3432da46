"""The figures' own logic: what is no figure is an error."""

from __future__ import annotations

import pytest
from bench import latency, wrk
from bench.open_loop import Stream

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


def _answered(**more: int) -> Stream:
    stream = Stream("sheets", 100, 1, lambda: b"", due=200, statuses={200: 200})
    for name, value in more.items():
        setattr(stream, name, value)
    return stream


def test_a_slow_generator_is_not_taken_for_a_slow_server() -> None:
    """Broken: p99 of both sides is the load's own, and their ratio is 1."""
    late = [0.0001] * 197 + [0.5, 0.5, 0.5]
    latency.check(_answered(), late[:-2])
    with pytest.raises(RuntimeError, match="could not offer so much"):
        latency.check(_answered(), late)


@pytest.mark.parametrize("what", ["turned_away", "unanswered"])
def test_what_was_not_answered_is_no_figure(what: str) -> None:
    """Broken: the slowest are left out of p99."""
    with pytest.raises(RuntimeError, match="at half the peak"):
        latency.check(_answered(**{what: 1}), [0.0])
