"""What the pages that set up passphrase and one-time code show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from markupsafe import Markup


@dataclass(frozen=True, slots=True)
class EnrolPage:
    template: ClassVar[str] = "enrol.html"
    csrf: str
    problem: str
    person: str


@dataclass(frozen=True, slots=True)
class SetUpPage:
    """``sealed``: what this page carries to the next step; ``secret``: to be typed into a code app; ``address``: the same for an
    app on this device; ``picture``: the same to be scanned, an ``svg`` element; ``least``, ``most``: characters of a
    passphrase."""

    template: ClassVar[str] = "set_up.html"
    csrf: str
    person: str
    sealed: str
    secret: str
    address: str
    picture: Markup
    least: int
    most: int
    problem: str
