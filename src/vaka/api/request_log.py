"""One line a request, JSON, in ``DIR/log/requests.log``: who, what address, status, time. Never what was searched for.

On a copy, which stands where its disk may be stolen, what in an address is no word of ours, and persons, stand as *marks*: the
same for the same as long as the copy's key is, and nothing to whoever has the disk alone. A resource can have any id, a
personal number too.

Lines are gathered and written a few times a second: a line costs microseconds, and a disk that is full or slow stops
no request (the access log that the law asks for is another thing, and durable). Rotated by size.
"""

from __future__ import annotations

import asyncio
import os
import time
from hashlib import blake2b
from pathlib import Path
from typing import Final

import orjson

from vaka import log
from vaka.fhir.definitions import RESOURCE_TYPES

_FLUSH_S: Final = 0.25
_PATH_MAX_CHARS: Final = 200
_MARK_BYTES: Final = 6
PERSON: Final = "person:"
_OURS: Final = (
    " .well-known _history _search assignment auth callback carried carry challenge code content demo drafts enrol feed fhir"
    " finish form health hold hours idempotency-key key log login logout metadata name notes number numbers open options own"
    " passkey passkeys passphrase patient peer print private ready reserve revoked seed service session sessions sheet sites"
    " smart-configuration snapshot standing static strength token unit units visit"
)
_WORDS: Final = frozenset(RESOURCE_TYPES) | frozenset(_OURS.split(" "))
"""What addresses are made of here, beside ids and names."""


class RequestLog:
    """The request log of this process. ``path`` None: requests are not logged; ``key``: of the marks, None: all is told."""

    def __init__(self, path: Path | None, key: bytes | None = None) -> None:
        self._path, self._key = path, key
        self._lines: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self._failed = False

    def line(self, method: str, path: str, status: int, who: str) -> bytes:
        """What of a request's line does not depend on when it is answered."""
        if self._key is not None and who.startswith(PERSON):
            who = PERSON + self._mark(who)
        told = {"method": method, "path": self.told(path)[:_PATH_MAX_CHARS], "status": status, "who": who}
        return orjson.dumps(told)[1:-1]

    def told(self, path: str) -> str:
        """An address as a log of this process may hold it."""
        if self._key is None:
            return path
        return "/".join([one if one in _WORDS or one[:1] == "$" else self._mark(one) for one in path.split("/")])

    def _mark(self, text: str) -> str:
        return "~" + blake2b(text.encode("utf-8", "replace"), key=self._key or b"", digest_size=_MARK_BYTES).hexdigest()

    def note(self, line: bytes, began: float) -> None:
        """``line``: of ``line``; ``began``: when the request began, by time.perf_counter()."""
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
