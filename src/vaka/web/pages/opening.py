"""What the page shows on which withheld information is opened in a ward snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vaka.web.pages.who import Who


@dataclass(frozen=True, slots=True)
class OpenPage:
    """``choices``: (what, target, name) of whose information an active choice opens; ``emergency``: whether an emergency opening
    would show more; ``may``: whether the assignment includes one; ``hours``: how long it lasts;
    ``problem``, ``reason``, ``no_consent``: of a form that was sent."""

    template: ClassVar[str] = "open.html"
    csrf: str
    who: Who
    choices: tuple[tuple[str, str, str], ...]
    emergency: bool
    may: bool
    hours: int
    problem: str = ""
    reason: str = ""
    no_consent: str = ""
