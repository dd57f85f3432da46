"""Reading the log: events from the tables, newest first, by patient, person, time and what was done.

What is in files only is shipped before (``ship.Shipper``), so there is one place to read. Invariant: an event's id names it
for ever: stream, block, place in the block.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from vaka import config
from vaka.accesslog import blocks, codec, merged, runs, tables
from vaka.accesslog.codec import Described
from vaka.accesslog.record import Record
from vaka.accesslog.runs import microseconds
from vaka.accesslog.tables import Connection, statements
from vaka.errors import NotFound

_RUNS_AT_ONCE = 20
_ID = re.compile(r"([0-9a-f]{32})-([0-9a-z]{1,13})-([0-9a-z]{1,6})")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is looked for; None or empty: whatever. ``patient``: a key; ``person``: an actor's key; ``activities``,
    ``outcomes`` (``Record.outcome``): any of these; ``without``: none of these activities. ``provider`` (an Organization id)
    and ``owners`` (rows of ``owner``): what is done by the provider's people, or with information of these owners.
    ``others``: further keys that mean the patient, found by ``events``."""

    patient: int | None = None
    person: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    activities: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()
    outcomes: frozenset[str] = frozenset()
    provider: str | None = None
    owners: frozenset[int] = frozenset()
    others: frozenset[int] = frozenset()

    @property
    def patients(self) -> frozenset[int]:
        return self.others if self.patient is None else self.others | {self.patient}

    def fits(self, record: Record) -> bool:
        return (
            (self.patient is None or not self.patients.isdisjoint(record.patients))
            and (self.person is None or record.actor.key == self.person)
            and (self.since is None or record.time_us >= microseconds(self.since))
            and (self.until is None or record.time_us < microseconds(self.until))
            and (not self.activities or record.activity in self.activities)
            and record.activity not in self.without
            and (not self.outcomes or record.outcome in self.outcomes)
            and (
                self.provider is None
                or record.actor.provider == self.provider
                or not self.owners.isdisjoint(record.owners)
            )
        )


@dataclass(frozen=True, slots=True)
class Event:
    """A record and its place. ``system``: which part of Vaka logged it (``journal``, ``commands``)."""

    stream: str
    block: int
    place: int
    record: Record
    run: tuple[int, int]  # (began in us, first block) of the run it lies in
    system: str = ""

    @property
    def id(self) -> str:
        return f"{self.stream}-{_base36(self.block)}-{_base36(self.place)}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: the run, and the event in it."""

    began_us: int
    stream: str
    first: int
    block: int
    place: int

    @classmethod
    def after(cls, event: Event) -> Place:
        return cls(event.run[0], event.stream, event.run[1], event.block, event.place)


async def events(connection: Connection, asked: Asked, *, at: Place | None = None) -> AsyncGenerator[Event, None]:
    """What fits ``asked``, newest first within each stream, after ``at``."""
    about = await merged.about(connection, asked.patient) if asked.patient is not None else None
    if about is not None:
        asked = replace(asked, others=about.keys)
    cache: dict[tuple[str, int], Mapping[int, Described]] = {}
    began, stream, first = (runs.when(at.began_us), at.stream, at.first + 1) if at else (None, None, None)
    while True:
        until = asked.until + timedelta(seconds=config.LOG_LATE_S) if asked.until else None
        values = {
            "patients": sorted(asked.patients) if asked.patient is not None else None,
            "person": asked.person, "since": asked.since, "until": until,
            "began": began, "stream": stream, "first": first, "limit": _RUNS_AT_ONCE,
        }  # fmt: skip
        rows = await (await connection.execute(statements()["find_runs"], values)).fetchall()
        for began, stream, first, chapter, content, system in rows:
            if (stream, chapter) not in cache:
                if len(cache) >= _RUNS_AT_ONCE:
                    cache.clear()
                cache[stream, chapter] = await tables.described(connection, stream, chapter)
            run = (microseconds(began), first)
            # Off the event loop: a run is tens of milliseconds of work.
            told = await asyncio.to_thread(
                _events, (stream, system), run, bytes(content), cache[stream, chapter], asked
            )
            if about is not None and about.was_mixed:
                told = await merged.sorted_out(connection, about, told, of=lambda event: event.record)
            for event in told:
                if at is None or (event.stream, event.run) != (at.stream, (at.began_us, at.first)) or (
                    (event.block, event.place) < (at.block, at.place)
                ):  # fmt: skip
                    yield event
        if len(rows) < _RUNS_AT_ONCE:
            return


def _events(
    where: tuple[str, str], run: tuple[int, int], content: bytes, described: Mapping[int, Described], asked: Asked
) -> list[Event]:
    found: list[Event] = []
    for block in blocks.in_run(runs.unpacked(content), b""):
        if asked.patient is not None and asked.patients.isdisjoint(block.contents().patients):
            continue
        told = codec.records(block.payload, block.time_us, described)
        found += [
            Event(where[0], block.number, n, record, run, where[1])
            for n, record in enumerate(told)
            if asked.fits(record)
        ]
    found.reverse()
    return found


async def page(connection: Connection, asked: Asked, count: int, *, at: Place | None = None) -> list[Event]:
    """At most ``count`` events."""
    found = []
    stream = events(connection, asked, at=at)
    try:
        async for event in stream:
            found.append(event)
            if len(found) >= min(count, config.LOG_EXTRACT_MAX):
                break
    finally:
        await stream.aclose()
    return found


async def event(connection: Connection, id_: str) -> Event:
    """The event of this id. NotFound."""
    match = _ID.fullmatch(id_)
    if match is not None:
        block, place = int(match[2], 36), int(match[3], 36)
        values = {"stream": match[1], "block": block, "span": config.LOG_RUN_MAX_BLOCKS}
        row = await (await connection.execute(statements()["find_run"], values)).fetchone() if block < 2**62 else None
        if row is not None:
            described = await tables.described(connection, match[1], row[3])
            run = (microseconds(row[0]), row[2])
            where = (match[1], row[5])
            for found in await asyncio.to_thread(_events, where, run, bytes(row[4]), described, Asked()):
                if (found.block, found.place) == (block, place):
                    return found
    raise NotFound("there is no such event in the access log")


def _base36(number: int) -> str:
    text = ""
    while True:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
        if not number:
            return text
