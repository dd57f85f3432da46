"""Waiting for a state, never for a time: what a test waits for comes sooner or later, how soon is the machine's affair."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

WAIT_MAX_S = 60.0

T = TypeVar("T")


def until(true: Callable[[], T], what: str, seconds: float = WAIT_MAX_S) -> T:
    """What ``true`` gives, as soon as it is so."""
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.02)
    return found
