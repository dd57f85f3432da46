"""What the first page after a login shows: who one is here, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class LastLogin:
    when: str
    way: str
    device: str
    source: str


@dataclass(frozen=True, slots=True)
class HomePage:
    """``began``, ``until``: clock times; ``rights``: in words; ``passkeys``, ``sessions``: how many the person has; ``last``: the
    newest login but this one; ``changes``: what happened to the person's ways in since; ``log``: may go to the access log;
    ``numbers``: reserve numbers are given here.
    ``sessions`` None: only the journal knows, and ``last`` and ``changes`` neither."""

    template: ClassVar[str] = "home.html"
    name: str
    person: str
    title: str
    unit: str
    provider: str
    purpose: str
    rights: tuple[str, ...]
    way: str
    began: str
    until: str
    passkeys: int
    sessions: int | None
    last: LastLogin | None
    changes: tuple[str, ...]
    log: bool
    numbers: bool
