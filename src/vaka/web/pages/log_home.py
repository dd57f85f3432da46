"""Where the log's pages begin: whose extract, and the review."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class LogPage:
    """``csrf``: empty for a program, which needs none."""

    template: ClassVar[str] = "log_home.html"
    csrf: str
