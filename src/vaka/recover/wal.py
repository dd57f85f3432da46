"""Whether WAL that was received can be read to its end, the file that is still being received included.

Invariants: every record's checksum is looked at, by ``pg_waldump``; WAL may only end where nothing follows, or in a record
whose rest has not arrived. Received WAL breaks off at the end of a record or of a page (``XLogFlush``, ``XLogSendPhysical``), so
a record that is all there and cannot be read is damage, and so is one that others follow. What is not seen: damage to
the length of a record on the very last page. Source: ``access/xlog_internal.h``, ``access/xlogrecord.h`` of PostgreSQL.
"""

from __future__ import annotations

import re
import struct
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from vaka.journal.binaries import ENVIRONMENT, Binaries
from vaka.recover import place as places
from vaka.recover.place import SEGMENT_BYTES, Segment

# The receiver may be writing, or renaming, what is read: what looks wrong is looked at again.
LOOKS: Final = 3
LOOK_AGAIN_S: Final = 1.0
PAGE_BYTES: Final = 8192
_PAGE_HEADER: Final = struct.Struct("<HHIQI")  # magic, flags, timeline, address, bytes left of a record begun before
_HEADER_BYTES, _LONG_HEADER_BYTES = 24, 40  # the first page of a segment has the long one
_CONTINUES: Final = 0x0001
_SWITCH: Final = (0x40, 0)  # flags, resource manager: the rest of the segment is empty
_READ: Final = re.compile(r"error in WAL record at ([0-9A-F]+/[0-9A-F]+):")


def problem(programs: Binaries, folder: Path) -> str | None:
    """What is wrong with the WAL in ``folder``; null where it is sound."""
    for look in range(LOOKS):
        if look:
            time.sleep(LOOK_AGAIN_S)
        try:
            found = _problem(programs, folder)
        except FileNotFoundError as gone:
            found = f"{Path(gone.filename or '').name} is gone"
        if found is None:
            break
    return found


def _problem(programs: Binaries, folder: Path) -> str | None:
    found = places.segments(folder)
    if holes := places.missing(found):
        return f"{len(holes)} files are missing, the first is {holes[0].name}"
    for segment in found:
        if (size := (folder / segment.file).stat().st_size) != SEGMENT_BYTES:
            return f"{segment.file} has {size} bytes"
    for timeline in sorted({segment.timeline for segment in found}):
        run = {segment.number: segment for segment in reversed(found) if segment.timeline == timeline}
        if told := _unreadable(programs, folder, [run[number] for number in sorted(run)]):
            return told
    return None


def _unreadable(programs: Binaries, folder: Path, run: Sequence[Segment]) -> str | None:
    last = run[-2:]
    # Read before pg_waldump reads: what is received meanwhile is then no record that it should have read.
    content = b"".join((folder / segment.file).read_bytes() for segment in last)
    with tempfile.TemporaryDirectory(prefix="vaka-wal-") as linked:  # pg_waldump takes no file named .partial
        for segment in run:
            Path(linked, segment.name).symlink_to((folder / segment.file).absolute())
        done = subprocess.run(  # nosec B603 # the wheel's own program by its full path; no shell
            [programs.program("pg_waldump"), "--quiet", f"--path={linked}", run[0].name, run[-1].name],
            env=ENVIRONMENT, capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode == 0:
        return None
    said = done.stderr.strip().splitlines()[-1][-300:]
    read = _READ.search(said)
    at = places.lsn(read[1]) - last[0].number * SEGMENT_BYTES if read else -1
    if at >= 0 and may_end(content, following(content, at)):
        return None
    # A file that was begun a moment ago.
    return None if len(run) == 1 and not content.strip(b"\0") else said


def following(content: bytes, at: int) -> int:
    """Where the record after the one at ``at`` begins. ``content``: WAL from the beginning of a segment."""
    length: int
    length, flags, manager = struct.unpack_from("<I12xBB", content, at)
    if (flags, manager) == _SWITCH:
        return (at // SEGMENT_BYTES + 1) * SEGMENT_BYTES
    while (room := PAGE_BYTES - at % PAGE_BYTES) < length:
        length -= room
        at += room + _header_bytes(at + room)
    return at + (length + 7) // 8 * 8


def may_end(content: bytes, at: int) -> bool:
    """Whether WAL may end at ``at``, where no record can be read: nothing follows, or part of one record."""
    end = len(content.rstrip(b"\0"))
    if at % PAGE_BYTES == 0:
        at += _header_bytes(at)
    if end <= at:
        return True
    left: int = struct.unpack_from("<I", content, at)[0]
    page = (at // PAGE_BYTES + 1) * PAGE_BYTES
    left -= page - at
    while page < end and left > 0:
        _, flags, _, _, told = _PAGE_HEADER.unpack_from(content, page)
        if not flags & _CONTINUES or told != left:
            return False
        left -= PAGE_BYTES - _header_bytes(page)
        page += PAGE_BYTES
    return left > 0


def _header_bytes(page: int) -> int:
    return _HEADER_BYTES if page % SEGMENT_BYTES else _LONG_HEADER_BYTES
