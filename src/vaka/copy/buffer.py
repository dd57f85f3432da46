"""What came of the feed and is not committed. In memory of the follower alone: whatever ends it, it is asked for again."""

from __future__ import annotations

from dataclasses import dataclass, field

from vaka import config
from vaka.copy.lines import Line, Mark, Unread, Version
from vaka.store.cursor import Cursor


@dataclass(slots=True)
class Buffer:
    """What came and is not committed. ``asked``: where the next answer goes on from; None: the committed place."""

    lines: list[Line] = field(default_factory=list)
    size_bytes: int = 0
    asked: tuple[Cursor, bytes] | None = None
    lines_max: int = config.COPY_BATCH_LINES
    bytes_max: int = config.COPY_BATCH_BYTES

    def add(self, line: Version | Unread) -> None:
        self.lines.append(line)
        self.size_bytes += len(line.line)
        self.asked = line.cursor, line.hash

    @property
    def whole(self) -> int:
        """How many of them precede the end of the last horizon that ends here, its mark included."""
        return next((n for n in range(len(self.lines), 0, -1) if isinstance(self.lines[n - 1], Mark)), 0)

    def drop(self, count: int) -> None:
        """The first ``count`` are committed; no more where there were fewer."""
        del self.lines[:count]
        self.size_bytes = sum(len(line.line) for line in self.lines if isinstance(line, Version | Unread))

    @property
    def full(self) -> bool:
        return self.size_bytes >= self.bytes_max or len(self.lines) >= self.lines_max

    def clear(self) -> None:
        self.lines.clear()
        self.size_bytes = 0
        self.asked = None
