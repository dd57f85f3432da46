"""What the page of reserve numbers shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vaka.web.pages.who import Who


@dataclass(frozen=True, slots=True)
class Given:
    """A number that was given here. ``visit``: of a visit; ``at``: in words; ``known``: what it rests on; ``of``: whose it is in
    the record by now; ``candidates``: who else it may be."""

    value: str
    visit: bool
    at: str
    known: str
    of: tuple[Who, ...]
    candidates: tuple[Who, ...]


@dataclass(frozen=True, slots=True)
class Typed:
    """What was typed, which is never lost (S19)."""

    name: str = ""
    born: str = ""
    number: str = ""
    described: str = ""
    unknown: bool = False
    visitor: str = ""


@dataclass(frozen=True, slots=True)
class NumbersPage:
    """``problem``: why nothing was given; ``key``: what makes sending twice one; ``shown``: ids of the ``candidates`` who are
    shown now, None where nobody has looked; ``visitor``: whose visit is to get a number; ``number``: what was given; ``units``:
    among whose patients alone was looked, empty: all; ``given``: the last ones, to anybody (``all``) or to who asks."""

    template: ClassVar[str] = "numbers.html"
    csrf: str
    key: str
    typed: Typed
    problem: str
    candidates: tuple[Who, ...]
    shown: str | None
    visitor: Who | None
    number: Given | None
    units: tuple[str, ...]
    given: tuple[Given, ...]
    all: bool
