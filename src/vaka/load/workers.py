"""The worker processes of a local load: one lane each, with a journal of its own.

Invariants: a worker ends with its parent; Ctrl-C reaches the parent only, which lets what has begun be finished.
"""

from __future__ import annotations

import asyncio
import ctypes
import multiprocessing
import signal
import sys
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import util
from typing import Any, Final

from vaka.fhir.accept import require_valid
from vaka.fhir.parse import parse_resource
from vaka.journal.accept import write_of
from vaka.journal.journal import Journal
from vaka.load.local import Loader
from vaka.load.report import Outcome
from vaka.load.sources import Text
from vaka.process import PR_SET_PDEATHSIG, leave_evidence

_WARMING: Final = (
    b'{"resourceType":"Patient","name":[{"family":"A"}],"birthDate":"1990-01-01"}',
    b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/1"},'
    b'"valueQuantity":{"value":1,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}}',
)
_runner: asyncio.Runner | None = None
_loader: Loader | None = None


def lanes(dsn: str, count: int) -> list[Executor]:
    """``count`` executors of one process each."""
    context = multiprocessing.get_context("spawn")
    return [ProcessPoolExecutor(1, context, initializer=_begin, initargs=(dsn,)) for _ in range(count)]


def _begin(dsn: str) -> None:
    global _runner, _loader  # noqa: PLW0603  one worker is one process
    leave_evidence()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    _runner = asyncio.Runner()
    _loader = Loader(_run(Journal.open(dsn)))
    # The tables of units, codes and search parameters are read when first needed: here, while all workers start.
    for body in _WARMING:
        parsed = parse_resource(body)
        require_valid(parsed)
        write_of(parsed, "warming")


def ready(lanes: Sequence[Executor]) -> None:
    """Returns when every worker has started; Setup error and the like where one cannot."""
    # A worker inherits what is blocked, so that Ctrl-C does not meet it before it has begun; here it waits meanwhile.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
    try:
        begun = [lane.submit(_nothing) for lane in lanes]
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    for future in begun:
        future.result()


def abandon() -> None:
    """Ends every worker as it stands: what it has not committed is not there. The pools cannot be used afterwards, nor be
    waited for (their threads may hang in a queue that nobody reads): only the process's end may follow."""
    threading.excepthook = lambda _: None  # the pools' threads fail now, as asked: nothing to tell the terminal
    for child in multiprocessing.active_children():
        child.kill()
    util._run_finalizers(0)  # type: ignore[attr-defined]  # else the pools' semaphores are told on the terminal as leaked


def _nothing() -> None:
    """What a worker does when it has nothing to do."""


def _run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    assert _runner is not None
    return _runner.run(coroutine)


def work(texts: Sequence[Text], final: bool) -> Outcome:
    """``run.Work`` of a local load."""
    assert _loader is not None
    outcome: Outcome = _run(_loader.load(texts, final=final))
    return outcome
