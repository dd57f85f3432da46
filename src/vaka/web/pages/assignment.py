"""What the page to choose an assignment shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Choice:
    id: str
    unit: str
    provider: str
    title: str
    purpose: str
    current: bool
    rights: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AssignmentPage:
    """``waiting``: a login that is not done before something is chosen."""

    template: ClassVar[str] = "assignment.html"
    csrf: str
    waiting: bool
    name: str
    choices: tuple[Choice, ...]
