"""The worker processes of a local load: one lane each, with a journal of its own.

Invariants: a worker ends with its parent; Ctrl-C reaches the parent only, which lets what has begun be finished.
"""

from __future__ import annotations

import asyncio
import ctypes
import multiprocessing
import signal
import sys
from collections.abc import Coroutine, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from typing import Any

from vaka.journal.journal import Journal
from vaka.load.local import Loader
from vaka.load.report import Outcome
from vaka.load.sources import Text
from vaka.process import PR_SET_PDEATHSIG

_runner: asyncio.Runner | None = None
_loader: Loader | None = None


def lanes(dsn: str, count: int) -> list[Executor]:
    """``count`` executors of one process each."""
    context = multiprocessing.get_context("spawn")
    return [ProcessPoolExecutor(1, context, initializer=_begin, initargs=(dsn,)) for _ in range(count)]


def _begin(dsn: str) -> None:
    global _runner, _loader  # noqa: PLW0603  one worker is one process
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    _runner = asyncio.Runner()
    _loader = Loader(_run(Journal.open(dsn)))


def _run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    assert _runner is not None
    return _runner.run(coroutine)


def work(texts: Sequence[Text], final: bool) -> Outcome:
    """``run.Work`` of a local load."""
    assert _loader is not None
    outcome: Outcome = _run(_loader.load(texts, final=final))
    return outcome
