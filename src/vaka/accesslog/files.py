"""The log's files: preallocated segments that blocks are appended to, and the ballast that a full disk is relieved of.

Layout of the folder: ``stream`` this log's name; ``NNNNNNNN.log`` segments; ``spare`` the next one, made ahead; ``ballast``.
A segment begins with a mark, its stream, the number of its first block and the hash before it. Invariants: an append
returns when the bytes are on disk (O_DSYNC: as with fdatasync after each write, open(2)); after an error a file is never
written again, since what the kernel holds of it can no longer be trusted; a segment's unused end is zeros, and a block
that a kill tore stands last.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import re
import struct
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from vaka import config, errors
from vaka.accesslog.blocks import Block, in_file, later_head

_MARK: Final = b"VAKALOG1"
_HEAD: Final = struct.Struct("<8s16sQ32s")
_NAME: Final = re.compile(r"(\d{8})\.log")
_ZEROS: Final = b"\0" * (1024 * 1024)


@dataclass(frozen=True, slots=True)
class Scanned:
    """A segment as it was found. ``before``: the hash before its first block; ``used``: where its last sound block ends;
    ``torn``: something else than zeros stands after that; ``whole_after``: among it the head of a later block, which no kill
    in the middle of a write leaves."""

    path: Path
    stream: str
    first: int
    before: bytes
    blocks: tuple[Block, ...]
    used: int
    torn: bool
    whole_after: bool


class Segment:
    """A segment that is open for appending."""

    def __init__(self, path: Path, descriptor: int, size: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._size = size
        self._at = _HEAD.size

    @classmethod
    def create(cls, folder: Path, number: int, stream: str, first: int, before: bytes, *, size: int) -> Segment:
        """A new segment, on disk with its name; the spare one if there is one. OSError where it cannot be made."""
        spare, path = folder / "spare", folder / f"{number:08}.log"
        if not spare.exists() or spare.stat().st_size != size:
            prepare_spare(folder, size)
        descriptor = os.open(spare, os.O_WRONLY | os.O_DSYNC | os.O_CLOEXEC)
        try:
            _write(descriptor, _HEAD.pack(_MARK, bytes.fromhex(stream), first, before), 0)
            spare.rename(path)
            sync_folder(folder)
        except OSError:
            os.close(descriptor)
            raise
        return cls(path, descriptor, size)

    def fits(self, size: int) -> bool:
        """Whether ``size`` more bytes have room; a block larger than a segment has one to itself."""
        return self._at + size <= self._size or self._at == _HEAD.size

    @property
    def half_full(self) -> bool:
        return self._at * 2 > self._size

    def append(self, framed: bytes) -> None:
        """Returns when ``framed`` is on disk. OSError: nothing of it may be counted on, and the segment is done with."""
        _write(self._descriptor, framed, self._at)
        self._at += len(framed)

    def close(self) -> None:
        """Gives the unused end back."""
        try:
            os.ftruncate(self._descriptor, self._at)
        except OSError:
            pass
        self.abandon()

    def abandon(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1


def _write(descriptor: int, content: bytes, at: int) -> None:
    done = 0
    while done < len(content):
        done += os.pwrite(descriptor, content[done:] if done else content, at + done)


def prepare_spare(folder: Path, size: int) -> None:
    """The next segment, its bytes already allocated: what is in use then cannot meet a full disk."""
    making = folder / "spare.new"
    free = os.statvfs(folder)
    if free.f_bavail * free.f_frsize < size:  # said before the last room is taken from everybody
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(making))
    descriptor = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        for start in range(0, size, len(_ZEROS)):
            _write(descriptor, _ZEROS[: size - start], start)
        os.fsync(descriptor)
    except OSError:
        making.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    making.rename(folder / "spare")


def keep_ballast(folder: Path, size: int) -> bool:
    """Makes the ballast where it is missing and the disk has twice its size to spare. Whether it is there."""
    ballast = folder / "ballast"
    try:
        if ballast.exists() and ballast.stat().st_size == size:
            return True
        free = os.statvfs(folder)
        if free.f_bavail * free.f_frsize < 2 * size:
            return False
        descriptor = os.open(ballast, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, size)
        finally:
            os.close(descriptor)
    except OSError:
        ballast.unlink(missing_ok=True)
        return False
    return True


def release_ballast(folder: Path) -> bool:
    """Gives the ballast's room back; False where there was none."""
    try:
        (folder / "ballast").unlink()
    except OSError:
        return False
    return True


def mark_elsewhere(folder: Path, elsewhere: bool) -> None:
    """Notes that blocks went where these files do not have them (or that what is known covers them again). One byte in place, so
    that a full disk can take it. OSError where it cannot be noted."""
    descriptor = os.open(folder / "elsewhere", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.pwrite(descriptor, b"1" if elsewhere else b"0", 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_elsewhere(folder: Path) -> bool:
    """Whether the end of this log may be elsewhere than in these files."""
    try:
        return (folder / "elsewhere").read_bytes() == b"1"
    except FileNotFoundError:
        return False


def close_folder(folder: Path, stream: str) -> Path:
    """Puts a log aside that cannot be gone on with here: it is still shipped from where it is now."""
    aside = folder.with_name(f"{folder.name}.{stream}")
    folder.rename(aside)
    sync_folder(folder.parent)
    return aside


def closed_folders(folder: Path) -> list[Path]:
    """The logs that were put aside beside ``folder``."""
    return sorted(path for path in folder.parent.glob(f"{folder.name}.*") if (path / "stream").exists())


def logs(folder: Path) -> list[Path]:
    """The logs in ``folder`` or in the folders below it: each process of a copy has one."""
    return sorted(
        path.parent for path in (*folder.glob("stream"), *folder.glob("*/stream")) if stream_name(path.parent)
    )


def open_folder(folder: Path) -> tuple[str, IO[str]]:
    """The stream's name, and the lock that keeps other writers out for as long as it is open. Setup if one is at work."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = (folder / "lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as taken:
        lock.close()
        raise errors.Setup(
            f"another process writes the access log in {folder}", help=f"end it first; fuser {folder}/lock names it"
        ) from taken
    return stream_name(folder) or _new_stream(folder), lock


def stream_name(folder: Path) -> str | None:
    """The name of the log in ``folder``, None where there is none."""
    try:
        name = (folder / "stream").read_text().strip()
    except FileNotFoundError:
        return None
    return name if re.fullmatch("[0-9a-f]{32}", name) else None


def _new_stream(folder: Path) -> str:
    name = uuid.uuid4().hex
    making = folder / "stream.new"
    with making.open("w") as file:
        file.write(name + "\n")
        file.flush()
        os.fsync(file.fileno())
    making.rename(folder / "stream")
    sync_folder(folder)
    return name


def segments(folder: Path) -> list[tuple[int, Path]]:
    """(number, path) of each segment, oldest first."""
    found = [(int(match[1]), path) for path in folder.glob("*.log") if (match := _NAME.fullmatch(path.name))]
    return sorted(found)


def scan(path: Path, key: bytes | None = None) -> Scanned | None:
    """What is in a segment. None if its head is not one of ours. ``key``: as of ``blocks.sealed``."""
    content = path.read_bytes()
    if len(content) < _HEAD.size:
        return None
    mark, stream, first, before = _HEAD.unpack_from(content)
    if mark != _MARK:
        return None
    blocks: list[Block] = []
    used = _HEAD.size
    for block, end in in_file(content, used, before, key):
        if not blocks and block.number != first:
            break
        blocks.append(block)
        used = end
    torn = bool(content[used:].strip(b"\0"))
    after = torn and later_head(content, used, blocks[-1].number + 1 if blocks else first)
    return Scanned(path, stream.hex(), first, before, tuple(blocks), used, torn, after)


def read_from(path: Path, at: int, before: bytes, key: bytes | None = None) -> Iterator[tuple[Block, int]]:
    """The blocks of a segment from byte ``at`` (0: its first block) on, each with where it ends. ``key``: as of
    ``blocks.sealed``."""
    with path.open("rb") as file:
        file.seek(at)
        content = file.read()
    if at == 0:
        if len(content) < _HEAD.size:
            return
        _, _, _, before = _HEAD.unpack_from(content)
        at, content = _HEAD.size, content[_HEAD.size :]
    for block, end in in_file(content, 0, before, key):
        yield block, at + end


def trim(found: Scanned) -> None:
    """Gives back the unused end of a segment that its writer did not close. What a kill tore stays, as evidence."""
    if not found.torn and found.path.stat().st_size > found.used:
        os.truncate(found.path, found.used)


def old(folder: Path) -> list[tuple[Path, int, int]]:
    """Segments that were not changed for ``config.LOG_KEEP_FILES_S``, each with its first and last block as its head and that
    of the next say, whatever can be read between them; the newest is none of them."""
    found = []
    for (_, path), (_, after) in itertools.pairwise(segments(folder)):
        first, follows = first_block(path), first_block(after)
        if first is None or follows is None or time.time() - path.stat().st_mtime < config.LOG_KEEP_FILES_S:
            break
        found.append((path, first, follows - 1))
    return found


def first_block(path: Path) -> int | None:
    """The first block of a segment; None if its head is not one of ours."""
    with path.open("rb") as file:
        head = file.read(_HEAD.size)
    mark, _, first, _ = _HEAD.unpack(head) if len(head) == _HEAD.size else (b"", b"", 0, b"")
    return int(first) if mark == _MARK else None


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
