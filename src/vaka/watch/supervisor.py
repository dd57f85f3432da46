"""The supervisor of ``vaka up``: sees, decides, acts, and writes one line for each thing it did.

Invariants: what to do is decided in ``decide`` alone; a part's death is known at once (its exit wakes the loop), its
silence within a probe's interval; the time in which this itself did not run (a machine that is moved, copied or starved) is
no part's silence; the supervisor ends only when every part has ended, and not for a disk that is full. It keeps no state but
what it sees and writes, and imports nothing of the record.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Final

from vaka import errors, log, process
from vaka.watch import status as status_file
from vaka.watch.decide import Action, Verb, decide
from vaka.watch.part import Part, Running

PROBE_STARTING_S: Final = 0.02
PROBE_READY_S: Final = 1.0
PROBE_TIMEOUT_S: Final = 5.0
CYCLE_MAX_S: Final = 0.5
LATE_MAX_S: Final = 2.0  # a cycle that is later was kept from running


class Supervisor:
    """Runs ``parts`` (in the order in which they start) until told to stop; ``run`` returns when all have ended."""

    def __init__(
        self, parts: Sequence[Part], *, log_folder: Path, status_path: Path, dsn: str | None, url: str,
        law: Mapping[str, bool], on_ready: Callable[[float], None], journal: str = "",
    ) -> None:  # fmt: skip
        self._running = {part.name: Running(part, log_folder) for part in parts}
        self._status_path = status_path
        self._dsn, self._url, self._on_ready = dsn, url, on_ready
        self._law, self._journal = dict(law), journal
        self._wake = asyncio.Event()
        self._stopping = False
        self._ended = False
        self._told_ready = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._note = "starting"
        self._written: status_file.Status | None = None
        self._unwritable = False
        self._ticks = process.start_ticks(os.getpid())

    def stop(self) -> None:
        """Ask for a clean stop. Idempotent."""
        self._stopping = True
        self._wake.set()

    async def run(self, began: float, interrupt: process.Interrupt) -> None:
        """Until stopped. Setup error where a start failed for good. ``began`` is the monotonic time of the command;
        ``interrupt``: what was heard before this hears of it itself."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.stop)
        if interrupt.heard:
            self.stop()
        for running in self._running.values():
            self._task(self._probe(running))
        failure: errors.Setup | None = None
        turned = time.monotonic()
        while True:
            self._wake.clear()
            turned = self._turn(turned)
            action = decide([running.state() for running in self._running.values()], stopping=self._stopping)
            if action.verb not in (Verb.WAIT, Verb.FINISH):
                self._note = f"{action.verb.value}: {action.reason}"
                log.info("supervisor", action=action.verb.value, part=action.part, reason=action.reason)
            if action.verb is Verb.FINISH:
                break
            if action.verb is Verb.GIVE_UP:
                failure, self._stopping = self._failure(action), True
            await self._act(action)
            self._tell(began)
            self._write_status()
            if action.verb is Verb.WAIT:
                try:
                    async with asyncio.timeout(CYCLE_MAX_S):
                        await self._wake.wait()
                except TimeoutError:
                    pass
        self._ended = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._note = failure.message if failure else "stopped"
        self._write_status()
        if failure is not None:
            raise failure

    def _turn(self, last: float) -> float:
        """Now. Where the cycle that began at ``last`` took so long that all stood still, that time is held against nobody."""
        now = time.monotonic()
        if (late_s := now - last - CYCLE_MAX_S) > LATE_MAX_S:
            log.warning("stood still", seconds=round(late_s, 1))
            for running in self._running.values():
                running.stood_still(late_s)
        return now

    async def _act(self, action: Action) -> None:
        if action.part is None:
            return
        running = self._running[action.part]
        if action.verb is Verb.START:
            await running.start()
            if running.process is not None:
                self._task(self._reap(running, running.process))
        elif action.verb is Verb.ASK:
            running.ask()
        elif action.verb is Verb.FORCE:
            running.forced = True
            self._task(running.force())

    async def _reap(self, running: Running, child: asyncio.subprocess.Process) -> None:
        code = await child.wait()
        running.signal(signal.SIGKILL)  # what is left of its process group: a server's own workers
        running.died(code)
        log.info("part ended", part=running.part.name, child=child.pid, code=code)
        self._wake.set()

    async def _probe(self, running: Running) -> None:
        while not self._ended:
            child = running.process
            if child is not None:
                heard, ready = True, False
                try:
                    # Not wait_for: before Python 3.12 it swallows a cancellation that meets the end of the wait.
                    async with asyncio.timeout(PROBE_TIMEOUT_S):
                        ready = await running.part.probe()
                except (OSError, TimeoutError):
                    heard = False
                changed = ready != running.ready
                if running.process is child:
                    running.answered(heard=heard, ready=ready)
                    if changed:
                        self._wake.set()
            await asyncio.sleep(PROBE_READY_S if running.ready else PROBE_STARTING_S)

    def _task(self, coroutine: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _failure(self, action: Action) -> errors.Setup:
        """What the part said in its last words: an error of ours with its help, or the end of a stack."""
        running = self._running[action.part or ""]
        message, _, advice = running.last_words().partition("\n  help: ")
        lines = message.splitlines() or [action.reason]
        told = message.removeprefix("vaka: ") if lines[0].startswith("vaka: ") else f"{action.reason}: {lines[-1]}"
        return errors.Setup(told, help=advice.strip() or f"all that it said is in {running.said}")

    def _tell(self, began: float) -> None:
        if not self._told_ready and all(r.ready for r in self._running.values() if r.part.essential):
            self._told_ready = True
            self._on_ready(time.monotonic() - began)

    def _write_status(self) -> None:
        own = status_file.PartStatus(
            "watch", "supervisor", os.getpid(), self._ticks, "", "stopping" if self._stopping else "ready", 1
        )
        told = tuple(map(_told, self._running.values()))
        status = status_file.Status(own, told, self._dsn, self._url, self._note, self._law, self._journal)
        if status == self._written:
            return
        try:
            status_file.write(self._status_path, status)
            self._written, self._unwritable = status, False
        except OSError as error:  # written at the next cycle: parts are started, asked and ended all the same
            if not self._unwritable:
                log.error("status cannot be written", errno=error.errno)
            self._unwritable = True


def _told(running: Running) -> status_file.PartStatus:
    part, pid = running.part, running.process.pid if running.process else None
    if pid is None:
        state = "stopped" if running.exit_code in (None, 0) else "waiting to restart"
    else:
        state = "ready" if running.ready else "not ready" if running.ready_now else "starting"
    return status_file.PartStatus(part.name, part.role, pid, running.ticks, part.address, state, running.starts)
