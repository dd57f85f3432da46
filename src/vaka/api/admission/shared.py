"""What the workers of one place tell each other: a small file that all of them map, one slot for each.

Invariants: a slot has one writer, who holds its lock; its fields are 8 bytes each and aligned, so none is ever read half written;
a slot whose worker has not written for a second counts for nothing, so a killed one takes no place from the others. Numbers may
be some milliseconds old, and of different moments: they are for deciding who waits, not for keeping accounts.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from vaka import config
from vaka.api.admission.classes import Class
from vaka.api.admission.door import CLASSES, Door, Others, T
from vaka.api.admission.ladder import Step
from vaka.errors import Setup

_MAGIC: Final = 0x31_41_4B_41_56  # "VAKA1", little-endian
_FIELD_BYTES: Final = 8
_HEAD: Final = 8  # fields
_BY_CLASS: Final = ("done", "within", "shed", "queued", "waiting")
_ALONE: Final = ("beat_ns", "pid", "limit", "total", "urgent_waits", "step", "lag_us")
_SLOT: Final = -(-(len(_ALONE) + len(_BY_CLASS) * CLASSES) // 8) * 8  # whole cache lines
_SIZE: Final = (_HEAD + config.ADMISSION_WORKERS_MAX * _SLOT) * _FIELD_BYTES


@dataclass(frozen=True, slots=True)
class Slot:
    """What one worker last told. ``limit``: of its places; by class: ``done`` answered, ``within`` under way, ``shed`` refused,
    ``queued`` had to wait, ``waiting`` do now."""

    pid: int
    limit: int
    total: int
    urgent_waits: bool
    step: Step
    lag_us: int
    by_class: dict[str, tuple[int, ...]]


def told(slots: Sequence[Slot]) -> dict[str, Any]:
    """The numbers of all workers together, by the names of the classes, for `vaka status`."""
    return {
        "workers": len(slots),
        "step": max((slot.step for slot in slots), default=Step.FULL).name.lower(),
        "limit": sum(slot.limit for slot in slots),
        "lag_ms": max((slot.lag_us for slot in slots), default=0) / 1_000,
        "classes": {
            class_.name.lower(): {name: sum(slot.by_class[name][class_] for slot in slots) for name in _BY_CLASS}
            for class_ in Class
        },
    }


class Shared:
    """The file, open in one worker. Make it with ``Shared.open``."""

    def __init__(self, descriptor: int, memory: mmap.mmap, slot: int | None) -> None:
        self._descriptor, self._memory, self._slot = descriptor, memory, slot
        self._fields = memoryview(memory).cast("q")

    @classmethod
    def open(cls, path: Path) -> Shared:
        """With the first slot that nobody holds. Setup where there is none."""
        descriptor = _open(path)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX, 1, _SIZE)  # one at a time; past the end: the lock of no slot
            if os.fstat(descriptor).st_size != _SIZE:
                os.ftruncate(descriptor, _SIZE)
            os.posix_fallocate(descriptor, 0, _SIZE)  # the map's own room: without it a full disk would be a SIGBUS
            shared = cls(descriptor, mmap.mmap(descriptor, _SIZE), _free(descriptor))
            fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, _SIZE)
        except BaseException:
            os.close(descriptor)
            raise
        shared._fields[0] = _MAGIC
        shared._clear()
        return shared

    @classmethod
    def look(cls, path: Path) -> list[Slot]:
        """What the workers say, for who only wants to know; empty where none runs."""
        try:
            content = path.read_bytes()
        except OSError:
            return []
        if len(content) != _SIZE:
            return []
        fields = memoryview(content).cast("q")
        return [] if fields[0] != _MAGIC else [_slot(fields, at) for at in _fresh(fields, None)]

    def tell(self, door: Door[T]) -> None:
        """Writes this worker's slot."""
        assert self._slot is not None
        at, fields = _HEAD + self._slot * _SLOT, self._fields
        values: list[int] = [
            os.getpid(), int(door.gradient.limit), door.total, int(door.urgent_waits), int(door.own_step),
            int(min(door.lag_s, 1e6) * 1_000_000), *door.done, *door.within, *door.shed, *door.queued,
            *map(len, door.queues),
        ]  # fmt: skip
        for number, value in enumerate(values, start=at + 1):
            fields[number] = value
        fields[at] = time.monotonic_ns()

    def others(self) -> Others:
        """The other workers, all together."""
        fields = self._fields
        limit = total = waits = step = 0
        within = [0] * CLASSES
        for at in _fresh(fields, self._slot):
            limit += fields[at + 2]
            total += fields[at + 3]
            waits |= fields[at + 4]
            step = max(step, fields[at + 5])
            first = at + len(_ALONE) + CLASSES
            for class_ in range(CLASSES):
                within[class_] += fields[first + class_]
        return Others(float(limit), total, within, bool(waits), Step(step)) if limit else _NONE

    def close(self) -> None:
        self._clear()
        self._fields.release()
        self._memory.close()
        os.close(self._descriptor)  # and with it the lock

    def _clear(self) -> None:
        assert self._slot is not None
        at = _HEAD + self._slot * _SLOT
        for number in range(at, at + _SLOT):
            self._fields[number] = 0


_NONE: Final = Others()


def _open(path: Path) -> int:
    """The file. One of another release is left to the workers that have it: shortened under them, it would kill them."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if os.fstat(descriptor).st_size in (0, _SIZE):
            return descriptor
        os.close(descriptor)
        path.unlink(missing_ok=True)


def _free(descriptor: int) -> int:
    for number in range(config.ADMISSION_WORKERS_MAX):
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
        except OSError:
            continue
        return number
    raise Setup(
        f"{config.ADMISSION_WORKERS_MAX} workers run here already", help="start fewer with --workers, or another copy"
    )


def _fresh(fields: Sequence[int], own: int | None) -> Iterator[int]:
    """Where the slots begin of the workers that live, but our own."""
    oldest = time.monotonic_ns() - int(config.ADMISSION_FRESH_S * 1e9)
    for number in range(config.ADMISSION_WORKERS_MAX):
        at = _HEAD + number * _SLOT
        if number != own and fields[at] > oldest:
            yield at


def _slot(fields: Sequence[int], at: int) -> Slot:
    first = at + len(_ALONE)
    by_class = {
        name: tuple(fields[first + n * CLASSES : first + (n + 1) * CLASSES]) for n, name in enumerate(_BY_CLASS)
    }
    _, pid, limit, total, waits, step, lag_us = fields[at : at + len(_ALONE)]
    return Slot(pid, limit, total, bool(waits), Step(step), lag_us, by_class)
