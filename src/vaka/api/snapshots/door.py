"""The door of an opened ward snapshot: its answers come from the file alone, for as long as it may be used.

Invariants: before each answer that shows anything the expiry, the clock and the revocation are asked (``copy.snapshot.about``);
nothing is passed on and nothing of the record is written; what is not here is said to be not here, alike for what is hidden.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final, cast

import apsw

from vaka import log
from vaka.api.door.door import Door
from vaka.api.http import Freshness, Request, Response
from vaka.api.http1 import Exchange
from vaka.copy.age import cannot_know
from vaka.copy.listed import unit_of
from vaka.copy.own import Own
from vaka.copy.snapshot.about import About, about_of, require_usable
from vaka.copy.snapshot.place import REVOKED, Clock, Source
from vaka.copy.store import CopyStore
from vaka.errors import Gone, NotAllowed, NotFound, OnlyJournal, Unavailable
from vaka.store.cursor import Cursor
from vaka.store.version import instant
from vaka.texts import N_

if TYPE_CHECKING:
    from vaka.api.door.standing import Standing as OfCopy
    from vaka.api.server import Server

Here = Callable[[Request], Awaitable[Response]]
_OPEN: Final = frozenset({"health", "ready", "static"})
_READ: Final = frozenset({"", "login", "assignment", "sheet", "unit", "print", "open"})
_DONE: Final = frozenset({"", "login", "assignment", "logout", "print", "open"})
NOT_HERE: Final = N_("this is not in the ward snapshot")
PAPER: Final = N_("what is not here is asked by telephone, and written on the printed forms")


class Standing:
    """How the snapshot stands, as ``api.door.standing`` tells of a copy."""

    def __init__(self, store: CopyStore, source: Source, own: Own, clock: Clock) -> None:
        self._store, self._source, self._own, self._clock = store, source, own, clock
        self._about: tuple[int, About] | None = None
        self._revoked_us = own.seen().get(REVOKED)

    def about(self) -> About:
        """Of the file that is here now. Unavailable where it cannot be read."""
        number = self._source.seed()
        if self._about is None or self._about[0] != number:
            with self._store.readers.trusted():
                found = about_of(self._store.readers.here().connection)
            self._clock.notice(found)
            self._about = (number, found)
            log.info("snapshot opened", snapshot=found.id, unit=found.unit, expires_us=found.expires_us)
        return self._about[1]

    def require_usable(self) -> About:
        """Over, where it may not be used now; Unavailable where it cannot be read."""
        if self._source.broken and self._source.broken == self._source.seed():
            raise Unavailable(
                "the ward snapshot is damaged", help="it is fetched anew as soon as a copy can be reached"
            )
        about = self.about()
        require_usable(about, *self._clock.read(), self._revoked_us)
        return about

    def has(self, path: Sequence[str]) -> bool:
        """Whether what is at an address is here as a whole: another unit's lists would be empty, and empty reads as none (S3)."""
        if path[0] == "unit":
            with self._store.readers.trusted():
                return len(path) == 2 and unit_of(self._store.readers.here(), path[1][:200]) == self.about().unit
        return True

    def look(self) -> None:
        """What another process has kept meanwhile: a revocation; and the time that was seen goes to disk."""
        self._revoked_us = self._own.seen().get(REVOKED)
        self._clock.keep()

    @property
    def readable(self) -> bool:
        try:
            self.require_usable()
        except (Gone, Unavailable, apsw.Error):
            return False
        return True

    @property
    def applied(self) -> Cursor:
        return Cursor(0, 0, 0)

    def reached(self, place: Cursor) -> bool:
        return True

    @property
    def as_of_us(self) -> int:
        return self.about().as_of_us

    @property
    def age_s(self) -> float:
        return max(0, max(self._clock.read()) - self.as_of_us) / 1_000_000

    @property
    def aged(self) -> bool:
        """Whether blocks and consents are too old to be known (A8, S20): a copy may have made it in a long stop."""
        return cannot_know(self.age_s, whole=True, trusted=True)

    heard = False
    offset_ms = None
    frozen = True
    disk_full = False
    refused = 0
    seed = 0
    reserving = False
    peers_away = False

    if TYPE_CHECKING:

        def _tells_all(self) -> OfCopy:
            return self


class SnapshotDoor:
    """The door of one process."""

    lags = False

    def __init__(self, standing: Standing) -> None:
        self.standing = standing
        self.passing = _Nowhere()
        self.reserve = None
        self.held = None

    async def answer(self, server: Server, request: Request, exchange: Exchange, here: Here) -> Response:
        """Answers a request from the file. Over, Unavailable, NotFound, NotAllowed."""
        first = request.path[0]
        if first in _OPEN:
            return await here(request)
        self.standing.require_usable()
        if first not in _READ | _DONE or not self.standing.has(request.path):
            raise NotFound(NOT_HERE, help=PAPER)
        if request.method not in ("GET", "HEAD") and first not in _DONE:
            raise NotAllowed(N_("nothing is written in a ward snapshot"), help=PAPER)
        request.freshness = Freshness(self.standing.as_of_us, self.standing.age_s, True, False)
        try:
            return await here(request)
        except OnlyJournal as only:
            raise NotFound(NOT_HERE, help=PAPER) from only

    def marks(self, fresh: Freshness | None) -> list[tuple[str, str]]:
        """As ``Door.marks``. ``fresh``: None where nothing of the file is shown, which then may not be used, or not be read."""
        answered = ("vaka-answered-by", "snapshot")
        if fresh is None:
            return [answered]
        return [
            answered,
            ("vaka-as-of", instant(fresh.as_of_us)),
            ("vaka-expires", instant(self.standing.about().expires_us)),
        ]

    def as_door(self) -> Door:
        """For what takes a door: this one answers what is asked of one."""
        return cast("Door", self)


class _Nowhere:
    def reaches(self, standing: Standing) -> bool:
        return False

    async def look(self, standing: Standing) -> None:
        """There is nobody to look for."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        """There is nothing to close."""
