"""What the first page after a login shows: who one is here, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class HomePage:
    """``began``, ``until``: clock times; ``rights``: as codes; ``passkeys``: how many the person has."""

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
