"""Accesses drawn for review, each with its form, and what was found before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Access:
    """``signs``: why it was drawn, in words; ``patients``: references with a name for each."""

    event: str
    drawn: str
    signs: tuple[str, ...]
    when: str
    who: str
    place: str
    what: str
    patients: tuple[tuple[str, str], ...]
    more_patients: int
    reason: str


@dataclass(frozen=True, slots=True)
class Found:
    when: str
    event: str
    drawn: str
    reviewer: str
    verdict: str
    comment: str


@dataclass(frozen=True, slots=True)
class LogReviewPage:
    """``csrf``: empty for a program, which needs none."""

    template: ClassVar[str] = "log_review.html"
    suspicious: bool
    count: int
    most: int
    accesses: tuple[Access, ...]
    found: tuple[Found, ...]
    saved: bool
    csrf: str
