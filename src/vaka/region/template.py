"""The packaged region: resources with slots, read once, rendered as often as wanted.

``region.ndjson.zst`` holds a line for each resource: directory first (organisations, locations, practitioners, roles),
then person by person (a line ``{"person": …}``, the Patient, what belongs to it). ``tools/make_region.py`` makes it.
What differs from one rendering to the next is a slot:

======================  ==================================================================================
``‹#7›``                id of the person's 7th resource (0: the Patient); ``‹#7@mother›``: of the person so called
``‹block›``             nothing in the demo region; ``-2``, ``-3`` … where units and staff are cloned
``‹d-120›``             date, 120 days before today
``‹t-120T08:30:00›``    dateTime of that local time
``‹n-35›``              dateTime 35 minutes before now
``‹given›`` …           a field of ``people.Person``; ``‹family@mother›``: of the person so called
``‹staff:7:given›``     name of the 7th member of staff
======================  ==================================================================================

A line that begins with a time slot is rendered only when that time has passed (today's doses).
Invariants: a line refers only to the directory and to lines above it; the text outside slots is the same everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache, lru_cache
from importlib.resources import files
from io import BufferedReader
from sys import intern
from typing import Any, Final, TypeAlias

import orjson
import zstandard

from vaka.region.days import Days, moment, relative

_SLOT = re.compile("‹([^›]*)›".encode())
_TYPE = re.compile(rb'"resourceType":"([A-Za-z]+)"')
# Older than this moves with a clone's own shift; the days at hand stay, so that stays and appointments hold together.
_HISTORY_DAYS: Final = 60

Part: TypeAlias = "bytes | int | tuple[int, bytes] | tuple[str, str, str]"


@dataclass(frozen=True, slots=True)
class Line:
    """A resource: its text in parts (bytes: as they are; int: own id; (day, clock): time; else a named slot)."""

    type: str
    parts: tuple[Part, ...]
    after: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True)
class PersonTemplate:
    """``born`` is a date, or days before today for small children, whose age must stay."""

    key: str
    female: bool
    born: date | int
    given: str
    family: str
    number: str
    lines: tuple[Line, ...]
    ids: int


@dataclass(frozen=True, slots=True)
class Template:
    """``once``: what a region has one of (providers, hospitals); ``units``: what is cloned for each block of people."""

    name: str
    staff: tuple[tuple[str, str, bool], ...]
    once: tuple[Line, ...]
    units: tuple[Line, ...]
    people: tuple[PersonTemplate, ...]


@dataclass(slots=True)
class Scene:
    """All that a rendering needs to know; ``shift_days`` is how much older a clone's history is."""

    days: Days
    today: int
    now: datetime
    shift_days: int
    ids: list[bytes]
    named: Callable[[str, str, str], bytes]


def _part(slot: str) -> Part:
    kind = slot[0]
    if kind == "#":
        number, _, key = slot[1:].partition("@")
        return ("#", number, key) if key else int(number)
    if kind in "dtn" and slot[1:2] in "+-0123456789":
        day, _, clock = slot[1:].partition("T")
        return (int(day), clock.encode()) if kind != "n" else ("now", day, "")
    name, _, key = slot.partition("@")
    if name.startswith("staff:"):
        _, number, field = name.split(":")
        return ("staff", number, field)
    return ("person", name, key)


@lru_cache(maxsize=200_000)
def _known(piece: bytes, is_slot: bool) -> Part:
    """A piece as part, the same object for the same text: the lines of a region are much alike."""
    return _part(piece.decode()) if is_slot else piece


def compile_line(text: bytes) -> Line:
    """A line of the file as parts."""
    after = None
    if text.startswith("‹t".encode()):
        slot, _, text = text.partition("›".encode())
        day, _, clock = slot.decode()[2:].partition("T")
        after = (int(day), clock)
    found = _TYPE.search(text)
    if found is None:
        raise ValueError("a line of the region has no resourceType")
    parts = [_known(piece, bool(place % 2)) for place, piece in enumerate(_SLOT.split(text)) if piece]
    return Line(intern(found[1].decode()), tuple(parts), after)


def render(line: Line, scene: Scene) -> bytes | None:
    """The resource as JSON text; None where its time has not come."""
    if line.after is not None and moment(scene.today + line.after[0], line.after[1]) > scene.now:
        return None
    out: list[bytes] = []
    days, ids = scene.days, scene.ids
    for part in line.parts:
        if isinstance(part, bytes):
            out.append(part)
        elif isinstance(part, int):
            out.append(ids[part])
        elif len(part) == 2:
            day, clock = part
            ordinal = scene.today + (day if day >= -_HISTORY_DAYS else day - scene.shift_days)
            out.append(days.date_time(ordinal, clock) if clock else days.dates[ordinal])
        elif part[0] == "now":
            out.append(relative(scene.now, int(part[1])))
        else:
            out.append(scene.named(*part))
    return b"".join(out)


def _person(head: dict[str, Any], lines: list[Line]) -> PersonTemplate:
    born = head["born"]
    return PersonTemplate(
        key=head["key"],
        female=head["female"],
        born=born if isinstance(born, int) else date.fromisoformat(born),
        given=head["given"],
        family=head["family"],
        number=head["number"],
        lines=tuple(lines),
        ids=head["ids"],
    )


def read(content: Iterator[bytes]) -> Template:
    """The template from the lines of its file."""
    head = orjson.loads(next(content))["region"]
    directory: list[bytes] = []
    people: list[PersonTemplate] = []
    person: dict[str, Any] | None = None
    lines: list[Line] = []
    for text in content:
        if text.startswith(b'{"person"'):
            if person is not None:
                people.append(_person(person, lines))
            person, lines = orjson.loads(text)["person"], []
        elif person is None:
            directory.append(text)
        else:
            lines.append(compile_line(text))
    if person is not None:
        people.append(_person(person, lines))
    block = "‹block›".encode()
    return Template(
        name=head["name"],
        staff=tuple((given, family, female) for given, family, female in head["staff"]),
        once=tuple(compile_line(text) for text in directory if block not in text),
        units=tuple(compile_line(text) for text in directory if block in text),
        people=tuple(people),
    )


@cache
def load() -> Template:
    """The packaged region (a second or two, once in a process)."""
    with files("vaka.region").joinpath("region.ndjson.zst").open("rb") as packed:
        stream = BufferedReader(zstandard.ZstdDecompressor().stream_reader(packed))
        template = read(line.rstrip(b"\n") for line in stream)
    _known.cache_clear()
    return template
