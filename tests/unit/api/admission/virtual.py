"""A server and its callers in virtual time: one core, a door before it, callers who keep to a schedule whatever comes back.

The core does one thing after the other, in order, as an event loop does. A request costs it ENTRY before the door sees it, WORK when
let in, EXIT for its answer, whether that is an answer or a refusal; an answer also waits for a disk, beside the core. Callers of
a class have a number of connections, as many as a server takes; what is due goes out on a free one or is turned away by itself.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from vaka import config
from vaka.api.admission.door import CLASSES, Door, Others
from vaka.api.admission.queue import Entry

ENTRY_S, WORK_S, EXIT_S, DISK_S = 0.18e-3, 0.64e-3, 0.18e-3, 2e-3
CAPACITY = 1 / (ENTRY_S + WORK_S + EXIT_S)


@dataclass(slots=True)
class Call:
    class_: int
    due: float
    since: float = 0.0
    entry: Entry[Call] | None = None


@dataclass(slots=True)
class Seen:
    """What callers of one class saw: seconds of each answer, refusals, and those that found no free connection."""

    answered: list[float] = field(default_factory=list)
    refused: int = 0
    turned_away: int = 0

    @property
    def asked(self) -> int:
        return len(self.answered) + self.refused + self.turned_away

    def within(self, limit_s: float) -> float:
        """The part of all that was asked that was answered in time."""
        return sum(one <= limit_s for one in self.answered) / self.asked if self.asked else 1.0


class World:
    """``per_s``: how many a class asks each second; ``connections``: how many each class has; ``stalls``: (when, how long) the core
    is held up. ``counted_from``: what was due before is not counted."""

    def __init__(
        self,
        per_s: Sequence[float],
        connections: Sequence[int],
        *,
        seed: int = 1,
        stalls: Sequence[tuple[float, float]] = (),
        counted_from: float = 2.0,
    ) -> None:
        self.door: Door[Call] = Door(0.0)
        self.seen = [Seen() for _ in range(CLASSES)]
        self._per_s, self._free = per_s, list(connections)
        self._chance = random.Random(seed)
        self._events: list[tuple[float, int, str, Call | float]] = []
        self._number = 0
        self._core = 0.0  # when it is free
        self._counted_from = counted_from
        for class_, rate in enumerate(per_s):
            if rate:
                self._at(self._chance.expovariate(rate), "due", Call(class_, 0.0))
        for when, length in stalls:
            self._at(when, "stall", length)
        self._at(0.01, "tick", 0.01)

    def run(self, seconds: float) -> None:
        while self._events and self._events[0][0] <= seconds:
            now, _, kind, what = heappop(self._events)
            if isinstance(what, Call):
                getattr(self, f"_on_{kind}")(now, what)
            elif kind == "stall":
                self._core = max(self._core, now) + what
            else:
                self._on_tick(now, what)

    def _at(self, when: float, kind: str, what: Call | float) -> None:
        self._number += 1
        heappush(self._events, (when, self._number, kind, what))

    def _on_core(self, now: float, cost_s: float) -> float:
        """When the core has done it."""
        self._core = max(self._core, now) + cost_s
        return self._core

    def _on_due(self, now: float, first: Call) -> None:
        class_ = first.class_
        self._at(now + self._chance.expovariate(self._per_s[class_]), "due", first)
        self._send(Call(class_, now), now)

    def _send(self, call: Call, now: float) -> None:
        if self._free[call.class_]:
            self._free[call.class_] -= 1
            self._at(self._on_core(now, ENTRY_S), "arrive", call)
        elif now >= self._counted_from:
            self.seen[call.class_].turned_away += 1

    def _on_arrive(self, now: float, call: Call) -> None:
        if self.door.enter(call.class_, now):
            self._work(now, call)
        else:
            call.entry = self.door.wait(call.class_, now, call)
            if call.entry is None:
                self._at(self._on_core(now, EXIT_S), "refused", call)

    def _work(self, now: float, call: Call) -> None:
        call.since = now
        self._at(self._on_core(now, WORK_S) + DISK_S, "answer", call)

    def _on_answer(self, now: float, call: Call) -> None:
        for entry in self.door.leave(call.class_, call.since, now):
            self._work(now, entry.who)
        self._at(self._on_core(now, EXIT_S), "answered", call)

    def _on_answered(self, now: float, call: Call) -> None:
        if now >= self._counted_from:
            self.seen[call.class_].answered.append(now - call.due)
        self._free[call.class_] += 1

    def _on_refused(self, now: float, call: Call) -> None:
        if now >= self._counted_from:
            self.seen[call.class_].refused += 1
        self._free[call.class_] += 1

    def _on_tick(self, due: float, pause_s: float) -> None:
        # The loop looks at its clock when it has done what was there: so late is the tick.
        now = max(due, self._core if self._core - due > pause_s else due)
        moves = self.door.tick(now, now - due, Others(), config.ADMISSION_TICK_S)
        for entry in moves.admitted:
            self._work(now, entry.who)
        for entry in moves.refused:
            self._at(self._on_core(now, EXIT_S), "refused", entry.who)
        self._at(now + config.ADMISSION_TICK_S, "tick", pause_s)
