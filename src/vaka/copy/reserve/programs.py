"""Programs that keep what was not taken, until they have sent it again (S35): table ``program`` of reserve.db.

A program that was turned away keeps a queue that nobody sees. It sends that as fast as it is taken, so the queue is known to be
empty once the program rests after something of its was taken. What each copy has seen of a program all know: it may be
turned away by one and come again to another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Final, NamedTuple

RESTED_US: Final = 2_000_000
_NOTED_US: Final = RESTED_US // 4
BUSY_US: Final = 600_000_000
_GONE_US: Final = 3 * 86_400_000_000
_PROGRAMS_MAX: Final = 1_000


class Program(NamedTuple):
    """``away_us``: when one of its writes was not taken, the last time; ``since_us``: the first time since it was last known to
    have sent all; ``taken_us``: when one was taken after that, the last time, 0: none."""

    name: str
    since_us: int
    away_us: int
    taken_us: int = 0

    def sends(self) -> bool:
        """Whether it has come again."""
        return self.taken_us > self.away_us

    def keeps(self, now_us: int) -> bool:
        """Whether it must be thought to keep something: it has not come again, or has not rested since. One that never rests
        counts as done after ten minutes in which all was taken, one that stays away as gone for good after three days."""
        if self.sends():
            return now_us - self.taken_us < RESTED_US and now_us - self.away_us < BUSY_US
        return now_us - self.away_us < _GONE_US

    def joined(self, other: Program) -> Program:
        """What two copies know of one program, together."""
        return Program(self.name, *map(max, self[1:], other[1:]))


def from_wire(told: Any) -> Iterator[Program]:
    """What another copy says of its programs; what is no such thing is passed over, as a copy of another release may say more."""
    for one in (told if isinstance(told, list) else ())[:_PROGRAMS_MAX]:
        if isinstance(one, list) and len(one) == len(Program._fields):
            name, *times = one
            if isinstance(name, str) and all(type(at) is int and 0 <= at < 1 << 62 for at in times):
                yield Program(name, *times)


class Programs:
    """Of a reserve. ``rows``: carries out a statement of it by name; ``writing``: a transaction; ``clock_us``: gives the time."""

    def __init__(
        self,
        rows: Callable[..., list[tuple[Any, ...]]],
        writing: Callable[[], AbstractContextManager[None]],
        clock_us: Callable[[], int],
    ) -> None:
        self._rows, self._writing, self._clock_us = rows, writing, clock_us

    def keeping(self) -> list[Program]:
        """Those that must be thought to keep something, who waits longest first."""
        now_us = self._clock_us()
        return [one for one in self.known() if one.keeps(now_us)]

    def known(self) -> list[Program]:
        """All that were turned away lately."""
        return [Program(*row) for row in self._rows("programs", since_us=self._clock_us() - _GONE_US)]

    def wire(self) -> list[list[str | int]]:
        """The same for another copy, as ``from_wire`` reads it."""
        return [list(one) for one in self.known()]

    def turned_away(self, name: str) -> None:
        """A write of this program was not taken: it keeps it, and comes again."""
        with self._writing():
            now_us = self._clock_us()
            before = self._of(name)
            if before is None or not before.keeps(now_us):
                self._keep(Program(name, now_us, now_us))
            elif before.sends() or now_us - before.away_us >= _NOTED_US:
                self._keep(before._replace(away_us=max(now_us, before.taken_us)))

    def taken(self, name: str) -> None:
        """One of its writes was taken. Only while it keeps something is that written, and not each time."""
        now_us = self._clock_us()
        before = self._of(name)
        if before is None or not before.keeps(now_us) or (before.sends() and now_us - before.taken_us < _NOTED_US):
            return
        with self._writing():
            before = self._of(name)
            if before is not None and before.keeps(now_us):
                self._keep(
                    before._replace(taken_us=max(now_us, before.away_us + 1))
                )  # that may be of another copy's clock

    def learn(self, others: Iterable[Program]) -> None:
        """What another copy knows."""
        news = [one for one in others if one.away_us > self._clock_us() - _GONE_US and self._after(one) is not None]
        if news:
            with self._writing():
                for one in news:
                    if (joined := self._after(one)) is not None:
                        self._keep(joined)

    def _after(self, other: Program) -> Program | None:
        """What is known once ``other`` is; None where that is nothing new."""
        before = self._of(other.name)
        joined = other if before is None else before.joined(other)
        return joined if joined != before else None

    def _of(self, name: str) -> Program | None:
        return next((Program(*row) for row in self._rows("program", name=name)), None)

    def _keep(self, program: Program) -> None:
        self._rows("forget_programs", before_us=self._clock_us() - _GONE_US)
        self._rows("keep_program", **program._asdict())
