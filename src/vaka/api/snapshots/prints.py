"""What is being printed from an opened ward snapshot: made beside the answers, kept in memory alone, for whoever asked for it.

Invariants: no page is ever on a disk; a print is its maker's session's alone, and is forgotten after a quarter of an hour; a part
is handed out with all the patients in it in the access log.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from vaka import config
from vaka.access.trail import Touched
from vaka.copy.snapshot.about import About
from vaka.errors import NotFound


@dataclass(slots=True)
class Part:
    """A PDF, and whose information stands in it."""

    pdf: bytes
    patients: int
    touched: tuple[Touched, ...]


@dataclass(slots=True)
class Print:
    """``done``, ``of``: patients; ``ready``: all parts are there; ``failed``: what went wrong, empty as long as nothing has."""

    id: str
    session: str
    of: int
    began_s: float = field(default_factory=time.monotonic)
    done: int = 0
    parts: list[Part] = field(default_factory=list)
    ready: bool = False
    failed: str = ""


class Prints:
    """Of one process. ``about``: of the snapshot that is open."""

    def __init__(self, about: Callable[[], About]) -> None:
        self.about = about
        self._kept: dict[str, Print] = {}

    def begin(self, session: str, patients: int) -> Print:
        """A new one; the person's older ones, and all that are old, go."""
        now = time.monotonic()
        for id_, one in list(self._kept.items()):
            if one.session == session or now - one.began_s > config.PRINT_KEPT_S:
                del self._kept[id_]
        while len(self._kept) >= config.PRINTS_KEPT:
            del self._kept[next(iter(self._kept))]
        made = Print(secrets.token_hex(16), session, patients)
        self._kept[made.id] = made
        return made

    def of(self, session: str, id_: str) -> Print:
        """NotFound unless it is this session's, and still kept."""
        found = self._kept.get(id_)
        if found is None or found.session != session or time.monotonic() - found.began_s > config.PRINT_KEPT_S:
            raise NotFound("there is no such page")
        return found

    def is_kept(self, one: Print) -> bool:
        return self._kept.get(one.id) is one
