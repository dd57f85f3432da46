"""The alarm while what a copy shows is old."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from vaka.api.door import alarm as alarm_module
from vaka.api.door.alarm import OLD_S, Alarm

OLD, FRESH = "what this copy shows is old", "what this copy shows is fresh again"


def test_it_is_given_when_the_data_are_old_again_as_they_age_and_its_end_is_told(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken (S2): a copy shows for hours what is old and nobody who looks after it hears of it; or the log is filled with it."""
    caplog.set_level("INFO")
    now = SimpleNamespace(s=1_000.0)
    monkeypatch.setattr(alarm_module, "time", SimpleNamespace(monotonic=lambda: now.s))
    standing = SimpleNamespace(age_s=float("inf"), as_of_us=0, heard=False, frozen=False)
    watched, most = Alarm(cast(Any, standing)), OLD_S

    def told(age_s: float) -> list[str]:
        caplog.clear()
        standing.age_s = age_s
        watched.look()
        return [record.getMessage() for record in caplog.records]

    assert told(float("inf")) == [], "it has just started, and will hear its journal"
    assert told(most - 1) == []
    assert told(most + 1) == [OLD]
    assert told(most + 5) == []
    assert told(2 * most + 10) == [OLD]
    assert told(1) == [FRESH]
    assert told(1) == []
    now.s += most + 1
    assert told(float("inf")) == [OLD], "it has never heard its journal"
