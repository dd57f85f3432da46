"""What the processes of a copy tell each other at once: numbers in a file of 4 kB that all of them map.

Invariants
- Each field is one aligned 8-byte integer with one writer; a field alone is read and written whole.
- Several fields that belong together are written between two steps of their writer's ``SEQUENCE``; ``read`` gives them from
  one moment.
- Times are CLOCK_BOOTTIME in ns: they only go forward, through sleep too. A board of before the last boot says
  nothing: it is cleared.
"""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Mapping
from enum import IntEnum
from pathlib import Path
from typing import Final

from vaka.errors import Fault

SIZE_BYTES: Final = 4096
_MAGIC: Final = 0x56414B4142440001
_TORN_MAX_S: Final = 0.1
_TORN_WAIT_S: Final = 0.00005


class Field(IntEnum):
    """Where each number stands. The follower writes those before RESERVE_WAITING and FROZEN to PRIVATE_US."""

    MAGIC = 0
    BOOT = 1  # which boot of the machine the times are of
    SEQUENCE = 2  # odd while the follower is writing
    HEARD_NS = 3  # all that was committed before it is here (Answer.known_ns); 0: not known since this boot
    EPOCH = 4
    XID = 5
    SEQ = 6
    HORIZON_US = 7  # the journal's clock at the last mark that is applied here
    WHOLE = 8  # 1: all below that mark is here; 0: catching up
    JOURNAL = 9  # Journal
    SEED = 10
    FROZEN = 11
    BRAKED = 12
    DISTRUSTING = 13  # Distrust
    DISK_FULL = 14
    ASIDE = 15  # resources set aside
    RESERVE_WAITING = 16
    PEERS_AWAY = 17
    FORCED_AWAY = 18
    FOLLOWER_NS = 19  # the follower's last round; without room to apply, its end too
    FOLLOWER_PID = 20
    PRIVATE_NS = 21  # the private feed was heard
    RESERVE_REFUSED = 22
    DAMAGED = 23  # the number of a seed that was found damaged, by the follower or a reader
    HORIZON_XID = 24  # no version with a transaction before it is missing here
    LOST = 25  # versions that the journal lost, and that are not in the reserve yet
    SIGN_NS = 26  # when the last mark or heartbeat came in, however long it was on its way
    PATIENTS = 27  # of a copy that holds some units': how many are whole here
    TAKING = 28  # and of how many something is being fetched
    CLOCK_US = 29  # the journal's clock, at CLOCK_NS (together); 0: not known since this boot
    CLOCK_NS = 30
    RESERVE_NS = (
        31  # the follower's last round beside the reserve: what is entered comes into the record while it goes on
    )
    COUNTERS = 64  # COUNTERS to COUNTERS + 255: admission


COUNTERS: Final = 256


class Journal(IntEnum):
    """What is known of the journal."""

    UNKNOWN = 0
    HEARD = 1
    AWAY = 2


class Distrust(IntEnum):
    """Why the journal's history is not taken for ours."""

    NONE = 0
    HISTORY = 1  # it does not hold what we hold
    EPOCH = 2  # a new epoch, not compared yet


def boottime_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def _boot() -> int:
    """A number of this boot, from its id."""
    return int(Path("/proc/sys/kernel/random/boot_id").read_text().replace("-", "")[:15], 16)


class Board:
    """A mapped board. ``make``: the follower's, which makes the file."""

    def __init__(self, path: Path, *, make: bool = False) -> None:
        flags = os.O_RDWR | (os.O_CREAT if make else 0)
        descriptor = os.open(path, flags, 0o600)
        try:
            if os.fstat(descriptor).st_size < SIZE_BYTES:
                if not make:
                    raise Fault(f"{path} is no board")
                os.posix_fallocate(
                    descriptor, 0, SIZE_BYTES
                )  # the map's own room: without it a full disk would be a SIGBUS
            self._map = mmap.mmap(descriptor, SIZE_BYTES)
        finally:
            os.close(descriptor)
        self._fields = memoryview(self._map).cast("q")
        boot = _boot()
        if self._fields[Field.MAGIC] != _MAGIC or self._fields[Field.BOOT] != boot:
            if make:
                for number in range(SIZE_BYTES // 8):
                    self._fields[number] = 0
                self._fields[Field.BOOT] = boot
                self._fields[Field.MAGIC] = _MAGIC
        elif make and self._fields[Field.SEQUENCE] % 2:
            self._fields[Field.SEQUENCE] += 1  # the follower before us was killed while it wrote

    @property
    def of_this_boot(self) -> bool:
        return self._fields[Field.BOOT] == _boot()

    def close(self) -> None:
        self._fields.release()
        self._map.close()

    def __getitem__(self, field: int) -> int:
        return self._fields[field]

    def __setitem__(self, field: int, value: int) -> None:
        self._fields[field] = value

    def write(self, values: Mapping[Field, int]) -> None:
        """The follower's fields that belong together."""
        self._fields[Field.SEQUENCE] += 1
        try:
            for field, value in values.items():
                self._fields[field] = value
        finally:
            self._fields[Field.SEQUENCE] += 1

    def read(self, *fields: Field) -> tuple[int, ...]:
        """These fields as they were at one moment; where the follower was killed while it wrote, as they stand."""
        until = time.monotonic() + _TORN_MAX_S
        while True:
            before = self._fields[Field.SEQUENCE]
            found = tuple(self._fields[field] for field in fields)
            if before % 2 == 0 and self._fields[Field.SEQUENCE] == before:
                return found
            if time.monotonic() > until:
                return found
            time.sleep(_TORN_WAIT_S)

    def age_s(self) -> float | None:
        """How old the copy's knowledge is: since the journal was last heard. None: not since this machine has started."""
        heard = self._fields[Field.HEARD_NS]
        if not heard or not self.of_this_boot:
            return None
        return max(boottime_ns() - heard, 0) / 1e9
