"""Loading as a whole: texts go to workers in batches, organisations before encounters before the rest.

Each worker has a lane, a queue that it works off in order; an id always has the same lane, so that of two versions of
one resource in the input the later one wins. What must wait for something else of the input is kept in a file and tried
again at the end. Invariants: a bounded number of texts is in memory; a stop lets what has begun be finished; where a
worker dies nothing is acknowledged that it did not say.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from pathlib import Path
from typing import IO, Final
from zlib import crc32

import orjson

from vaka.errors import VakaError
from vaka.load.report import Counts, Outcome, Place, Refusal
from vaka.load.sources import Text, texts

WINDOW_TEXTS: Final = 8_000
WINDOW_BYTES: Final = 48 * 1024 * 1024
BATCH_TEXTS: Final = 2_000
BATCH_BYTES: Final = 4 * 1024 * 1024
_QUEUED_MAX: Final = 2
_STOP_POLL_S: Final = 0.2
_PHASES: Final = {"Organization": 0, "Encounter": 1}

Work = Callable[[Sequence[Text], bool], Outcome]
"""(texts, final) → what became of them. Runs in a lane's executor."""


class Stopped(Exception):
    """Somebody asked for the end."""


class Run:
    """One load over ``lanes``. ``stop``: asked between batches whether to end. ``refused``: told of each refusal."""

    def __init__(
        self, lanes: Sequence[Executor], work: Work, stop: Callable[[], bool], refused: Callable[[Refusal], None]
    ) -> None:
        self._lanes = lanes
        self._work = work
        self._stop = stop
        self._refused = refused
        self._busy: dict[Future[Outcome], tuple[int, list[Text]]] = {}
        self._bundles = 0
        self.counts = Counts()
        self._waiting = Waiting()

    def load(self, files: Iterable[Path], progress: Callable[[Path, int], None]) -> None:
        """Everything in ``files``. Stopped, or the worker's error, after what had begun is finished."""
        try:
            for window in _windows(self._texts(files, progress)):
                self._window(window, False)
            self._drain()
            while self._waiting.chained:  # as long as a round brings what others wait for
                before = len(self._waiting)
                self._again(False)
                if len(self._waiting) == before:
                    break
            if self._waiting:
                self._again(True)
        finally:
            for future in self._busy:
                future.cancel()
            while self._busy:
                self._collect(ending=True)

    def _texts(self, files: Iterable[Path], progress: Callable[[Path, int], None]) -> Iterator[Text]:
        for path in files:
            try:
                yield from texts(path, lambda read, path=path: progress(path, read))  # type: ignore[misc]
            except VakaError as error:
                self._refuse(Refusal.of(Place(str(path)), error))
            except OSError as error:
                raise _unreadable(path, error) from error

    def _again(self, final: bool) -> None:
        waited, self._waiting = self._waiting, Waiting()
        with waited:
            for window in _windows(waited.texts()):
                self._window(window, final)
        self._drain()

    def _window(self, window: Sequence[Text], final: bool) -> None:
        phases: list[list[Text]] = [[], [], []]
        for text in window:
            phases[_PHASES.get(text.type or "", 2)].append(text)
        for phase in (0, 1):
            if phases[phase]:
                futures = self._submit(phases[phase], final)
                while not self._busy.keys().isdisjoint(futures):
                    self._collect()
        self._submit(phases[2], final)

    def _submit(self, some: Sequence[Text], final: bool) -> set[Future[Outcome]]:
        submitted = set()
        for lane, batch in _batches(some, self._lane):
            while len(self._busy) >= _QUEUED_MAX * len(self._lanes):
                self._collect()
            future = self._lanes[lane].submit(self._work, batch, final)
            self._busy[future] = (lane, batch)
            submitted.add(future)
        return submitted

    def _lane(self, text: Text) -> int:
        if text.type == "Organization":
            return 0  # they lean on each other
        if text.type == "Bundle" or text.id is None:
            self._bundles += 1
            return self._bundles % len(self._lanes)
        return crc32(f"{text.type}/{text.id}".encode()) % len(self._lanes)

    def _drain(self) -> None:
        while self._busy:
            self._collect()

    def _collect(self, *, ending: bool = False) -> None:
        """Takes in what is done, waiting for one batch at least. Stopped, unless ``ending``."""
        done: set[Future[Outcome]] = set()
        while not done:
            if self._stop() and not ending:
                raise Stopped
            done, _ = wait(self._busy, _STOP_POLL_S, FIRST_COMPLETED)
        for future in done:
            _, batch = self._busy.pop(future)
            if future.cancelled():
                continue
            outcome = future.result()
            self.counts.add(outcome.counts)
            for refusal in outcome.refused:
                self._refused(refusal)
            for index in outcome.waiting:
                self._waiting.add(batch[index])

    def _refuse(self, refusal: Refusal) -> None:
        self.counts.refused += 1
        self._refused(refusal)


class Waiting:
    """Texts kept for later, on disk."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._count = 0
        self.chained = False
        """Something here may be what another one here waits for; encounters come before the rest in any case."""

    def __len__(self) -> int:
        return self._count

    def __enter__(self) -> Waiting:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, text: Text) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115  closed by __exit__, or with the process
        place = text.place
        head = (place.file, place.line, place.entry, text.type, text.id, text.made, len(text.body))
        self._file.write(orjson.dumps(head) + b"\n" + text.body)
        self._count += 1
        self.chained |= text.type in (None, "Bundle", "Organization")

    def texts(self) -> Iterator[Text]:
        if self._file is None:
            return
        self._file.seek(0)
        while line := self._file.readline():
            file, number, entry, type_, id_, made, size = orjson.loads(line)
            yield Text(Place(file, number, entry), self._file.read(size), type_, id_, made)


def _windows(some: Iterable[Text]) -> Iterator[list[Text]]:
    window: list[Text] = []
    size = 0
    for text in some:
        window.append(text)
        size += len(text.body)
        if len(window) >= WINDOW_TEXTS or size >= WINDOW_BYTES:
            yield window
            window, size = [], 0
    if window:
        yield window


def _batches(some: Sequence[Text], lane_of: Callable[[Text], int]) -> Iterator[tuple[int, list[Text]]]:
    """Batches for each lane, in order within it."""
    open_: dict[int, tuple[list[Text], int]] = {}
    for text in some:
        lane = lane_of(text)
        batch, size = open_.get(lane, ([], 0))
        batch.append(text)
        size += len(text.body)
        if len(batch) >= BATCH_TEXTS or size >= BATCH_BYTES:
            yield lane, batch
            batch, size = [], 0
        open_[lane] = (batch, size)
    yield from ((lane, batch) for lane, (batch, _) in open_.items() if batch)


def _unreadable(path: Path, error: OSError) -> VakaError:
    from vaka.errors import Setup

    return Setup(f"cannot read {path}: {error.strerror}", help="what was read before it is loaded; load the rest again")
