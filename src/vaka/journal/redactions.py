"""The list of what was redacted, outside the record: a restore brings back what a backup holds, and this list takes it out
again (S26).

``DIR/redactions.ndjson`` and the same name in the backup place: one line for each, no clinical content. Invariants: a line
is on disk in both places before the redaction commits; the list is only ever added to; what stands in either counts.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import orjson
import psycopg

from vaka import log
from vaka.errors import Unavailable
from vaka.fhir.definitions import type_number
from vaka.fhir.keys import resource_key
from vaka.journal.statements import statements

NAME: Final = "redactions.ndjson"
_BATCH: Final = 1_000
_LINE_MAX_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Redaction:
    """One decision about one resource. ``by``: who carried it out; ``at``: an instant."""

    type: str
    id: str
    decision: str
    authority: str
    by: str
    at: str


class Redactions:
    """The list in DIR ``home`` and its backup place (where there is one: with a PostgreSQL of one's own there is none)."""

    def __init__(self, home: Path, backup: Path | None = None) -> None:
        self._home = home
        self._backup = backup or home / "backup"

    @property
    def files(self) -> list[Path]:
        there = self._backup.is_symlink() or self._backup.exists()
        return [self._home / NAME, *([self._backup / NAME] if there else [])]

    def add(self, lines: Sequence[Redaction]) -> None:
        """Puts ``lines`` on disk in each place. Unavailable if one cannot be written: nothing may be redacted then."""
        text = b"".join(orjson.dumps(asdict(line), option=orjson.OPT_APPEND_NEWLINE) for line in lines)
        for file in self.files:
            try:
                new = not file.exists()
                descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
                try:
                    written = _end_last_line(descriptor) + text
                    if os.write(descriptor, written) != len(written):
                        raise OSError("the disk is full")
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
                if new:
                    _sync(file.parent)
            except OSError as failed:
                raise Unavailable(
                    f"the list of redactions cannot be written in {file.parent}: {failed.strerror or failed}",
                    help="nothing was redacted; make that place writable and do it again",
                ) from failed

    def read(self) -> list[Redaction]:
        """What stands in either place, each resource once. A line that cannot be read is told in the log, and keeps nobody from
        reading the record."""
        found: dict[tuple[str, str], Redaction] = {}
        for file in self.files:
            try:
                lines = file.read_bytes().split(b"\n")
            except FileNotFoundError:
                continue
            for number, line in enumerate(lines):
                if not line:
                    continue
                try:
                    one = Redaction(**orjson.loads(line))
                except (ValueError, TypeError):
                    if number < len(lines) - 1:  # else it was torn by a crash before its redaction was begun
                        log.error("redaction cannot be read", file=str(file), line=number + 1)
                    continue
                found.setdefault((one.type, one.id), one)
        return list(found.values())


def apply_again(dsn: str, redactions: Sequence[Redaction]) -> int:
    """Takes out of the record at ``dsn`` what the list names and a backup has brought back; how many resources. Nobody else
    writes to the record meanwhile. Each gets the version that tells the feed, as it had when it was redacted first."""
    sql = {name: text.encode() for name, text in statements("redactions").items()}
    done = 0
    with psycopg.connect(dsn, autocommit=True) as connection:
        for start in range(0, len(redactions), _BATCH):
            keys = [resource_key(one.type, one.id) for one in redactions[start : start + _BATCH]]
            types = [type_number(one.type) for one in redactions[start : start + _BATCH]]
            back = [
                row[0] for row in connection.execute(sql["brought_back"], {"keys": keys, "types": types}).fetchall()
            ]
            if not back:
                continue
            facts, entries = connection.execute(sql["tables_there"]).fetchone() or (False, False)
            names = ["tell", "take_out", "take_content", "forget_dates", "forget_quantities", "forget_strings"]
            names += ["forget_facts"] if facts else []
            names += ["forget_entries"] if entries else []
            with connection.transaction():
                for name in names:
                    connection.execute(sql[name], {"keys": back})
            done += len(back)
    return done


def _end_last_line(descriptor: int) -> bytes:
    """What has to come before the next line: a last line without end is ended if it is whole, else taken away."""
    end = os.lseek(descriptor, 0, os.SEEK_END)
    tail = os.pread(descriptor, _LINE_MAX_BYTES, max(end - _LINE_MAX_BYTES, 0)).rpartition(b"\n")[2]
    if not tail:
        return b""
    try:
        Redaction(**orjson.loads(tail))
    except (ValueError, TypeError):
        os.ftruncate(descriptor, end - len(tail))
        return b""
    return b"\n"


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
