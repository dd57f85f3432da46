"""Those of one class who wait for a place. Pure: times are given.

Invariants: who has passed the deadline is never given a place; nobody is condemned before the oldest has waited longer than the
target for a whole interval (controlled delay: a burst is no overload); from then on the newest goes first, since that one's
caller is still there, and whoever has waited longer than the target is condemned, oldest first, as fast as refusals may leave.
A condemned one that has not left yet still gets a place that nobody newer wants. Sources: RFC 8289 (CoDel, 5 ms over 100 ms);
Maurer, Fail at Scale (ACM Queue 13:8, adaptive LIFO).
"""

from __future__ import annotations

from collections import deque
from typing import Final, Generic, TypeVar

T = TypeVar("T")
_FEW: Final = 100


class Entry(Generic[T]):
    """One who waits. ``at``: since when; ``gone``: has left by itself; ``waits``: is in the queue, and has not left."""

    __slots__ = ("at", "class_", "gone", "waits", "who")

    def __init__(self, who: T, class_: int, at: float) -> None:
        self.who, self.class_, self.at = who, class_, at
        self.gone, self.waits = False, True


class Queue(Generic[T]):
    """``held_s``: how long a refusal may be held back; ``most``: how many may wait. Times in seconds of one clock. ``line``: the
    entries, oldest first, those too that have left and were not swept out yet."""

    def __init__(
        self, class_: int, *, target_s: float | None, interval_s: float, deadline_s: float, held_s: float, most: int
    ) -> None:
        self._class = class_
        self._target_s, self._interval_s = target_s, interval_s
        self._deadline_s, self._held_s, self._most = deadline_s, held_s, most
        self.line: deque[Entry[T]] = deque()
        self._above_since: float | None = None
        self._gone = 0

    def __len__(self) -> int:
        return len(self.line) - self._gone

    def put(self, who: T, now: float) -> Entry[T] | None:
        """The place in line; None where too many wait."""
        if len(self.line) - self._gone >= self._most:
            return None
        entry = Entry(who, self._class, now)
        self.line.append(entry)
        return entry

    def leave(self, entry: Entry[T]) -> None:
        """Has left by itself: counts no more, and is swept out once half of the line is of such."""
        entry.gone = True
        if entry.waits:
            entry.waits = False
            self._gone += 1
            if 2 * self._gone > len(self.line):
                self.line = deque(one for one in self.line if not one.gone)
                self._gone = 0

    def take(self, now: float) -> Entry[T] | None:
        """Who is next; None where nobody is who can still be answered in time."""
        newest = self._target_s is not None and self.backlogged(now)
        while self.line:
            entry = self.line.pop() if newest else self.line.popleft()
            if entry.gone:
                self._gone -= 1
                continue
            if now - entry.at < self._deadline_s:
                entry.waits = False
                return entry
            (self.line.append if newest else self.line.appendleft)(entry)
            return None
        return None

    def waited_s(self, now: float) -> float:
        """How long the oldest has waited by now; nothing where nobody waits."""
        self._sweep()
        return now - self.line[0].at if self.line else 0.0

    def _sweep(self) -> None:
        while self.line and self.line[0].gone:
            self.line.popleft()
            self._gone -= 1

    def backlogged(self, now: float) -> bool:
        """Whether the oldest has waited longer than the target for a whole interval."""
        self._sweep()
        if self._target_s is None or not self.line or now - self.line[0].at <= self._target_s:
            self._above_since = None
            return False
        if self._above_since is None:
            self._above_since = now
        return now - self._above_since >= self._interval_s

    def refused(self, now: float, usual_s: float, may: int) -> list[Entry[T]]:
        """Takes out who is refused now, at most ``may``, oldest first: those that would be answered after their deadline
        (``usual_s``: how long an answer takes) and the condemned; beyond ``may`` those that have been held long enough, a few at
        a time: who came together would else leave, and come back, together."""
        found: list[Entry[T]] = []
        backlogged = self.backlogged(now)
        entries = self.line
        few = len(entries) // _FEW + 1
        while entries:
            oldest = entries[0]
            waited = now - oldest.at
            if not oldest.gone:
                in_time = waited + usual_s < self._deadline_s
                if in_time and not (backlogged and self._target_s is not None and waited > self._target_s):
                    break
                if len(found) >= may and (waited < self._held_s or len(found) >= few):
                    break
                found.append(oldest)
                oldest.waits = False
            else:
                self._gone -= 1
            entries.popleft()
        return found

    def clear(self) -> list[Entry[T]]:
        """Takes out all."""
        left = [entry for entry in self.line if not entry.gone]
        for entry in left:
            entry.waits = False
        self.line.clear()
        self._gone = 0
        return left
