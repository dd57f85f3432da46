"""One page of a search or history: where it begins, and what it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vaka.store.version import Version


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page begins. ``upper``: the newest sequence and the snapshot of the first page, None on it. ``values``: the
    last row's sort values (None: missing), ``created`` and ``rkey`` its ties."""

    upper: tuple[int, str] | None
    values: tuple[Any, ...] = ()
    created: int | None = None
    rkey: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """``aside``: how many versions could not be interpreted where this was searched for, that may belong here (S4)."""

    matches: tuple[Version, ...]
    next: Position | None
    total: int | None
    aside: int = 0


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Which versions: of one resource (type and id), a type, or all; older than ``before_seq``; made at ``since_us`` or later
    and before ``until_us``; ``at_us``: still current then, or made later."""

    type: str | None
    id: str | None
    before_seq: int
    since_us: int
    until_us: int
    at_us: int | None
    limit: int
