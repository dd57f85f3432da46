"""One line a request, JSON, in ``DIR/log/requests.log``: who, what address, status, time. Never what was searched for.

Lines are gathered and written a few times a second: a line costs microseconds, and a disk that is full or slow stops
no request (the access log that the law asks for is another thing, and durable). Rotated by size.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Final

import orjson

from vaka import log

_FLUSH_S: Final = 0.25
_PATH_MAX_CHARS: Final = 200


def line_of(method: str, path: str, status: int, who: str) -> bytes:
    """What of a request's line does not depend on when it is answered."""
    return orjson.dumps({"method": method, "path": path[:_PATH_MAX_CHARS], "status": status, "who": who})[1:-1]


class RequestLog:
    """The request log of this process. ``path`` None: requests are not logged."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lines: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self._failed = False

    def note(self, line: bytes, began: float) -> None:
        """``line``: of ``line_of``; ``began``: when the request began, by time.perf_counter()."""
        if self._path is None:
            return
        self._lines.append(b'{"time":%.3f,%b,"ms":%.2f}\n' % (time.time(), line, (time.perf_counter() - began) * 1_000))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH_S, self.flush)

    def flush(self) -> None:
        """Writes what was gathered. A log that cannot be written is said once, and stops nothing."""
        self._timer = None
        lines, self._lines = self._lines, []
        if self._path is None or not lines:
            return
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(descriptor, b"".join(lines))
                size = os.fstat(descriptor).st_size
            finally:
                os.close(descriptor)
            if size > log.FILE_MAX_BYTES:
                for number in range(log.FILES_KEPT - 1, 0, -1):
                    older = self._path.with_suffix(f".log.{number}")
                    if older.exists():
                        older.replace(self._path.with_suffix(f".log.{number + 1}"))
                self._path.replace(self._path.with_suffix(".log.1"))
            self._failed = False
        except OSError as error:
            if not self._failed:
                log.warning("request log cannot be written", errno=error.errno)
            self._failed = True
