"""What is gathered from one resource while it is indexed. Rows get their edges only when all are there
(``fhir.extract``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias


class Found:
    """What one resource gives so far."""

    __slots__ = ("dates", "quantities", "strings", "tokens")

    def __init__(self) -> None:
        self.tokens: set[int] = set()
        self.dates: list[tuple[int, int, int]] = []
        self.quantities: list[tuple[int, int, int, float, float]] = []
        self.strings: list[tuple[int, str]] = []


Emit: TypeAlias = Callable[[Any, dict[str, Any], Found], None]
