"""The door as the application uses it: a place, or a wait, or a refusal with the time to come back.

Invariants: a request that finds a place costs no task and no wait; of a refused one nothing of the body was read, so that nothing
was taken and nothing is lost that its sender keeps (S19); who is cancelled while waiting leaves no place taken.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, TypeAlias

from vaka import config, log, process
from vaka.api.admission.classes import BACKGROUND, EXEMPT, ORDER, URGENT, Class, is_beside
from vaka.api.admission.door import Door, Others
from vaka.api.admission.known import Known
from vaka.api.admission.ladder import Step
from vaka.api.admission.queue import Entry
from vaka.api.admission.shared import Shared
from vaka.api.http import ClientGone, Request
from vaka.api.http1 import Exchange
from vaka.errors import Busy

Told: TypeAlias = Callable[[bool], bool]
"""Tells one who waits whether there is a place; False where that one has left."""
_ALONE: Final = Others()
TOO_MANY: Final = "too many ask at once, and what is more urgent goes first"
AGAIN: Final = "ask again in a moment"
KEPT: Final = "nothing of it was taken: keep what you have written, and send it again in a moment"


class Shed(Busy):
    """Refused at the door: too many ask at once. Nothing was read or done. ``rest_s``: so long whoever is behind this connection
    alone need not be heard."""

    rest_s = 0.0


class Admission:
    """The door of this process. ``shared``: what it shares with its neighbours, None where it has none."""

    def __init__(self, shared: Shared | None = None) -> None:
        self.door: Door[Told] = Door(time.perf_counter())
        self._known = Known()
        self._shared = shared
        self._timer: asyncio.TimerHandle | None = None
        self._told = Step.FULL
        self._busy_since = 0
        self.class_of, self.class_again = self._known.class_of, self._known.class_again
        self.shown_again = self._known.shown_again
        self.enter, self.passes = self.door.enter, self.door.passes

    @property
    def step(self) -> Step:
        """How much is to be shown now, at all workers of this place."""
        return self.door.step

    def beside(self, request: Request, class_: int) -> int:
        """The class of a request while less than all is shown, which is ``class_`` otherwise: what stands beside the sheet goes
        last (``ladder``)."""
        return BACKGROUND if class_ != EXEMPT and is_beside(request) else class_

    async def wait(self, class_: int, *, writes: bool = False, caller: Exchange | None = None) -> float:
        """Until there is a place for who could not ``enter``; when that was (time.perf_counter). Shed, which says to who
        ``writes`` what became of it; ClientGone as soon as ``caller`` has hung up: nobody waits in line for an answer that
        nobody reads."""
        future: asyncio.Future[bool | None] = asyncio.get_running_loop().create_future()
        entry = self.line_up(class_, partial(_settle, future), writes=writes)
        if caller is not None:
            caller.when_lost(partial(_settle, future, None))
        try:
            admitted = await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.result():
                now = time.perf_counter()
                self._wake(self.door.leave(class_, now, now))
            self.door.withdraw(entry)
            raise
        finally:
            if caller is not None:
                caller.when_lost(None)
        if admitted is None:
            self.door.withdraw(entry)
            raise ClientGone
        if not admitted:
            raise shed(class_, writes=writes)
        return time.perf_counter()

    def line_up(self, class_: int, told: Told, *, writes: bool = False) -> Entry[Told]:
        """A place in line for who could not ``enter``, who is ``told`` once; it must not raise. Shed."""
        entry = self.door.wait(class_, time.perf_counter(), told)
        if entry is None or self._timer is None:  # without a tick nobody would be refused in time
            if entry is not None:
                self.door.withdraw(entry)
            raise shed(class_, writes=writes)
        return entry

    def leave(self, class_: int, since: float, request: Request, path: tuple[str, ...], status: int) -> None:
        """Gives the place back. ``path``: of the address as it came; ``status``: of the answer, 499 where there was none."""
        now = time.perf_counter()
        if woken := self.door.leave(class_, since + request.elsewhere_s, now):
            self._wake(woken)
        if class_ != URGENT or status == 401 or request.method == "POST":
            self._known.learn(request, path, status, now)

    def leave_again(self, class_: int) -> None:
        """Gives back the place of one who waited for it, and whose work is next to none."""
        if woken := self.door.leave_at_once(class_, time.perf_counter()):
            self._wake(woken)

    def lend(self, request: Request) -> None:
        """While ``request`` waits for its sender, or for another machine, its place is another's: neither slow senders nor a
        stopped journal may fill a server that can work."""
        now = request.lent_at = time.perf_counter()
        self._wake(self.door.lend(request.place, now))

    def take_back(self, request: Request) -> None:
        """It is worked for again: at once, also where no place is free."""
        request.elsewhere_s += time.perf_counter() - request.lent_at
        request.lent_at = 0.0
        self.door.take_back(request.place)

    def start(self) -> None:
        """From now on, until ``close``, it is looked at the queues, the loop and the neighbours."""
        self._plan(asyncio.get_running_loop(), config.ADMISSION_IDLE_TICK_S)

    def close(self) -> None:
        """Refuses all who wait, and whoever would have to."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for entry in self.door.close():
            _refuse(entry)
        if self._shared is not None:
            self._shared.close()
            self._shared = None

    def told(self) -> dict[str, Any]:
        """The numbers of this process."""
        door = self.door
        return {
            "step": self.step.name.lower(), "limit": int(door.gradient.limit), "lag_ms": round(door.lag_s * 1_000, 1),
            "classes": {
                class_.name.lower(): {
                    "done": door.done[class_], "within": door.within[class_], "shed": door.shed[class_],
                    "queued": door.queued[class_], "waiting": len(door.queues[class_]),
                }
                for class_ in Class
            },
        }  # fmt: skip

    def _plan(self, loop: asyncio.AbstractEventLoop, pause_s: float) -> None:
        due = time.perf_counter() + pause_s
        self._timer = loop.call_later(pause_s, self._tick, loop, due)

    def _tick(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        now = time.perf_counter()
        busy = self.door.total > 0 or sum(self.door.done) != self._busy_since
        self._busy_since = sum(self.door.done)
        pause_s = config.ADMISSION_TICK_S if busy else config.ADMISSION_IDLE_TICK_S
        try:
            others = _ALONE if self._shared is None else self._shared.others()
            moves = self.door.tick(now, max(0.0, now - due), others, pause_s)
            self._wake(moves.admitted)
            for entry in moves.refused:
                _refuse(entry)
            if self._shared is not None:
                self._shared.tell(self.door)
            if self.step != self._told:
                log.warning(
                    "showing", step=self.step.name.lower(), before=self._told.name.lower(), **_shed_so_far(self.door)
                )
                self._told = self.step
            process.survivors.look_through(idle=not busy)
        except Exception as error:  # whatever it is, the next look must come
            log.error("admission", exception=error)
        self._plan(loop, pause_s)

    def _wake(self, entries: Iterable[Entry[Told]]) -> None:
        for entry in entries:
            if entry.gone or not entry.who(True):  # has left meanwhile: the place is free again
                now = time.perf_counter()
                self._wake(self.door.leave(entry.class_, now, now))


def _refuse(entry: Entry[Told]) -> None:
    if not entry.gone:
        entry.who(False)


def _settle(future: asyncio.Future[bool | None], admitted: bool | None) -> bool:
    if future.done():
        return False
    future.set_result(admitted)
    return True


def shed(class_: int, *, writes: bool = False) -> Shed:
    """What is said to who finds no place."""
    least, most = config.ADMISSION_RETRY_S[class_]
    retry_after_s = random.randint(least, most)  # noqa: S311  spreads who comes back, guards nothing
    error = Shed(TOO_MANY, retry_after_s=retry_after_s, help=KEPT if writes else AGAIN)
    error.rest_s = config.ADMISSION_REST_S[class_]
    return error


def _shed_so_far(door: Door[Told]) -> dict[str, int]:
    return {f"shed_{class_.name.lower()}": door.shed[class_] for class_ in ORDER}
