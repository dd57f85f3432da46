"""status.json: what the supervisor tells about its parts, and what a reader may believe of it.

Invariants: written whole by rename after every change; a reader checks each pid against the living process with its
start time, so that a file left by ``kill -9`` never shows a dead part as running.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import orjson

from vaka import errors, process


@dataclass(frozen=True, slots=True)
class PartStatus:
    """One process; ``state`` is starting, ready, not ready, waiting to restart, stopped, or (read) gone."""

    name: str
    role: str
    pid: int | None
    start_ticks: int | None
    address: str
    state: str
    starts: int


@dataclass(frozen=True, slots=True)
class Status:
    """All of one Vaka. ``dsn`` is null where the database is someone else's: its address may hold a password."""

    supervisor: PartStatus
    parts: tuple[PartStatus, ...]
    dsn: str | None
    url: str
    note: str  # the supervisor's last action and its reason
    law: dict[str, bool] = field(default_factory=dict)  # which points of law are open (vaka up --law)
    journal: str = ""  # the journal's own address, behind its copies


def write(path: Path, status: Status) -> None:
    partial = path.with_suffix(".new")
    partial.touch(mode=0o600)
    partial.write_bytes(orjson.dumps(asdict(status)))
    partial.rename(path)


def read(path: Path) -> Status | None:
    """The status with what is dead marked ``gone``; null where no supervisor has ever run."""
    try:
        found = orjson.loads(path.read_bytes())
        return Status(
            supervisor=_checked(PartStatus(**found["supervisor"])),
            parts=tuple(_checked(PartStatus(**part)) for part in found["parts"]),
            dsn=found["dsn"],
            url=found["url"],
            note=found["note"],
            law=found.get("law", {}),
            journal=found.get("journal", ""),
        )
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as refused:
        raise errors.Setup(f"cannot read {path}", help="ask as the user that started vaka") from refused


def alive(status: Status | None) -> bool:
    """Whether its supervisor lives."""
    return status is not None and status.supervisor.state != "gone"


def survivors(status: Status | None) -> Sequence[PartStatus]:
    """Parts of a supervisor that is gone which are alive all the same."""
    if status is None or alive(status):
        return ()
    return tuple(part for part in status.parts if part.pid is not None and part.state != "gone")


def rows(status: Status) -> Sequence[PartStatus]:
    return (status.supervisor, *status.parts)


def _checked(part: PartStatus) -> PartStatus:
    if part.pid is not None and process.start_ticks(part.pid) != part.start_ticks:
        return PartStatus(part.name, part.role, part.pid, part.start_ticks, part.address, "gone", part.starts)
    return part
