"""wrk, a load generator in C: what a server in C has to be measured with, and then what it is measured against.

Only figures need it. Closed loop: each connection sends its next request when it has its answer. Each request is one of a list,
taken by chance. A server is measured where it uses up its core, or lets its callers wait while this has time left (for its disk);
a broken connection, or more than a few that were turned away, is an error and no figure.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import orjson
import psutil
from bench.place import LOAD_CORE

from vaka.errors import Setup

BUSY_MIN: Final = 0.9
"""Of its core: below, the server waits for something."""
LOADING_MAX: Final = 0.9
"""Of its own core: above, it may be this that the server waits for."""
REFUSED_MAX: Final = 0.01
"""Of all answers: what a server turns away when its disk stands still for a moment. They are no part of the rate."""
# Requests stand in one file, each with its length in ten digits before it.
_SCRIPT: Final = """
local asked, chosen = {}, math.random
function init(args)
  math.randomseed(tonumber(args[2]))
  local file = io.open(args[1], "rb")
  while true do
    local length = file:read(10)
    if not length then break end
    asked[#asked + 1] = file:read(tonumber(length))
  end
end
function request() return asked[chosen(#asked)] end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format('\\n{"requests":%d,"us":%d,"bytes":%d,"errors":[%d,%d,%d,%d,%d],"p50_us":%d,"p99_us":%d}\\n',
    summary.requests, summary.duration, summary.bytes, e.connect, e.read, e.write, e.status, e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What came of it. ``per_second``: good answers; ``busy``: the part of its core that the server used; ``refused``: answers
    that were no success."""

    per_second: float
    busy: float
    refused: int
    p50_ms: float
    p99_ms: float


def drive(port: int, requests: Sequence[bytes], *, connections: int, seconds: int, server: Sequence[int]) -> Load:
    """Sends ``requests`` for ``seconds``. ``server``: the processes that answer. RuntimeError where that is no figure."""
    binary = shutil.which("wrk")
    if binary is None:
        raise Setup("wrk is not installed, and this figure is measured with it", help="apt-get install wrk")
    with tempfile.TemporaryDirectory() as folder:
        script, asked = Path(folder) / "asked.lua", Path(folder) / "asked"
        script.write_text(_SCRIPT)
        asked.write_bytes(b"".join(b"%010d%s" % (len(one), one) for one in requests))
        command = [binary, "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script), f"http://127.0.0.1:{port}"]
        before, own, began = _spent(server), _own(), time.monotonic()
        done = subprocess.run(  # nosec B603  found on the path
            [*command, "--", str(asked), str(time.time_ns() % 1_000_000)], capture_output=True, text=True, check=False,
            preexec_fn=_on_its_core,
        )  # fmt: skip
        took = time.monotonic() - began
        busy, loading = (_spent(server) - before) / took, (_own() - own) / took
    return read(done.stdout, done.stderr, busy, loading)


def read(told: str, said: str, busy: float, loading: float) -> Load:
    """What wrk told. RuntimeError where it is no figure."""
    try:
        found = orjson.loads(told.strip().rsplit("\n", 1)[-1])
        connect, reads, writes, statuses, timeouts = found["errors"]
    except (ValueError, KeyError, TypeError) as error:
        raise RuntimeError(f"wrk failed: {said or told}") from error
    requests = found["requests"]
    if connect or reads or writes or timeouts or statuses > requests * REFUSED_MAX:
        raise RuntimeError(
            f"wrk: {connect} connections failed, {reads} reads, {writes} writes, {statuses} of {requests} answers were no "
            f"success, {timeouts} came too late"
        )
    if busy < BUSY_MIN and loading > LOADING_MAX:
        raise RuntimeError(
            f"the server used {busy:.0%} of its core, and the load {loading:.0%}: it could not offer enough"
        )
    rate = (requests - statuses) / found["us"] * 1e6
    return Load(rate, busy, statuses, found["p50_us"] / 1_000, found["p99_us"] / 1_000)


def said(runs: Sequence[tuple[Load, Load]]) -> str:
    """What of these runs of two sides a reader of the figure must know besides."""
    refused = sum(one.refused for run in runs for one in run)
    a, b = (median(run[side].busy for run in runs) for side in (0, 1))
    return f"; {refused} answers were no success; the core in use {a:.0%} and {b:.0%}"


def _on_its_core() -> None:
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {LOAD_CORE})


def _own() -> float:
    """Seconds of processor time of what this process has started and waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _spent(pids: Sequence[int]) -> float:
    """Seconds of processor time of these processes."""
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return sum(one.user + one.system for one in times)
