"""What the pages of an opened ward snapshot show: its first page, and a print under way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vaka.web.pages.who import Who


@dataclass(frozen=True, slots=True)
class Hit:
    """A patient who was found. ``listed``: here, coming, or empty; ``place``, ``at``: as the list says."""

    who: Who
    listed: str
    place: str
    at: str


@dataclass(frozen=True, slots=True)
class WardPage:
    """``list``: the address of the unit's lists; times in words; ``patients``: who is here or comes. ``asked``: what was looked
    for, None: nothing; ``hits``: who was found, ``more``: of more than these; ``same_name``: two of them have one name."""

    template: ClassVar[str] = "ward.html"
    csrf: str
    unit: str
    list: str
    as_of: str
    until: str
    patients: int
    asked: str | None = None
    hits: tuple[Hit, ...] = ()
    more: bool = False
    same_name: bool = False


@dataclass(frozen=True, slots=True)
class PrintPage:
    """``done``, ``of``: patients; ``parts``: the patients in each PDF that is ready; ``again``: the page asks again by itself."""

    template: ClassVar[str] = "print.html"
    id: str
    done: int
    of: int
    parts: tuple[int, ...]
    ready: bool
    failed: bool
