"""Freezing a copy by hand (S31): from then on it applies nothing, and serves what it has, until a person thaws it.

Invariants: who did it, when and why stands in ``DIR/frozen.json`` for as long as it holds, and in ``DIR/log/by-hand.jsonl`` for
good; it holds through every restart, and needs no process to take hold: the follower looks before each batch.
"""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import orjson

from vaka.errors import Conflict

_NAME: Final = "frozen.json"
_LOG: Final = "by-hand.jsonl"


@dataclass(frozen=True, slots=True)
class Frozen:
    """``by``: a person's name; ``at_us``: microseconds since 1970 UTC."""

    by: str
    reason: str
    at_us: int


def frozen(folder: Path) -> Frozen | None:
    """Who has frozen the copy in ``folder``; None where nobody has. What cannot be read still holds."""
    try:
        text = (folder / _NAME).read_bytes()
    except FileNotFoundError:
        return None
    try:
        found = orjson.loads(text)
        return Frozen(str(found["by"]), str(found["reason"]), int(found["at_us"]))
    except (ValueError, KeyError, TypeError):
        return Frozen("unknown", "unknown", 0)


def freeze(folder: Path, by: str, reason: str) -> Frozen:
    """Conflict where it is frozen already."""
    if (held := frozen(folder)) is not None:
        raise Conflict(f"{held.by} has frozen it already: {held.reason}", help="vaka copy thaw lets it go on")
    made = Frozen(by, reason, time.time_ns() // 1_000)
    _note(folder, "freeze", made)
    partial = folder / f".{_NAME}.{os.getpid()}"
    with partial.open("wb") as file:
        file.write(orjson.dumps(asdict(made)))
        file.flush()
        os.fsync(file.fileno())
    partial.rename(folder / _NAME)
    return made


def thaw(folder: Path, by: str, reason: str) -> Frozen:
    """What held until now. Conflict where nobody has frozen it."""
    held = frozen(folder)
    if held is None:
        raise Conflict("this copy is not frozen")
    _note(folder, "thaw", Frozen(by, reason, time.time_ns() // 1_000))
    (folder / _NAME).unlink()
    return held


def _note(folder: Path, what: str, who: Frozen) -> None:
    with (folder / "log" / _LOG).open("ab") as file:
        file.write(orjson.dumps({"what": what, **asdict(who)}, option=orjson.OPT_APPEND_NEWLINE))
        file.flush()
        os.fsync(file.fileno())
