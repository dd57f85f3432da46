"""What the checks of validation share: where they are, what they know of the resource around, and the findings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from vaka.config import ISSUES_MAX
from vaka.errors import Issue

Trail: TypeAlias = tuple[Any, str, int]
"""The way to an element: (the trail before, or None at the resource; the step; the index, or -1 where there is none).
Only turned into a path when there is something to tell."""


@dataclass(slots=True)
class Scope:
    """``contained``: id → type of the contained resources that ``#id`` may mean, of the nearest resource that is not
    contained itself; ``container`` its type. ``inside``: the element at hand stands in a contained resource."""

    issues: list[Issue] = field(default_factory=list)
    contained: dict[str, str] = field(default_factory=dict)
    container: str = ""
    inside: bool = False

    def fault(self, code: str, message: str, trail: Trail | None, step: str = "") -> None:
        if len(self.issues) < ISSUES_MAX:
            self.issues.append(Issue("error", code, message, path_of(trail) + (f".{step}" if step else "")))


def path_of(trail: Trail | None) -> str:
    """The FHIRPath of an element, for example ``Patient.contact[0].name``."""
    steps: list[str] = []
    while trail is not None:
        before, step, index = trail
        steps.append(step if index < 0 else f"{step}[{index}]")
        trail = before
    return ".".join(reversed(steps))


def shown(value: Any) -> str:
    """A value as a message quotes it: short."""
    text = value if isinstance(value, str) else str(value)
    return repr(text if len(text) <= 64 else text[:63] + "…")
