"""One question each 10 ms on one connection, from a process of its own that runs before all others of its core: how long a reader
is left without an answer.

The gap is the longest time between two answers; before it counts, one has come. Runs as ``python -m bench.probe PORT``, with the
request on its standard input, until that is closed.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Self

import orjson
from bench.load_client import take_answer

EVERY_S: Final = 0.01
TIMEOUT_S: Final = 5.0


@dataclass(slots=True)
class Seen:
    """What the probe has seen."""

    answers: int = 0
    gap_ms: float = 0.0
    failed: list[str] = field(default_factory=list)


class Probe:
    """Probes while the block runs; ``told`` afterwards."""

    def __init__(self, port: int, request: bytes) -> None:
        self._port, self._request = port, request
        self.told = Seen()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "bench.probe", str(self._port), str(len(self._request))]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # nosec B603  our own command
        assert self._process.stdin is not None
        self._process.stdin.write(self._request)
        self._process.stdin.flush()
        return self

    def __exit__(self, *error: object) -> None:
        assert self._process is not None
        told = self._process.communicate(timeout=30)[0]
        found = orjson.loads(told)
        self.told = Seen(found["answers"], found["gap_ms"], found["failed"])
        if not self.told.answers:
            raise RuntimeError("the probe was never answered")


def main(port: int, size: int) -> None:
    asked = sys.stdin.buffer.read(size)
    with suppress(OSError, PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(10))  # what is measured is the server, not who asks
    seen, last = Seen(), 0.0
    connection: socket.socket | None = None
    due = time.perf_counter()
    while not select.select([sys.stdin], [], [], max(0.0, due - time.perf_counter()))[0]:
        due = max(due + EVERY_S, time.perf_counter())
        try:
            if connection is None:
                connection = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
            status = answer_to(connection, asked)
            if status != 200:
                seen.failed.append(f"probe: {status}")
        except OSError as error:
            seen.failed.append(f"probe: {error!r}")
            connection = None
            continue
        now = time.perf_counter()
        seen.answers += 1
        if last:
            seen.gap_ms = max(seen.gap_ms, (now - last) * 1_000)
        last = now
    sys.stdout.buffer.write(orjson.dumps({"answers": seen.answers, "gap_ms": seen.gap_ms, "failed": seen.failed}))


def answer_to(connection: socket.socket, asked: bytes) -> int:
    """The status of the answer to ``asked``. OSError where there is none."""
    connection.sendall(asked)
    buffer = bytearray()
    while (status := take_answer(buffer)) is None:
        piece = connection.recv(65_536)
        if not piece:
            raise ConnectionResetError("closed")
        buffer += piece
    return status


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
