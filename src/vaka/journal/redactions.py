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

from vaka.errors import Fault, Unavailable
from vaka.fhir.definitions import type_number
from vaka.fhir.keys import resource_key
from vaka.journal.statements import statements

NAME: Final = "redactions.ndjson"
_BATCH: Final = 1_000


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
    """The list in DIR and its backup place (where there is one: with a PostgreSQL of one's own there is none)."""

    def __init__(self, home: Path) -> None:
        self._home = home

    @property
    def files(self) -> list[Path]:
        backup = self._home / "backup"
        return [self._home / NAME, *([backup / NAME] if backup.is_symlink() or backup.exists() else [])]

    def add(self, lines: Sequence[Redaction]) -> None:
        """Puts ``lines`` on disk in each place. Unavailable if one cannot be written: nothing may be redacted then."""
        text = b"".join(orjson.dumps(asdict(line), option=orjson.OPT_APPEND_NEWLINE) for line in lines)
        for file in self.files:
            try:
                new = not file.exists()
                descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
                try:
                    end = os.lseek(descriptor, 0, os.SEEK_END)
                    torn = end > 0 and os.pread(descriptor, 1, end - 1) != b"\n"
                    written = (b"\n" if torn else b"") + text
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
        """What stands in either place, each resource once. Fault for a line that cannot be read (but for a torn last one)."""
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
                except (ValueError, TypeError) as bad:
                    if number >= len(lines) - 2:
                        continue  # torn by a crash before its redaction was begun
                    raise Fault(f"line {number + 1} of {file} is no redaction", help="mend it by hand") from bad
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
            followed = connection.execute(sql["follows_entries"]).fetchone() == (True,)
            with connection.transaction():
                for name in ("tell", "take_out", "take_content", "forget_dates", "forget_quantities", "forget_strings"):
                    connection.execute(sql[name], {"keys": back})
                if followed:
                    connection.execute(sql["forget_entries"], {"keys": back})
            done += len(back)
    return done


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
