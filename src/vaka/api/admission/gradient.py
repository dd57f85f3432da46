"""How many requests may be under way at once, found out from how long they take. Pure.

The limit is multiplied by how much longer answers take now than they usually do (by 0.5 to 1; up to twice as long is tolerated),
and 4 are added: it settles where a few wait. Differences from its source, "Gradient2" of Netflix's concurrency-limits
(https://github.com/Netflix/concurrency-limits): each class is compared with itself, so that a change of what is asked is not
taken for a slower machine; while requests wait for a place, what is usual is learned at a hundredth of the pace, so that a long
overload does not become what is usual; and urgent care that takes long (class 0), or a loop that is behind all the time, lowers
the limit whatever is usual, so that a start into an overload finds the limit too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from vaka import config

_GROWTH: Final = 4.0
_SMOOTHING: Final = 0.2
_LONG_WINDOWS: Final = 600
_WARM_UP: Final = 10
_SLOWER: Final = 0.01
_LEAST_S: Final = 1e-6


class Gradient:
    """``limit``: the present one, with its fraction."""

    def __init__(
        self,
        limit: float = config.ADMISSION_LIMIT,
        least: float = config.ADMISSION_LIMIT_MIN,
        most: float = config.ADMISSION_LIMIT_MAX,
        classes: int = len(config.ADMISSION_SHARES),
    ) -> None:
        self.limit = limit
        self._least, self._most = least, most
        self._long = [0.0] * classes
        self._windows = [0] * classes

    def update(
        self, samples: Sequence[tuple[int, float]], under_way: int, *, waiting: bool, lag_s: float = 0.0
    ) -> float:
        """The limit after one window. ``samples``: for each class, how many were answered and the seconds that they took in all;
        ``under_way``: the most at once; ``waiting``: whether somebody waited for a place; ``lag_s``: the least that the loop was
        behind."""
        weighed, answered = 0.0, 0
        for class_, (count, seconds) in enumerate(samples):
            if count == 0:
                continue
            short = max(seconds / count, _LEAST_S)
            long = self._learn(class_, short, waiting=waiting)
            weighed += count * max(0.5, min(1.0, config.ADMISSION_TOLERANCE * long / short))
            answered += count
        if answered and under_way >= self.limit / 2:  # else nobody knows whether more would go
            gradient = weighed / answered if self.limit > config.ADMISSION_LIMIT_BATCH else 1.0
            urgent, seconds = samples[0]
            if urgent and seconds / urgent > config.ADMISSION_URGENT_S:
                gradient = min(gradient, max(0.5, config.ADMISSION_URGENT_S * urgent / seconds))
            if lag_s > config.ADMISSION_LAG_S:
                gradient = min(gradient, max(0.5, config.ADMISSION_LAG_S / lag_s))
            wanted = self.limit * gradient + _GROWTH
            self.limit = max(self._least, min(self._most, self.limit + (wanted - self.limit) * _SMOOTHING))
        return self.limit

    def _learn(self, class_: int, short: float, *, waiting: bool) -> float:
        """How long this class usually takes, with ``short`` learned."""
        windows = self._windows[class_]
        if windows < _WARM_UP:
            self._windows[class_] = windows + 1
            long = (self._long[class_] * windows + short) / (windows + 1)
        else:
            pace = 2.0 / (_LONG_WINDOWS + 1) * (_SLOWER if waiting else 1.0)
            long = self._long[class_] * (1.0 - pace) + short * pace
            if long > 2.0 * short:  # an overload is over: what was learned in it goes sooner
                long *= 0.9
        self._long[class_] = long
        return long
