"""The resources of one patient and one owner as the sections read them.

Invariant: a resource that cannot be read costs nothing but itself: it is counted, and told as "1 item cannot be shown" (S4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson

from vaka import config
from vaka.copy.reserve.taken import is_order
from vaka.copy.sheet.elements import Json, Line, one, text
from vaka.fhir import exact
from vaka.fhir.entries import in_error
from vaka.fhir.laboratory import RESULTS, superseded
from vaka.fhir.times import FROM_PAPER_TAG, is_from_paper, times_of

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """A living resource as the record holds it. ``owner``: its owner's number; ``pending``: it shows a reserve entry; ``saved``:
    of what was entered from paper, when it was first saved (an instant), where that is known; ``superseded``: a newer version was
    set aside (S4)."""

    type: str
    id: str
    body: bytes
    rkey: int = 0
    seq: int = 0
    owner: int = 0
    pending: bool = False
    saved: str = ""
    superseded: bool = False

    @property
    def may_be_from_paper(self) -> bool:
        return FROM_PAPER_TAG.encode() in self.body


@dataclass(frozen=True, slots=True)
class Found:
    """An entry that was read."""

    entry: Entry
    resource: Json

    @property
    def exact(self) -> Json:
        """Read anew, with every number as it was written."""
        made: Json = exact.loads(self.entry.body)
        return made

    def line(self, **members: Any) -> Line:
        """A line that names what it comes from."""
        made: Line = {"id": f"{self.entry.type}/{self.entry.id}"}
        if self.entry.pending:
            made["pending"] = True
            if is_order(self.resource):
                made["site_only"] = True
        if self.entry.superseded:
            made["superseded"] = True
        if self.entry.may_be_from_paper and is_from_paper(self.resource):
            made |= self._from_paper()
        made |= {name.rstrip("_"): value for name, value in members.items() if value not in ("", None, (), [], False)}
        return made

    def _from_paper(self) -> Line:
        """When it happened, as on the paper, and when it was entered (S6); where it was changed since, when that was."""
        times = times_of(
            self.resource,
            first_saved=self.entry.saved,
            received=text(one(self.resource.get("meta")).get("lastUpdated")),
        )
        made = {"from_paper": True, "happened": times.happened, "entered": times.recorded}
        if not times.recorded:
            made["changed"] = times.received
        return {name: value for name, value in made.items() if value}


@dataclass(slots=True)
class Gathered:
    """What was read, by type; ``broken``: how many could not be shown, by section; ``more``: how many were left out, for want of
    room; ``names``: what a place is called."""

    by_type: dict[str, list[Found]] = field(default_factory=dict)
    broken: dict[str, int] = field(default_factory=dict)
    more: dict[str, int] = field(default_factory=dict)
    names: Callable[[str], str] = field(default=lambda _: "")

    def each(self, section: str, types: Iterable[str], make: Callable[[Found], T | None]) -> list[tuple[Found, T]]:
        """What ``make`` makes of each entry of ``types``; what it fails on is counted for ``section``."""
        made: list[tuple[Found, T]] = []
        for type_ in types:
            for found in self.by_type.get(type_, ()):
                try:
                    value = make(found)
                except Exception:  # whatever is wrong with one resource is that resource's
                    self.miss(section)
                    continue
                if value is not None:
                    made.append((found, value))
        return made

    def lines(self, section: str, types: Iterable[str], make: Callable[[Found], Line | None]) -> list[Line]:
        return [value for _, value in self.each(section, types, make)]

    def first(self, section: str, lines: list[Line], limit: int = config.SHEET_LINES_MAX) -> list[Line]:
        """The first ``limit`` of ``lines``; the others are counted as left out."""
        if len(lines) > limit:
            self.more[section] = self.more.get(section, 0) + len(lines) - limit
        return lines[:limit]

    def miss(self, section: str, count: int = 1) -> None:
        self.broken[section] = self.broken.get(section, 0) + count


def unnamed(_: str) -> str:
    """Where nothing is known of what a place is called."""
    return ""


def gather(
    entries: Sequence[Entry], section_of: Callable[[str], str], names: Callable[[str], str] = unnamed
) -> Gathered:
    """Reads ``entries``; those entered in error are left out, and results of which a later version stands beside (S16).
    ``section_of``: where a type is missed that cannot be read."""
    gathered = Gathered(names=names)
    read: list[tuple[Found, bool]] = []
    for entry in entries:
        try:
            if len(entry.body) > config.SHEET_BODY_MAX_BYTES:
                raise ValueError("too large")
            resource = orjson.loads(entry.body)
            if not isinstance(resource, dict) or resource.get("resourceType") != entry.type:
                raise ValueError("no resource")
            wrong = in_error(resource)
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
            gathered.miss(section_of(entry.type))
            continue
        read.append((Found(entry, resource), wrong))
    past = superseded((found.entry.id, found.resource) for found, _ in read if found.entry.type in RESULTS)
    for found, wrong in read:
        if not wrong and not (found.entry.type in RESULTS and found.entry.id in past):
            gathered.by_type.setdefault(found.entry.type, []).append(found)
    return gathered
