"""What the pages of one's own login show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class SessionLine:
    """``began``, ``used``: day and clock time."""

    id: str
    unit: str
    title: str
    way: str
    source: str
    device: str
    began: str
    used: str
    here: bool


@dataclass(frozen=True, slots=True)
class SessionsPage:
    template: ClassVar[str] = "sessions.html"
    csrf: str
    sessions: tuple[SessionLine, ...]


@dataclass(frozen=True, slots=True)
class PassphrasePage:
    """``has``: the person has one that can be changed; ``least``, ``most``: characters."""

    template: ClassVar[str] = "passphrase.html"
    csrf: str
    person: str
    has: bool
    least: int
    most: int
    problem: str
