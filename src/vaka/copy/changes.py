"""Whose record has changed, told to all that read it: a number for each of 65,536 groups of patients, in shared memory.

Invariants
- One process writes: the follower, after the commit that changed something, and before the board says that it is applied. So an
  answer that was made after its patient's numbers were read holds as long as they stand.
- A patient's number rises with each commit that touches that patient; what touches more than can be named raises the number of
  all. So does each start of a follower: one that was killed may have committed and not told.
- The writer has all of the file's room before it maps it: a write into a map that a full disk has no room for is a SIGBUS.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final, TypeAlias

_GROUPS: Final = 1 << 16
_ALL: Final = _GROUPS
_SIZE_BYTES: Final = (_GROUPS + 1) * 8
Stamp: TypeAlias = tuple[int, int]
"""(number of all, number of the patient's group)."""


class Changes:
    """The numbers in the file ``path``, which is made where it is missing. ``reads``: of who only reads them. OSError where who
    writes them has no room."""

    def __init__(self, path: Path, *, reads: bool = False) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(descriptor).st_size < _SIZE_BYTES:
                os.ftruncate(descriptor, _SIZE_BYTES)
            if not reads:
                os.posix_fallocate(descriptor, 0, _SIZE_BYTES)
            self._map = mmap.mmap(descriptor, _SIZE_BYTES)
        finally:
            os.close(descriptor)
        self._numbers = memoryview(self._map).cast("Q")

    def stamp(self, patient: int) -> Stamp:
        """What stands for this patient (by key) now."""
        return self._numbers[_ALL], self._numbers[patient & (_GROUPS - 1)]

    def tell(self, patients: Iterable[int | None]) -> None:
        """Something of these patients was committed; None: of who knows whom."""
        groups = {_ALL if one is None else one & (_GROUPS - 1) for one in patients}
        for group in groups:
            self._numbers[group] += 1

    def close(self) -> None:
        self._numbers.release()
        self._map.close()
