"""The progress of a load or dump on a terminal, and the summary at its end."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from vaka.load.report import Counts, Refusal

REFUSALS_SHOWN: Final = 20


class Bar:
    """A bar over the bytes of ``files`` on standard error, silent where that is no terminal."""

    def __init__(self, files: list[Path]) -> None:
        self._sizes = {path: path.stat().st_size for path in files}
        self._read: dict[Path, int] = {}
        self._began = time.monotonic()
        columns = (
            TextColumn("[bold]{task.description}"), BarColumn(), TaskProgressColumn(), DownloadColumn(),
            TextColumn("{task.fields[rate]:,.0f} resources/s"), TimeElapsedColumn(), TimeRemainingColumn(),
        )  # fmt: skip
        self._progress = Progress(
            *columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True
        )
        self._task = self._progress.add_task("loading", total=sum(self._sizes.values()) or 1, rate=0.0)

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begin(self) -> None:
        """The workers have started: the time of loading begins."""
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def at(self, path: Path, read: int, counts: Counts) -> None:
        """``read`` bytes of ``path`` have been read."""
        delta = read - self._read.get(path, 0)
        if delta:
            self._read[path] = read
            self._progress.update(self._task, advance=delta, rate=counts.all / max(self.seconds, 0.001))

    def refusal(self, refusal: Refusal) -> None:
        """Shows the refusal above the bar."""
        self._progress.console.print(line(refusal), markup=False, highlight=False, soft_wrap=True)


def line(refusal: Refusal) -> str:
    """``file:line: Type/id: message (path)``"""
    what = f"{refusal.type or 'resource'}/{refusal.id}" if refusal.id else refusal.type or "resource"
    first = refusal.issues[0]
    more = f" (and {len(refusal.issues) - 1} more)" if len(refusal.issues) > 1 else ""
    path = f" at {first.path}" if first.path else ""
    return f"{refusal.place}: {what}: {first.message}{path}{more}"


def summary(counts: Counts, seconds: float) -> dict[str, Any]:
    """The result as ``--json`` gives it."""
    return {
        "created": counts.created, "updated": counts.updated, "deleted": counts.deleted, "unchanged": counts.unchanged,
        "found": counts.found, "refused": counts.refused, "transactions": counts.transactions,
        "seconds": round(seconds, 2), "resourcesPerSecond": round(counts.all / max(seconds, 0.001)),
    }  # fmt: skip


def sentence(counts: Counts, seconds: float) -> str:
    """The result in one line for a person."""
    parts = [f"{counts.created} created", f"{counts.updated} updated", f"{counts.unchanged} unchanged"]
    parts += [f"{number} {name}" for name, number in (("deleted", counts.deleted), ("found", counts.found)) if number]
    parts.append(f"{counts.refused} refused")
    return f"{', '.join(parts)} in {seconds:.1f} s ({counts.all / max(seconds, 0.001):,.0f} resources/s)"
