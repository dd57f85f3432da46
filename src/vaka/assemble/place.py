"""Where a Vaka stands: its folder, its ports, and what is left there of an earlier one."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Collection
from pathlib import Path
from typing import Final

from vaka import errors, process
from vaka.watch import status
from vaka.watch.directory import Directory

SURVIVOR_WAIT_S: Final = 5.0


def directory(path: str | Path) -> Directory:
    """DIR as given on the command line."""
    return Directory(Path(path).absolute())


def child(command: str, directory: Directory) -> list[str]:
    """One of our own commands, as a part runs it."""
    return [sys.executable, "-P", "-m", "vaka.cli", command, "--data", str(directory.path)]


def check_port(host: str, port: int, option: str = "--port") -> None:
    """Setup error where something else already listens there, before anything of ours has started."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as taken:
            raise errors.Setup(
                f"cannot listen at {host} port {port}: {taken.strerror}",
                help=f"stop what listens there, or give another port with {option}",
            ) from taken


def is_free(host: str, port: int) -> bool:
    """Whether nothing listens there."""
    try:
        check_port(host, port)
    except errors.Setup:
        return False
    return True


def free_port(host: str, *, after: int | None = None, taken: Collection[int] = ()) -> int:
    """A port that nothing listens at: the next one after ``after``, or any; none of ``taken``. Setup error where there is
    none."""
    if after is None:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.bind((host, 0))
            return int(probe.getsockname()[1])
    for port in range(after + 1, min(after + 1_000, 65_536)):
        if port not in taken and is_free(host, port):
            return port
    raise errors.Setup(f"no port after {after} is free at {host}", help="give another port with --port")


def end_survivors(directory: Directory, *, but: Collection[str] = ()) -> None:
    """End parts that outlived a killed supervisor: their death signal is on its way, this only makes sure."""
    left = [part for part in status.survivors(status.read(directory.status)) if part.name not in but]
    for number, wait_s in ((signal.SIGTERM, SURVIVOR_WAIT_S), (signal.SIGKILL, SURVIVOR_WAIT_S)):
        deadline = time.monotonic() + wait_s
        for part in left:
            try:
                os.killpg(part.pid or 0, number)
            except (ProcessLookupError, PermissionError):
                continue
        while left and time.monotonic() < deadline:
            left = [part for part in left if process.start_ticks(part.pid or 0) == part.start_ticks]
            time.sleep(0.01)
