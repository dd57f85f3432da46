"""What the pages of an opened ward snapshot show: its first page, and a print under way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class WardPage:
    """``list``: the address of the unit's lists; times in words; ``patients``: who is here or comes."""

    template: ClassVar[str] = "ward.html"
    csrf: str
    unit: str
    list: str
    as_of: str
    until: str
    patients: int


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
