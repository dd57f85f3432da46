"""What a patient is told of who has had access to the record (L4): one line for what somebody did in one minute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Line:
    """``when``, ``place`` (unit and provider) and ``who`` are empty where they are part of a protected identity; ``times``: how
    often; ``emergency``: read without consent, in danger; ``reason``: in the words of who opened."""

    when: str
    place: str
    who: str
    what: str
    kinds: str
    times: int
    emergency: bool
    reason: str


@dataclass(frozen=True, slots=True)
class LogExtractPage:
    """``name`` and ``number``: the two identifiers that stand on every printed page (S7). ``since``: how far back it goes;
    ``as_of``: up to when; ``printed``: when it was made; ``cut``: there is more, which did not fit. ``pdf``: its address."""

    template: ClassVar[str] = "log_extract.html"
    name: str
    number: str
    protected: bool
    since: str
    as_of: str
    printed: str
    cut: bool
    lines: tuple[Line, ...]
    pdf: str
