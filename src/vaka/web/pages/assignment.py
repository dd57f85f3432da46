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


@dataclass(frozen=True, slots=True)
class AssignmentPage:
    template: ClassVar[str] = "assignment.html"
    csrf: str
    name: str
    choices: tuple[Choice, ...]
