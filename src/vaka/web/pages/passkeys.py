"""What the page of one's passkeys shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class PasskeysPage:
    """``count``: how many the person has; ``fresh``: whether the login is recent enough to make another."""

    template: ClassVar[str] = "passkeys.html"
    csrf: str
    count: int
    fresh: bool
