"""A part: one supervised process, how to run it, ask it, and know that it is ready.

Invariants: what a part says on standard error goes to a file of its own (``DIR/log/<name>.stderr``), the last one
beside it; a part's readiness is its own word (a probe), never only that its process exists.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from vaka import process
from vaka.watch.decide import PartState, Process

# A part that was ready for this long and dies is restarted at once; one that dies sooner waits, longer each time.
STABLE_S: Final = 10.0
STDERR_TOLD_CHARS: Final = 4000

# Whether the part is ready; OSError or TimeoutError where it gives no answer at all.
Probe = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Part:
    """What the supervisor must know of a process. ``address``: where it answers."""

    name: str
    role: str
    command: Sequence[str]
    probe: Probe
    address: str = ""
    needs: tuple[str, ...] = ()
    after: str = ""  # the part that is to be ready before this one begins, where that is soon
    essential: bool = True
    lingers: bool = False
    prepare: Callable[[], None] | None = None  # runs before each start; what it raises counts as a death
    popen: Mapping[str, Any] = field(default_factory=dict)
    stop_signal: signal.Signals = signal.SIGTERM
    # Sent when it must go though it does not answer: SIGABRT makes Python write its stacks and PostgreSQL dump core.
    force_signal: signal.Signals = signal.SIGABRT
    death_signal: signal.Signals = signal.SIGTERM
    silent_max_s: float | None = None
    stop_max_s: float = 30.0


class Running:
    """The living side of a part: its process and the moments that ``decide`` asks for."""

    def __init__(self, part: Part, log: Path) -> None:
        self.part = part
        self.process: asyncio.subprocess.Process | None = None
        self.ticks: int | None = None
        self.exit_code: int | None = None
        self.ready = False
        self.was_ready = False
        self.ready_now = False  # since the last start
        self.deaths = 0
        self.starts = 0
        self.forced = False
        self.failure: Exception | None = None
        self.said = log / f"{part.name}.stderr"
        self._moment = time.monotonic()
        self._heard = time.monotonic()
        self._asked: float | None = None

    async def start(self) -> None:
        """Run it. A failure to do so is a death like any other, and is kept in ``failure``."""
        self.starts += 1
        self.forced, self.ready, self.ready_now, self._asked = False, False, False, None
        self._moment = time.monotonic()
        try:
            if self.part.prepare is not None:
                self.part.prepare()
            if self.said.exists():
                self.said.replace(self.said.with_suffix(".stderr.1"))
            with self.said.open("wb") as output:
                self.process = await asyncio.create_subprocess_exec(
                    *self.part.command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,  # Ctrl-C on the terminal is for the supervisor, which stops parts in order
                    preexec_fn=process.before_exec(self.part.death_signal),
                    **self.part.popen,
                )
            self.ticks = process.start_ticks(self.process.pid)
        except Exception as failed:
            self.failure = failed
            self.died(getattr(failed, "exit_code", 1))

    def died(self, code: int) -> None:
        """Its process has ended with ``code`` (negative: by that signal)."""
        stable = self.ready_now and time.monotonic() - self._moment > STABLE_S
        self.deaths = 1 if stable else self.deaths + 1
        self.process, self.exit_code, self.ready = None, code, False
        self._moment = time.monotonic()

    def answered(self, *, heard: bool, ready: bool) -> None:
        """What the probe found: whether there was an answer at all, and whether it was "ready"."""
        self.ready = ready
        if heard:
            self._heard = time.monotonic()
        if ready:
            self.was_ready = self.ready_now = True

    def signal(self, number: signal.Signals) -> None:
        """To the whole process group: a server's workers must not outlive it. Where it has just ended, nothing."""
        if self.process is not None:
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                return

    def ask(self) -> None:
        self._asked = time.monotonic()
        if self.process is not None:
            try:
                self.process.send_signal(self.part.stop_signal)
            except ProcessLookupError:
                return

    async def force(self) -> None:
        """Evidence, then the end: of this process, not of the one that may have been started in its place meanwhile."""
        self.forced = True
        child = self.process
        if child is not None and self.part.force_signal != signal.SIGKILL:
            try:
                child.send_signal(self.part.force_signal)
            except ProcessLookupError:
                return
            await asyncio.sleep(1.0)
        if self.process is child:
            self.signal(signal.SIGKILL)

    def stood_still(self, seconds: float) -> None:
        """For so long nothing ran on this machine: neither silence nor a slow stop is held against the part for that time."""
        now = time.monotonic()
        self._heard = min(self._heard + seconds, now)
        if self._asked is not None:
            self._asked = min(self._asked + seconds, now)

    def last_words(self) -> str:
        """Why it did not start, in its own words."""
        if self.failure is not None:
            return str(self.failure)
        try:
            return self.said.read_text(errors="replace").strip()[-STDERR_TOLD_CHARS:]
        except OSError:
            return ""

    def state(self) -> PartState:
        now = time.monotonic()
        process_state: Process = "running" if self.process else "none" if self.exit_code is None else "exited"
        return PartState(
            name=self.part.name,
            needs=self.part.needs,
            after=self.part.after,
            essential=self.part.essential,
            lingers=self.part.lingers,
            process=process_state,
            ready=self.ready,
            was_ready=self.was_ready,
            exit_code=self.exit_code,
            deaths=self.deaths,
            since_s=now - self._moment,
            silent_s=now - max(self._heard, self._moment) if self.ready_now else 0.0,
            silent_max_s=self.part.silent_max_s,
            asked_s=None if self._asked is None else now - self._asked,
            forced=self.forced,
            stop_max_s=self.part.stop_max_s,
        )
