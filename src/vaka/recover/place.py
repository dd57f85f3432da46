"""The second place: where base backups and the WAL between them are kept, and what can be restored from it.

Layout: ``<system identifier>/base/<time>/`` a plain copy of the cluster with its manifest and ``vaka.json``;
``<system identifier>/wal/<number>/`` WAL without a gap; after a gap, or a restore, a new number is begun. Invariants:
a base backup is there whole (renamed when verified) or not at all; WAL is deleted only when no kept base needs it.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import orjson

from vaka import errors

SEGMENT_BYTES: Final = 16 * 1024 * 1024
BEGAN: Final = "began"
STAMP: Final = "%Y%m%dT%H%M%S.%fZ"
_SEGMENT: Final = re.compile(r"([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})(\.partial)?")
_PER_LOG: Final = 0x1_0000_0000 // SEGMENT_BYTES


@dataclass(frozen=True, slots=True)
class Base:
    """One base backup. Times are aware UTC; ``begin``/``end`` are WAL positions in bytes, on ``timeline``."""

    name: str
    began: datetime
    ended: datetime
    timeline: int
    begin: int
    end: int
    size_bytes: int


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """A WAL file: ``number`` counts segments from the beginning of the cluster."""

    timeline: int
    number: int
    partial: bool = False

    @property
    def name(self) -> str:
        return f"{self.timeline:08X}{self.number // _PER_LOG:08X}{self.number % _PER_LOG:08X}"

    @property
    def file(self) -> str:
        """The name of its file in the archive."""
        return self.name + (".partial" if self.partial else "")


def segment_of(name: str) -> Segment | None:
    """The segment that a file's name tells of; null for history files and others."""
    found = _SEGMENT.fullmatch(name)
    if found is None:
        return None
    return Segment(int(found[1], 16), int(found[2], 16) * _PER_LOG + int(found[3], 16), found[4] is not None)


def lsn(text: str) -> int:
    """``1/2A`` as bytes."""
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def system_identifier(pgdata: Path) -> str:
    """The cluster's own number, from its control file."""
    try:
        with (pgdata / "global" / "pg_control").open("rb") as control:
            return str(struct.unpack("=Q", control.read(8))[0])
    except (OSError, struct.error) as failed:
        raise errors.Setup(
            f"{pgdata} has no readable control file", help="give the right folder with --data"
        ) from failed


def of(root: Path, pgdata: Path) -> Place:
    """The place below ``root`` of the cluster in ``pgdata``; of the newest backup where that cluster is lost."""
    try:
        return Place(root, system_identifier(pgdata))
    except errors.Setup:
        known = [Place(root, folder.name) for folder in root.glob("*") if folder.name.isdigit()]
        with_bases = [(place.bases()[-1].ended, place) for place in known if place.bases()]
        if not with_bases:
            raise errors.NotFound(f"there is no backup in {root}", help="give the folder with --backup-dir") from None
        return max(with_bases, key=lambda pair: pair[0])[1]


@dataclass(frozen=True, slots=True)
class Place:
    """The backups of one cluster below ``root``."""

    root: Path
    system: str

    @property
    def path(self) -> Path:
        return self.root / self.system

    @property
    def base(self) -> Path:
        return self.path / "base"

    @property
    def wal(self) -> Path:
        return self.path / "wal"

    def create(self) -> None:
        for folder in (self.root, self.path, self.base, self.wal):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    @contextmanager
    def one_at_a_time(self) -> Iterator[None]:
        """Only one process makes, or removes, base backups here."""
        with (self.path / "lock").open("a") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as taken:
                raise errors.Conflict(
                    "another backup is being made", help="wait for it; vaka backup list shows when it is there"
                ) from taken
            yield

    def bases(self) -> list[Base]:
        """Whole base backups, oldest first."""
        found = []
        for told in self.base.glob("[0-9]*/vaka.json"):  # a name with a dot is of one that is being made
            values = orjson.loads(told.read_bytes())
            for moment in ("began", "ended"):
                values[moment] = datetime.fromisoformat(values[moment])
            found.append(Base(**values))
        return sorted(found, key=lambda base: base.ended)

    def write_base(self, folder: Path, base: Base) -> None:
        with (folder / "vaka.json").open("wb") as out:
            out.write(orjson.dumps(asdict(base), option=orjson.OPT_INDENT_2))
            out.flush()
            os.fsync(out.fileno())

    def wal_folders(self) -> list[Path]:
        """Oldest first; within one there is no gap."""
        return sorted((f for f in self.wal.glob("*") if f.name.isdigit()), key=lambda folder: int(folder.name))

    def next_wal_folder(self) -> Path:
        folders = self.wal_folders()
        folder = self.wal / f"{int(folders[-1].name) + 1 if folders else 1:06d}"
        folder.mkdir(mode=0o700)
        (folder / BEGAN).write_text(now().isoformat())
        return folder


def wal_began(folder: Path) -> datetime:
    """When a WAL folder was begun."""
    return datetime.fromisoformat((folder / BEGAN).read_text())


def segments(folder: Path) -> list[Segment]:
    """The WAL files in ``folder``, in order."""
    return sorted(found for file in folder.iterdir() if (found := segment_of(file.name)))


def missing(found: Sequence[Segment]) -> list[Segment]:
    """The holes in one folder's segments: each number from the first to the last must be there on some timeline."""
    if not found:
        return []
    have = {segment.number: segment for segment in found}
    numbers = range(min(have), max(have) + 1)
    holes, timeline = [], found[0].timeline
    for number in numbers:
        if number in have:
            timeline = have[number].timeline
        else:
            holes.append(Segment(timeline, number))
    return holes


def continues(last: Segment | None, on_server: Sequence[str]) -> bool:
    """Whether a receiver that ends with ``last`` can go on from what the server still has; true for an empty folder."""
    if last is None:
        return True
    names = set(on_server)
    following = Segment(last.timeline, last.number + (0 if last.partial else 1))
    # A segment that has just been filled may be the server's newest: its follower is not made yet.
    return following.name in names or (not last.partial and last.name in names)


def wanted(bases: Sequence[Base], to: datetime | None) -> Base:
    """The base to restore from: the newest that had ended by ``to`` (null: the newest)."""
    fitting = [base for base in bases if to is None or base.ended <= to]
    if not fitting:
        oldest = (
            f"the oldest ends at {bases[0].ended.isoformat(timespec='seconds')}" if bases else "there is none at all"
        )
        raise errors.NotFound(
            "no backup reaches back to that time" if bases else "there is no backup", help=f"vaka backup list; {oldest}"
        )
    return fitting[-1]


def surplus(bases: Sequence[Base], keep: int) -> list[Base]:
    """The base backups beyond the newest ``keep`` (at least one stays)."""
    return list(bases[: -max(keep, 1)])


def unneeded(found: Sequence[Segment], kept: Sequence[Base]) -> list[Segment]:
    """The WAL that no kept base needs."""
    if not kept:
        return []
    first = min(base.begin for base in kept) // SEGMENT_BYTES
    return [segment for segment in found if segment.number < first]


def now() -> datetime:
    return datetime.now(UTC)


def remove(folder: Path) -> None:
    """Remove a base backup so that a kill in the middle never leaves half a one with its description."""
    (folder / "vaka.json").unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
