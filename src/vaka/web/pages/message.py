"""A page that says one thing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class MessagePage:
    """``to``: where its only link leads; ``refresh``: the browser goes there by itself."""

    template: ClassVar[str] = "message.html"
    heading: str
    message: str
    help: str = ""
    to: str = "/"
    refresh: bool = False
