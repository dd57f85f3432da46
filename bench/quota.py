"""Holds a process down to a part of a core, by the kernel's own means (cgroup cpu quota, version 1 or 2; needs root).

The period is 10 ms: with the usual 100 ms a process would stand still for longer than what is measured here.
"""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from vaka.errors import Setup

_PERIOD_US: Final = 10_000
_TRIES: Final = 40
_ROOT: Final = Path("/sys/fs/cgroup")


@contextmanager
def held_down(pid: int, part: float) -> Iterator[None]:
    """The process ``pid`` and its threads get ``part`` of one core. Setup where this machine does not allow it."""
    quota_us = max(1_000, int(_PERIOD_US * part))
    old = (_ROOT / "cpu" / "cpu.cfs_quota_us").exists()
    above = _ROOT / "cpu" if old else _ROOT
    group = above / f"vaka-bench-{pid}"
    try:
        if not old:
            (above / "cgroup.subtree_control").write_text("+cpu")
        group.mkdir()
        try:
            if old:
                (group / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
                (group / "cpu.cfs_quota_us").write_text(str(quota_us))
            else:
                (group / "cpu.max").write_text(f"{quota_us} {_PERIOD_US}")
            (group / "cgroup.procs").write_text(str(pid))
        except OSError:
            group.rmdir()
            raise
    except OSError as error:
        raise Setup(
            f"this machine does not let a process be held down ({error.strerror})",
            help="run as root where /sys/fs/cgroup can be written",
        ) from error
    try:
        yield
    finally:
        (above / "cgroup.procs").write_text(str(pid))
        _remove(group)


def _remove(group: Path) -> None:
    """Once the kernel has let go of who was in it, which takes it a moment."""
    for _ in range(_TRIES):
        try:
            group.rmdir()
            return
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            time.sleep(0.05)
    print(f"{group} is left: it is still in use", file=sys.stderr)
