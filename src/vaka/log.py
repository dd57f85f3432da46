"""Structured logging: one JSON object a line in a file, a readable line on a terminal.

Invariants: a line holds an event's name and fields that are ids, numbers and short words, never clinical text (callers
keep this; a long value is cut so that a mistake stays small); a log that cannot be written never stops the process, and what
a full disk has not taken is written before the next line.
"""

from __future__ import annotations

import logging
import logging.handlers
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import orjson

VALUE_MAX_CHARS: Final = 200
FILE_MAX_BYTES: Final = 32 * 1024 * 1024
FILES_KEPT: Final = 5
OWED_MAX_BYTES: Final = 1024 * 1024

Value = str | int | float | bool | None

_logger = logging.getLogger("vaka")


def _cut(value: object) -> Value:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = str(value)
    return text if len(text) <= VALUE_MAX_CHARS else text[:VALUE_MAX_CHARS] + "…"


class _Json(logging.Formatter):
    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Value] = getattr(record, "fields", {})
        line: dict[str, Value] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "role": self._role,
            "pid": record.process,
            "event": _cut(record.getMessage()),
            **{name: _cut(value) for name, value in fields.items()},
        }
        if record.exc_info:
            # The stack, not the message: an exception's text may quote what was sent.
            line["exception"] = record.exc_info[0].__name__ if record.exc_info[0] else None
            line["stack"] = _frames(record)
        return orjson.dumps(line).decode()


class _Readable(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Value] = getattr(record, "fields", {})
        told = " ".join(f"{name}={_cut(value)}" for name, value in fields.items())
        line = (
            f"{self.formatTime(record, '%H:%M:%S')} {record.levelname.lower():7} {record.getMessage()} {told}".rstrip()
        )
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class _File(logging.handlers.RotatingFileHandler):
    """Rotated by size. Lines that the disk does not take wait in memory, as far as OWED_MAX_BYTES allow."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=FILE_MAX_BYTES, backupCount=FILES_KEPT, encoding="utf-8", delay=True)
        self._owed = bytearray()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record).encode() + b"\n"
            if len(self._owed) + len(line) > OWED_MAX_BYTES:
                self._pay()
            self._owed += line
            if self.shouldRollover(record):
                self.doRollover()
            self._pay()
        except Exception:
            self.handleError(record)

    def _pay(self) -> None:
        if self.stream is None:
            self.stream = self._open()
        while self._owed:
            del self._owed[: os.write(self.stream.fileno(), self._owed)]

    def close(self) -> None:
        try:
            if self._owed:
                self._pay()
        except OSError:
            self._owed.clear()
        super().close()


def _frames(record: logging.LogRecord) -> str:
    trace = record.exc_info[2] if record.exc_info else None
    frames = []
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{Path(code.co_filename).name}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return " < ".join(reversed(frames))


def setup(role: str, path: Path | None = None, *, level: int = logging.INFO) -> None:
    """Send this process's log to ``path`` (rotated), or to standard error where null; once, at the entry point."""
    handler: logging.Handler
    if path is None:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_Readable() if sys.stderr.isatty() else _Json(role))
    else:
        handler = _File(path)
        handler.setFormatter(_Json(role))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    _logger.setLevel(level)
    logging.raiseExceptions = False  # a full disk must not turn a log line into a failed request


def info(event: str, /, **fields: Value) -> None:
    """Something happened as it should: ``event`` is a fixed phrase, what varies goes into ``fields``."""
    _logger.info(event, extra={"fields": fields})


def warning(event: str, /, **fields: Value) -> None:
    """Something that a person may have to look at."""
    _logger.warning(event, extra={"fields": fields})


def error(event: str, /, *, exception: BaseException | None = None, **fields: Value) -> None:
    """A fault of ours or of a part; with the stack of ``exception`` where given."""
    _logger.error(event, extra={"fields": fields}, exc_info=exception)
