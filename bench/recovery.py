"""Figure: seconds from ``kill -9`` of everything under full write load to /ready, p95 of 20; and what those kills lost.

The clock runs from the first signal: it holds the start of the supervisor, of PostgreSQL with its recovery, of the API,
and a commit that was read back.
"""

from __future__ import annotations

import sys
from statistics import median

from bench.durability import vaka_durability
from bench.figure import Figure

KILLS = 20


def measure(kills: int = KILLS) -> list[Figure]:
    found = vaka_durability(kills)
    ordered = sorted(found.ready_s)
    p95 = ordered[min(int(len(ordered) * 0.95), len(ordered) - 1)]
    detail = f"median {median(ordered):.1f} s, {found.acknowledged} writes acknowledged, seed {found.seed}"
    what = "kill -9 of everything under full write load to /ready, p95"
    recovery = Figure("recovery", what, round(p95, 2), "s", 5.0, 2.0, lower_is_better=True, detail=detail)
    return [recovery, found.figure()]


if __name__ == "__main__":
    measured = measure()
    print(measured)
    sys.exit(0 if all(figure.holds for figure in measured) else 1)
