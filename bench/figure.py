"""What a measurement gives: a value, what it is measured against, and what it must at least be."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """``value`` in ``unit``; ``at_least``/``aim``: bounds, lower ones unless ``lower_is_better``. ``detail``: how it came."""

    name: str
    what: str
    value: float
    unit: str
    at_least: float
    aim: float
    lower_is_better: bool = False
    detail: str = ""

    @property
    def holds(self) -> bool:
        return self.value <= self.at_least if self.lower_is_better else self.value >= self.at_least

    @property
    def reaches_aim(self) -> bool:
        return self.value <= self.aim if self.lower_is_better else self.value >= self.aim

    def row(self) -> dict[str, Any]:
        return {**asdict(self), "holds": self.holds, "reaches_aim": self.reaches_aim}


def sized(name: str, usual: int) -> int:
    """How much of it: ``usual``, or what VAKA_BENCH_NAME says, to try a long measurement with little."""
    return int(os.environ.get(f"VAKA_BENCH_{name.upper()}", usual))


def ratio(
    name: str, what: str, ours: list[float], theirs: list[float], at_least: float, aim: float, unit: str, note: str = ""
) -> Figure:
    """The median of ours by the median of theirs; the runs were interleaved."""
    a, b = median(ours), median(theirs)
    detail = f"{a:,.0f} {unit} against {b:,.0f} {unit} (medians of {len(ours)} interleaved runs){note}"
    return Figure(name, what, round(a / b, 3), "×", at_least, aim, detail=detail)
