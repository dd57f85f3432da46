"""h2load, a load generator in C, as an open loop: each connection sends at its own rate, whatever has come back.

Only figures need it. A connection has one request under way; what would have been sent meanwhile is counted with the time that it
would have waited (Tene's correction for coordinated omission, as in HdrHistogram), so that times count from when a request was
due. A run that sent fewer than it should is no figure.
"""

from __future__ import annotations

import math
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.open_loop import Late

from vaka.errors import Setup

SENT_MIN: Final = 0.98
WARM_UP_S: Final = 1


@dataclass(frozen=True, slots=True)
class Caller:
    """One process of callers: ``headers`` of each request, the ``addresses`` that it asks in turn."""

    headers: tuple[str, ...]
    addresses: Sequence[str]


def times_ms(port: int, callers: Sequence[Caller], *, connections: int, per_s: float, seconds: int) -> list[float]:
    """How long each answer took, in order. ``connections``, ``per_s``: of all callers together. Setup where h2load is missing,
    Late where it could not offer so much, RuntimeError where not all was answered well."""
    program = shutil.which("h2load")
    if program is None:
        raise Setup("h2load is missing, which this figure needs", help="apt-get install nghttp2-client")
    each = max(1, connections // len(callers))
    rate = per_s / (each * len(callers))
    with tempfile.TemporaryDirectory() as name:
        running = []
        for number, caller in enumerate(callers):
            asked, told = Path(name, f"{number}.txt"), Path(name, f"{number}.log")
            asked.write_text("".join(f"http://127.0.0.1:{port}{address}\n" for address in caller.addresses))
            running.append(subprocess.Popen(  # nosec B603  a tool of this bench; no shell
                [
                    program, "--h1", "-t1", f"-c{each}", f"-D{seconds}", f"--warm-up-time={WARM_UP_S}", f"--rps={rate:.3f}",
                    f"--log-file={told}", f"--input-file={asked}", *[f"--header={header}" for header in caller.headers],
                ],
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            ))  # fmt: skip
        for process in running:
            _, said = process.communicate(timeout=seconds + WARM_UP_S + 30)
            if process.returncode:
                raise RuntimeError(f"h2load: {said.decode()[-300:]}")
        rows = [row for told in Path(name).glob("*.log") for row in told.read_text().splitlines()]
    return read(rows, per_s=per_s, each_per_s=rate, seconds=seconds)


def read(rows: Sequence[str], *, per_s: float, each_per_s: float, seconds: int) -> list[float]:
    """``times_ms`` of the rows of h2load's logs (start, status, microseconds). ``each_per_s``: the rate of a connection. Who was
    told to come again (503) counts as longer than any."""
    told = [row.split("\t") for row in rows]
    statuses = {row[1] for row in told}
    if not statuses <= {"200", "503"}:
        raise RuntimeError(f"answers {sorted(statuses)}")
    if len(told) < SENT_MIN * per_s * seconds:
        raise Late(f"of {per_s:,.0f}/s only {len(told) / seconds:,.0f}/s were sent: it could not offer so much")
    good = [int(row[2]) / 1_000 for row in told if row[1] == "200"]
    return [*sorted(_corrected(good, 1_000 / each_per_s)), *[math.inf] * (len(told) - len(good))]


def _corrected(times: Sequence[float], interval_ms: float) -> list[float]:
    """With those that were due while an answer was waited for."""
    found = list(times)
    for time in times:
        left = time - interval_ms
        while left > 0:
            found.append(left)
            left -= interval_ms
    return found
