"""Who is let in now, who waits, who is refused. Pure: times are given, those who wait are whatever the caller hands in.

Invariants
- A class takes part in filling its share of the places and no more, so that urgent care always finds one: its own begin where
  all others end. Below its floor a class finds one whatever else is there.
- The places are counted over all workers (``Others``): a worker whose neighbours are full lets in less, and where urgent care
  waits at one of them, nobody takes in what can wait longest.
- A loop that is behind lets in by class, at once and before any work: what waits for it is not seen by any queue.
- Refusals leave at a bounded pace: each costs a part of what an answer costs, and its caller comes back. Whoever is to be refused
  and has not left gets the place that nobody else wants.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from vaka import config
from vaka.api.admission.classes import LOGIN, ORDER, URGENT, Class
from vaka.api.admission.gradient import Gradient
from vaka.api.admission.ladder import Ladder, Step
from vaka.api.admission.queue import Entry, Queue

T = TypeVar("T")
CLASSES: Final = len(Class)
_CLASSES: Final = tuple(map(int, Class))
_ORDER: Final = tuple(map(int, ORDER))
_CAN_WAIT: Final = (int(Class.INTEGRATION), int(Class.BACKGROUND))
_WINDOW_S: Final = 0.1
_WINDOW_MAX_S: Final = 1.0
_WINDOW_ANSWERS: Final = 10
_REFUSALS_AT_ONCE: Final = 50.0
_LATE_S: Final = min(config.ADMISSION_LAGS_S)
_PERSONS: Final = (int(Class.READ), int(Class.WRITE))


@dataclass(frozen=True, slots=True)
class Others:
    """The other workers of this place, all together. ``limit``: their places; ``total``, ``within``: of those, taken in all and
    by class; ``urgent_waits``: at one of them; ``step``: the lowest of theirs."""

    limit: float = 0.0
    total: int = 0
    within: Sequence[int] = (0,) * CLASSES
    urgent_waits: bool = False
    step: Step = Step.FULL


@dataclass(slots=True)
class Moves(Generic[T]):
    """What a look at the queues came to."""

    admitted: list[Entry[T]] = field(default_factory=list)
    refused: list[Entry[T]] = field(default_factory=list)


class Door(Generic[T]):
    """``now``: seconds of the clock that all times here are of."""

    def __init__(self, now: float, gradient: Gradient | None = None) -> None:
        self.gradient = gradient or Gradient()
        self.total = 0
        """Requests under way."""
        self.within = [0] * CLASSES
        self.done = [0] * CLASSES
        self.spent = [0.0] * CLASSES
        self.shed = [0] * CLASSES
        self.queued = [0] * CLASSES
        """How many had to wait, since the start."""
        self.queues: list[Queue[T]] = [_queue(class_) for class_ in _CLASSES]
        self.step = Step.FULL
        self.lag_s = 0.0
        self._at_once = [0] * CLASSES
        self._waiting = 0
        self._ladder = Ladder()
        self._caps = [0.0] * CLASSES
        self._floors = [0.0] * CLASSES
        self._fast = [0.0] * CLASSES
        self._logins_max = 0.0
        self._due = float("inf")
        self._window_at = self._ticked_at = now
        self._window_done, self._window_spent = [0] * CLASSES, [0.0] * CLASSES
        self._window_most, self._window_lag_s = 0, float("inf")
        self._usual_s = [0.0] * CLASSES
        self._may_refuse = 0.0
        self._answered = 0
        self._shed_seen = [0] * CLASSES
        self._open(Others())

    def enter(self, class_: int, now: float) -> bool:
        """Takes a place if there is one. Whoever gets one gives it back by ``leave``."""
        if self.total < self._fast[class_] and now < self._due:
            self.total += 1
            self.within[class_] += 1
            return True
        return self._enter(class_, now)

    def _enter(self, class_: int, now: float) -> bool:
        if now >= self._due:  # the tick itself is late, and so is everybody
            self._late(now)
        has_place = self.total < self._caps[class_] and (class_ != LOGIN or self.within[LOGIN] < self._logins_max)
        if has_place or self.within[class_] < self._floors[class_]:
            self.total += 1
            self.within[class_] += 1
            return True
        return False

    def wait(self, class_: int, now: float, who: T) -> Entry[T] | None:
        """A place in line for who could not enter; None: too many wait, refuse at once."""
        entry = self.queues[class_].put(who, now)
        if entry is None:
            self.shed[class_] += 1
        else:
            self.queued[class_] += 1
            self._waiting += 1
        return entry

    def withdraw(self, entry: Entry[T]) -> None:
        """Who waited has left by itself."""
        self.queues[entry.class_].leave(entry)

    def leave(self, class_: int, since: float, now: float) -> Sequence[Entry[T]]:
        """Gives a place back that was taken at ``since``; who has it now."""
        self.total -= 1
        self.within[class_] -= 1
        self.done[class_] += 1
        self.spent[class_] += now - since
        return self._next(now) if self._waiting else ()

    def passes(self, class_: int, now: float) -> bool:
        """Whether there is a place for one whose work is next to none and done at once: it takes and gives it back by this."""
        if self.total >= self._fast[class_] or now >= self._due:
            if not self._enter(class_, now):
                return False
            self.total -= 1
            self.within[class_] -= 1
        self.done[class_] += 1
        self._at_once[class_] += 1
        return True

    def leave_at_once(self, class_: int, now: float) -> Sequence[Entry[T]]:
        """The same of one whose work was next to none: how long others take is not learned from it."""
        self.done[class_] += 1
        self._at_once[class_] += 1
        return self.lend(class_, now)

    def lend(self, class_: int, now: float) -> Sequence[Entry[T]]:
        """A place is not needed for a while; who has it now."""
        self.total -= 1
        self.within[class_] -= 1
        return self._next(now) if self._waiting else ()

    def take_back(self, class_: int) -> None:
        """It is needed again: at once, also where there is none."""
        self.total += 1
        self.within[class_] += 1

    def tick(self, now: float, lag_s: float, others: Others, next_s: float) -> Moves[T]:
        """Looks at everything anew. ``lag_s``: how late the loop is; ``next_s``: when it will be looked again."""
        self.lag_s = lag_s
        self._window(now)
        moves: Moves[T] = Moves()
        answered = sum(self.done)
        allowance = (answered - self._answered) * config.ADMISSION_REFUSALS_SHARE
        allowance += (now - self._ticked_at) * config.ADMISSION_REFUSALS_PER_S
        self._may_refuse = min(self._may_refuse + allowance, _REFUSALS_AT_ONCE)
        self._answered, self._ticked_at = answered, now
        self._due = now + next_s + _LATE_S
        self._open(others)
        self._waiting = sum(map(len, self.queues))
        if self._waiting:
            moves.admitted += self._next(now)
            for class_ in reversed(ORDER):
                usual_s = min(self._usual_s[class_], config.ADMISSION_DEADLINES_S[class_] / 2)
                found = self.queues[class_].refused(now, usual_s, int(self._may_refuse))
                self._may_refuse = max(0.0, self._may_refuse - len(found))
                self.shed[class_] += len(found)
                moves.refused += found
            self._waiting = sum(map(len, self.queues))
        self._look(now, others)
        return moves

    def close(self) -> Sequence[Entry[T]]:
        """Takes out all who wait, to be refused: nobody will be let in any more."""
        self._waiting, self._due = 0, float("inf")
        return [entry for queue in self.queues for entry in queue.clear()]

    @property
    def own_step(self) -> Step:
        """What this worker alone would show."""
        return self._ladder.step

    @property
    def urgent_waits(self) -> bool:
        return len(self.queues[URGENT]) > 0

    def _next(self, now: float) -> list[Entry[T]]:
        """Gives the places that are free to those who wait: first to whom a floor owes one, then in the order of the classes."""
        found: list[Entry[T]] = []
        queues, within = self.queues, self.within
        waiting = [class_ for class_ in _ORDER if queues[class_].line]
        for class_ in waiting:
            while within[class_] < self._floors[class_] and (entry := queues[class_].take(now)) is not None:
                self.total += 1
                within[class_] += 1
                found.append(entry)
        for class_ in waiting:
            while (
                self.total < self._caps[class_]
                and (class_ != LOGIN or within[LOGIN] < self._logins_max)
                and (entry := queues[class_].take(now)) is not None
            ):
                self.total += 1
                within[class_] += 1
                found.append(entry)
        self._waiting -= len(found)
        return found

    def _open(self, others: Others) -> None:
        """How far each class may fill the places, and what it always has."""
        limit = self.gradient.limit
        everywhere = limit + others.limit
        for class_ in _CLASSES:
            if self.lag_s >= config.ADMISSION_LAGS_S[class_] or (
                class_ in _CAN_WAIT and (self.urgent_waits or others.urgent_waits)
            ):
                self._caps[class_] = self._floors[class_] = 0.0
                continue
            share, floor = config.ADMISSION_SHARES[class_], config.ADMISSION_FLOORS[class_]
            self._caps[class_] = min(limit * share, everywhere * share - others.total)
            self._floors[class_] = max(1.0, everywhere * floor - others.within[class_]) if floor else 0.0
        self._logins_max = max(1.0, everywhere * config.ADMISSION_LOGINS_MAX - others.within[LOGIN])
        self._fast[:] = self._caps
        self._fast[LOGIN] = 0.0  # of these it is looked how many there are

    def _late(self, now: float) -> None:
        self.lag_s = max(self.lag_s, now - self._due + _LATE_S)
        for class_ in _CLASSES:
            if self.lag_s >= config.ADMISSION_LAGS_S[class_]:
                self._caps[class_] = self._fast[class_] = self._floors[class_] = 0.0

    def _window(self, now: float) -> None:
        """Learns from a window of answers, where one is full."""
        self._window_most = max(self._window_most, self.total)
        self._window_lag_s = min(self._window_lag_s, self.lag_s)
        length = now - self._window_at
        if length < _WINDOW_S:
            return
        worked = [all_ - at_once for all_, at_once in zip(self.done, self._at_once, strict=True)]
        counts = [now_ - before for now_, before in zip(worked, self._window_done, strict=True)]
        if sum(counts) < _WINDOW_ANSWERS and length < _WINDOW_MAX_S:
            return
        times = [now_ - before for now_, before in zip(self.spent, self._window_spent, strict=True)]
        for class_, count in enumerate(counts):
            if count:
                self._usual_s[class_] = times[class_] / count
        waiting = self._waiting > 0
        samples = list(zip(counts, times, strict=True))
        self.gradient.update(samples, self._window_most, waiting=waiting, lag_s=self._window_lag_s)
        self._window_done, self._window_spent = worked, list(self.spent)
        self._window_at, self._window_most, self._window_lag_s = now, self.total, float("inf")

    def _look(self, now: float, others: Others) -> None:
        shed = [count - before for count, before in zip(self.shed, self._shed_seen, strict=True)]
        self._shed_seen = list(self.shed)
        refused = any(shed[class_] or self.queues[class_].backlogged(now) for class_ in _PERSONS)
        urgent_late = shed[URGENT] > 0 or self.queues[URGENT].waited_s(now) > config.ADMISSION_INTERVAL_S
        self.step = max(self._ladder.look(now, reads_refused=refused, urgent_late=urgent_late), others.step)


def _queue(class_: int) -> Queue[T]:
    """Urgent care is never condemned for waiting; programs, which are patient, later than people."""
    urgent = class_ == Class.URGENT
    deadline_s = config.ADMISSION_DEADLINES_S[class_]
    patience = config.ADMISSION_PATIENCE if class_ in _CAN_WAIT else 1.0
    return Queue(
        class_,
        target_s=None if urgent else config.ADMISSION_TARGET_S * patience,
        interval_s=config.ADMISSION_INTERVAL_S * patience,
        deadline_s=deadline_s,
        held_s=deadline_s if urgent else deadline_s * config.ADMISSION_HELD,
        most=config.ADMISSION_WAITING_MAX,
    )
