"""The brake: a bad mass change does not reach a copy in 250 ms (S30). Pure.

Deletions and changes are counted by the minute of the journal's own time in which they were made, so that a copy that was away
does not brake on what is ordinary. A named source (a load that the region has announced) is not counted. Creations are not: they
hide nothing. Who lets it go is a person (``copy.hold``); until then the copy serves what it has.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from vaka import config
from vaka.copy.lines import Line, Version
from vaka.store.version import Action


@dataclass(frozen=True, slots=True)
class Limits:
    """More than this within ``window_s`` brakes. ``exempt``: sources of owners that are not counted."""

    deletes: int = config.COPY_BRAKE_DELETES
    updates: int = config.COPY_BRAKE_UPDATES
    window_s: int = config.COPY_BRAKE_WINDOW_S
    exempt: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Counted:
    """(deletions, changes) by the number of their window, the newest few."""

    windows: dict[int, tuple[int, int]] = field(default_factory=dict)


_WINDOWS_KEPT = 64


def count(counted: Counted, lines: Iterable[Line], limits: Limits) -> tuple[Counted, str | None]:
    """What was counted together with ``lines``, and why to brake before them; None: go on."""
    windows = dict(counted.windows)
    touched: set[int] = set()
    for line in lines:
        if not isinstance(line, Version) or line.owner.source in limits.exempt or line.action is Action.CREATE:
            continue
        number = line.updated_us // (limits.window_s * 1_000_000)
        deletes, updates = windows.get(number, (0, 0))
        windows[number] = (deletes, updates + 1) if line.action is Action.UPDATE else (deletes + 1, updates)
        touched.add(number)
    for number in sorted(touched):
        deletes, updates = windows[number]
        if deletes > limits.deletes:
            return counted, f"{deletes} deletions within {limits.window_s} s"
        if updates > limits.updates:
            return counted, f"{updates} changes within {limits.window_s} s"
    newest = sorted(windows)[-_WINDOWS_KEPT:]
    return Counted({number: windows[number] for number in newest}), None
