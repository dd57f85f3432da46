"""How far a copy is behind the journal: at half of what the journal can write, and after a burst of loaded resources.

Lag of a version: from the time that the journal wrote it at (``lastUpdated``, before its commit) to the moment that the copy has
committed it; every version counts. The burst: from its first version's time to the copy's commit of its last, by the length from
the first to the last. All times are of this machine's clock.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
import time
from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path
from typing import Final

import psycopg
import uvloop
import zstandard
from bench.copies import Copy, copy_of
from bench.figure import Figure, sized
from bench.load_client import drive, request
from bench.open_loop import Stream, offer
from bench.place import Place, place, vaka
from bench.rows import observations

from vaka.copy.board import Board, Field
from vaka.region.generate import generate

CONNECTIONS: Final = 32
CAPACITY_S: Final = 8.0
WARM_UP_S: Final = 3.0
SECONDS: Final = 20.0
PATIENTS: Final = 4_000
CATCH_UP_MAX_S: Final = 600.0
_LOOK_S: Final = 0.002
_NOT_SENT_MAX: Final = 0.02
"""Of what was due: while all connections wait for the journal's checkpoint. More, and it was not at half."""

WRITTEN: Final = "SELECT xid::text::bigint, seq, updated_us FROM version WHERE seq > %s ORDER BY xid, seq"


@dataclass(slots=True)
class Watched:
    """What a copy had applied, and when."""

    board: Board
    at_us: list[int] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)

    def look(self) -> None:
        xid, seq, whole = self.board.read(Field.XID, Field.SEQ, Field.WHOLE)
        if whole and (not self.places or (xid, seq) > self.places[-1]):
            self.places.append((xid, seq))
            self.at_us.append(time.time_ns() // 1_000)

    async def follow(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(_LOOK_S)

    def when_us(self, place: tuple[int, int]) -> int:
        """When it was seen to have this version. IndexError where it never was."""
        return self.at_us[bisect_left(self.places, place)]


def _written(place: Place, after: int) -> list[tuple[int, int, int]]:
    with psycopg.connect(place.dsn, autocommit=True) as connection:
        return connection.execute(WRITTEN, (after,)).fetchall()


def _newest(place: Place) -> int:
    with psycopg.connect(place.dsn, autocommit=True) as connection:
        row = connection.execute("SELECT coalesce(max(seq), 0) FROM version").fetchone()
    assert row is not None
    return int(row[0])


async def _half(place: Place, copy: Copy, stream: Stream, watched: Watched) -> None:
    watching = asyncio.create_task(watched.follow())
    await offer("127.0.0.1", place.port, [stream], warm_up_s=WARM_UP_S, seconds=SECONDS)
    until = time.monotonic() + CATCH_UP_MAX_S
    xid, seq, _ = await asyncio.to_thread(lambda: _written(place, 0)[-1])
    while not copy.has(watched.board, xid, seq) and time.monotonic() < until:
        await asyncio.sleep(_LOOK_S)
    watched.look()
    watching.cancel()


def half(place: Place, copy: Copy) -> Figure:
    """Lag at half of the journal's write capacity."""
    bodies = cycle(observations(3_000))

    def make() -> bytes:
        return request("POST", "/fhir/Observation", place.token, next(bodies))

    peak = uvloop.run(drive("127.0.0.1", place.port, make, connections=CONNECTIONS, seconds=CAPACITY_S))
    if set(peak.statuses) != {201}:
        raise RuntimeError(f"the journal did not create: {peak.statuses}")
    capacity = peak.per_second
    copy.await_(*_written(place, 0)[-1][:2], CATCH_UP_MAX_S)
    before = _newest(place)
    stream = Stream("creations", capacity / 2, CONNECTIONS * 4, make)
    watched = Watched(copy.board())
    uvloop.run(_half(place, copy, stream, watched))
    if set(stream.statuses) != {201} or stream.turned_away > stream.due * _NOT_SENT_MAX:
        raise RuntimeError(f"the journal did not take half: {stream.statuses}, {stream.turned_away} not sent")
    written = _written(place, before)
    first_us = written[0][2] + int(WARM_UP_S * 1e6)
    lags = sorted((watched.when_us((xid, seq)) - at) / 1_000 for xid, seq, at in written if at >= first_us)
    p50, p99 = lags[len(lags) // 2], lags[int(len(lags) * 0.99)]
    detail = (
        f"{len(lags)} versions at {len(lags) / SECONDS:,.0f}/s of {capacity:,.0f}/s, {SECONDS:.0f} s; median {p50:.0f} ms,"
        f" longest {lags[-1]:.0f} ms; from lastUpdated to the copy's commit"
    )
    return Figure("lag", "p99 at half of the journal's write capacity", round(p99, 1), "ms", 1_000, 250, True, detail)


def burst(place: Place, copy: Copy, folder: Path) -> Figure:
    """After a burst: when the copy has all, by the burst's length."""
    count = sized("burst", 100_000)
    path = folder / "burst.ndjson.zst"
    with path.open("wb") as file, zstandard.ZstdCompressor(level=1).stream_writer(file) as out:
        for _, text in islice(generate(PATIENTS, 11, datetime.now(UTC).date()), count):
            out.write(text + b"\n")
    before = _newest(place)
    watched = Watched(copy.board())
    done = subprocess.Popen(  # nosec B603  our own command
        vaka("load", str(path), "--data", str(place.data)), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    while done.poll() is None:
        watched.look()
        time.sleep(_LOOK_S)
    if done.returncode:
        assert done.stderr is not None
        raise RuntimeError(done.stderr.read().decode(errors="replace")[-2_000:])
    written = _written(place, before)
    until = time.monotonic() + CATCH_UP_MAX_S
    while not copy.has(watched.board, *written[-1][:2]):
        watched.look()
        if time.monotonic() > until:
            raise RuntimeError("the copy has not caught up with the burst")
        time.sleep(_LOOK_S)
    watched.look()
    times = [at for _, _, at in written]
    length_s = (max(times) - min(times)) / 1e6
    caught_s = (watched.at_us[-1] - min(times)) / 1e6
    detail = (
        f"{len(written)} versions written in {length_s:.1f} s ({len(written) / length_s:,.0f}/s), on the copy"
        f" after {caught_s:.1f} s"
    )
    what = f"a burst of {count:,} loaded resources: caught up within … of its length"
    return Figure("burst", what, round(caught_s / length_s, 3), "×", 1.5, 1.1, True, detail)


def measure() -> list[Figure]:
    affinity = os.sched_getaffinity(0)
    try:
        with place() as journal, copy_of(journal) as copy, tempfile.TemporaryDirectory() as folder:
            return [half(journal, copy), burst(journal, copy, Path(folder))]
    finally:
        os.sched_setaffinity(0, affinity)
