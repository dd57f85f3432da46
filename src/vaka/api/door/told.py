"""How this copy stands, as its board tells (``copy.board``): the follower writes it, this process maps it.

Invariant: before there is a board, or after one of an earlier boot, nothing is known, and nothing is said to be fresh.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from vaka import config
from vaka.copy.age import cannot_know
from vaka.copy.board import Board, Field, Journal, boottime_ns
from vaka.errors import Fault
from vaka.store.cursor import Cursor
from vaka.store.through import now_us

_LOOK_S: Final = 0.5
_CLOCKS_AGREE_US: Final = 1_000_000
_NEVER: Final = float("inf")
_SHOWS_MAX_S: Final = 5.0
_TRIES_MAX_S: Final = config.DOOR_AWAY_S + 2 * config.COPY_DISK_RETRY_S


class Told:
    """The board of the copy at ``path``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._board: Board | None = None
        self._looked = -_LOOK_S
        self.foreign = 0  # the number of a seed that is of another release, and cannot be read here

    @property
    def board(self) -> Board | None:
        """None before it was made, since this boot."""
        if self._board is None and time.monotonic() - self._looked >= _LOOK_S:
            self._looked = time.monotonic()
            try:
                found = Board(self._path)
            except (FileNotFoundError, Fault):
                return None
            if found.of_this_boot:
                self._board = found
            else:
                found.close()
        return self._board

    def _field(self, field: Field) -> int:
        return self.board[field] if self.board is not None else 0

    @property
    def seed(self) -> int:
        """The seed in use; 0 before the first."""
        return self._field(Field.SEED)

    @property
    def readable(self) -> bool:
        return self.seed > 0 and self.seed != self.foreign and not self._field(Field.DAMAGED)

    @property
    def peers_away(self) -> bool:
        """Whether a copy that takes entries is out of reach (S10)."""
        return bool(self._field(Field.PEERS_AWAY))

    @property
    def missing_since_us(self) -> int | None:
        """Since when entries of this copy and of others may be missing in the record, as the follower shows none (S10): by this
        machine's clock; 0: it has not begun. None: it shows them."""
        beat = self._field(Field.RESERVE_NS)
        silent_ns = boottime_ns() - beat
        if silent_ns <= _SHOWS_MAX_S * 1e9:
            return None
        return now_us() - silent_ns // 1_000 if beat else 0

    @property
    def applied(self) -> Cursor:
        if self.board is None:
            return Cursor(0, 0, 0)
        return Cursor(*self.board.read(Field.EPOCH, Field.XID, Field.SEQ))

    def reached(self, place: Cursor) -> bool:
        """An older stretch of history than the one that is applied here is over: what of it is missing, no wait brings back."""
        if self.board is None:
            return False
        return self.applied >= place

    @property
    def as_of_us(self) -> int:
        return self._field(Field.HORIZON_US)

    @property
    def age_s(self) -> float:
        heard = self._field(Field.HEARD_NS)
        return max(boottime_ns() - heard, 0) / 1e9 if heard else _NEVER

    @property
    def offset_ms(self) -> int | None:
        """How far this machine's clock is ahead of the journal's (S6), by the last that was heard of it and a clock that never
        jumps; 0 within a second, as exactly as that is known; None before it was heard."""
        if self.board is None:
            return None
        clock_us, at_ns = self.board.read(Field.CLOCK_US, Field.CLOCK_NS)
        if not clock_us:
            return None
        ahead_us = now_us() - clock_us - (boottime_ns() - at_ns) // 1_000
        return ahead_us // 1_000 if abs(ahead_us) >= _CLOCKS_AGREE_US else 0

    @property
    def aged(self) -> bool:
        """Whether it cannot be known here what patients have blocked and consented to (A8, S20)."""
        if self.board is None:
            return True
        whole, distrust = self.board.read(Field.WHOLE, Field.DISTRUSTING)
        return cannot_know(self.age_s, whole=bool(whole), trusted=not distrust)

    @property
    def heard(self) -> bool:
        """Marks and heartbeats are the quickest sign, though they be old: a copy that lags hears its journal. While they cannot
        tell (catching up; held by a person, or by the brake) the follower's own word counts; without room to apply, as long as it
        goes on trying: where the disk is full, one that has died may not come back."""
        if self.board is None:
            return False
        whole, held = self.board[Field.WHOLE], self.board[Field.FROZEN] or self.board[Field.BRAKED]
        if self.disk_full and boottime_ns() - self.board[Field.FOLLOWER_NS] > _TRIES_MAX_S * 1e9:
            return False
        if whole and not held and not self.disk_full:
            return boottime_ns() - self.board[Field.SIGN_NS] <= config.DOOR_AWAY_S * 1e9
        return self.board[Field.JOURNAL] == Journal.HEARD

    @property
    def patients(self) -> int:
        """Of a copy of some units: how many of their patients are held whole."""
        return self._field(Field.PATIENTS)

    @property
    def taking(self) -> int:
        """Of how many something is being fetched."""
        return self._field(Field.TAKING)

    @property
    def frozen(self) -> bool:
        return bool(self._field(Field.FROZEN))

    @property
    def disk_full(self) -> bool:
        return bool(self._field(Field.DISK_FULL))

    @property
    def reserving(self) -> bool:
        return bool(self._field(Field.FORCED_AWAY))

    @property
    def refused(self) -> int:
        return self._field(Field.RESERVE_REFUSED)
