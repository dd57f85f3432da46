"""What every process of Vaka gets, and what a parent gives its child.

Invariants: a child never outlives its supervisor by more than its own clean stop (Linux's parent-death signal);
every process may write a core dump and writes its Python stacks to a file of its own on a fatal signal, so that a
stop leaves evidence. Source: prctl(2), getrlimit(2), https://docs.python.org/3/library/faulthandler.html.
"""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

PR_SET_PDEATHSIG = 1
_HUGE_PAGES: Final = {"PYTHONMALLOC": "malloc", "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1:glibc.malloc.arena_max=1"}
"""Python's own allocator cannot ask for them before 3.15. One arena: what several threads use lies side by side."""
_GIVEN: Final = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_GLIBC_MIN: Final = (2, 35)

_YOUNG: Final = 5_000
"""So many new objects are looked through at a time, some 2 ms; in the second look four times as many."""
_SECOND_LOOK: Final = 4
_NEVER: Final = 1 << 30
_LOOKS_IDLE: Final = 40
_LOOKS_MAX: Final = 200

_fault_file = None


def leave_evidence() -> None:
    """For every process from its first moment: stacks on standard error after a fatal signal, and core dumps."""
    if sys.__stderr__ is not None:
        faulthandler.enable(sys.__stderr__, all_threads=True)
    allow_core()


def prepare(role: str, log_directory: Path) -> None:
    """Close what this process makes to others, and switch on faulthandler (to ``<role>.fault``) and core dumps in it.

    ``kill -USR1`` writes all stacks without ending the process; ``kill -ABRT`` writes them and ends it.
    """
    global _fault_file  # noqa: PLW0603  the handler writes to this descriptor for as long as the process lives
    os.umask(0o077)
    _fault_file = (log_directory / f"{role}.fault").open("a")
    faulthandler.enable(_fault_file, all_threads=True)
    faulthandler.register(signal.SIGUSR1, _fault_file, all_threads=True)
    allow_core()


def collect_seldom() -> None:
    """From the first moment: what is imported stays, and to look through it after every 700 objects takes a sixth of a start."""
    gc.set_threshold(20_000, 20, 50)


def settle_memory(*, collect: bool = True) -> None:
    """After the start. What is there now stays: the collector need not look through it again and again. Not ``collect``: what
    imports have left over stays too, and nobody waits until all was looked through."""
    if collect:
        gc.collect()
    gc.freeze()


class Survivors:
    """Of a process that answers people: what outlives two looks of the collector stays, so that nobody ever waits while all of a
    large memory is looked through (0.15 s of CPU at a journal with 800 callers, 2026-11-30). What refers to itself and dies after
    that is let go when nobody asks (``look_through``), and of that there is little: answers and connections leave none
    (``unit/test_process.py``). Where somebody always asks, all is looked through after five million new objects."""

    def __init__(self) -> None:
        self._looks = 0

    def stay(self) -> None:
        """From now on, for as long as this process lives."""
        gc.set_threshold(_YOUNG, _SECOND_LOOK, _NEVER)
        gc.callbacks.append(self._looked)

    def look_through(self, *, idle: bool = True) -> None:
        """Once it is worth it. ``idle``: nobody asks."""
        if self._looks >= (_LOOKS_IDLE if idle else _LOOKS_MAX):
            gc.unfreeze()
            gc.collect()

    def _looked(self, phase: str, about: dict[str, int]) -> None:
        if phase == "stop" and about["generation"] > 0:
            gc.freeze()
            self._looks = self._looks + 1 if about["generation"] == 1 else 0


survivors: Final = Survivors()
"""This process's."""


def environment() -> dict[str, str]:
    """Of a process that serves or follows, its memory in huge pages where the system has them (decision 0026), unless the
    caller's environment says something of memory itself."""
    ours = has_huge_pages() and os.environ.keys().isdisjoint(_HUGE_PAGES)
    return {**os.environ, **(_HUGE_PAGES if ours else {})}


def has_huge_pages() -> bool:
    """Whether malloc is one that can ask for them, and the kernel gives any."""
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
        given = _GIVEN.read_text()
    except (ValueError, OSError):
        return False
    return name == "glibc" and tuple(map(int, version.split("."))) >= _GLIBC_MIN and "[never]" not in given


def take_turns() -> None:
    """Of a process that serves, whose threads share one interpreter: one that wakes gains nothing by pushing aside the one that
    runs (sched(7)); one that works on a run of the log lets those who answer wait for half a millisecond, not for five."""
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    sys.setswitchinterval(0.0005)


class Interrupt:
    """While it lasts Ctrl-C interrupts as ever, and is remembered (``heard``): a KeyboardInterrupt that meets the callback of a
    weak reference, of which each import has some, is dropped by Python (sys.unraisablehook), and what was to end would go on."""

    def __init__(self) -> None:
        self.heard = False

    def __enter__(self) -> Self:
        self._told, self._before = sys.unraisablehook, signal.signal(signal.SIGINT, self._raise)
        sys.unraisablehook = self._tell
        return self

    def __exit__(self, *error: object) -> None:
        sys.unraisablehook = self._told
        signal.signal(signal.SIGINT, self._before)

    def only_hear(self) -> None:
        """From now on it is remembered alone: what follows looks, and must not be left half made."""
        signal.signal(signal.SIGINT, self._hear)

    def _hear(self, _number: int, _frame: object) -> None:
        self.heard = True

    def _raise(self, _number: int, _frame: object) -> None:
        self.heard = True
        raise KeyboardInterrupt

    def _tell(self, dropped: sys.UnraisableHookArgs) -> None:
        if not issubclass(dropped.exc_type, KeyboardInterrupt):
            self._told(dropped)


def allow_core() -> None:
    """Raise the limit of core dumps as far as the system lets this process."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))


def before_exec(death_signal: signal.Signals) -> Callable[[], None]:
    """For ``preexec_fn``: the child gets ``death_signal`` when its parent dies, may dump core, and shares nothing."""
    parent = os.getpid()
    # Loaded here: between fork and exec nothing may allocate a library.
    prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None

    def run() -> None:
        os.umask(0o077)
        allow_core()
        if prctl is not None:
            prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
            if os.getppid() != parent:  # it died before the line above
                os._exit(1)

    return run


def start_ticks(pid: int) -> int | None:
    """When ``pid`` started, in clock ticks since boot: with the pid, an identity. Null when there is none such."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    fields = stat[stat.rindex(")") + 2 :].split()
    return None if fields[0] in "ZX" else int(fields[19])
