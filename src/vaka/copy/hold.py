"""What holds a copy as it is: the brake (S30), or a person (S31). One hold at a time, and one way out: a person releases it.

Invariants: who, why and since when stands in ``DIR/hold.json`` for as long as it holds, and each decision for good in
``DIR/decisions.ndjson``, on the disk before it takes effect; a hold outlives restarts and needs no process to take effect: it is
looked for before each batch; what cannot be read holds. A person may freeze what the brake holds: it is then theirs, and still
says why the brake held it. What a person let go that the brake had stopped passes it until the copy has caught up, through
restarts too.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from vaka.copy.files import replace
from vaka.errors import Conflict, Invalid
from vaka.store.version import instant

REASON_MAX_CHARS = 300
_BRAKE: Final = "brake"
_NAME: Final = "hold.json"
_RELEASE: Final = "vaka copy release lets it go on"


@dataclass(frozen=True, slots=True)
class Held:
    """``by``: a person's name, or ``brake``; ``at_us``: since when, microseconds since 1970 UTC; ``braked``: the brake has
    stopped something, whoever holds it now."""

    by: str
    reason: str
    at_us: int
    braked: bool

    @property
    def frozen(self) -> bool:
        """By a person."""
        return self.by != _BRAKE or not self.braked

    def told(self) -> dict[str, Any]:
        return {"by": self.by, "reason": self.reason, "since": instant(self.at_us), "braked": self.braked}


@dataclass(slots=True)
class Hold:
    """Of the copy in ``folder``: the follower decides for both, a command where no follower runs."""

    folder: Path
    _stamp: tuple[int, int, int] | None = None
    _held: Held | None = None
    _passes: bool = False

    @property
    def held(self) -> Held | None:
        """Who holds it now; None where nobody does."""
        self._look()
        return self._held

    @property
    def passes(self) -> bool:
        """Whether a person has let go what the brake had stopped, and it is not through yet."""
        self._look()
        return self._passes

    def brake(self, reason: str) -> None:
        """The brake holds it, unless somebody does."""
        if self.held is None:
            self._keep(self._decided("brake", Held(_BRAKE, reason[:REASON_MAX_CHARS], _now_us(), True)))

    def freeze(self, told: Mapping[str, Any]) -> Held:
        """A person holds it: ``name`` and ``reason``. Conflict where one does already."""
        by, reason = _who(told)
        before = self.held
        if before is not None and before.frozen:
            raise Conflict(f"{before.by} has frozen it already: {before.reason}", help=_RELEASE)
        if before is not None:
            reason = f"{reason} (braked: {before.reason})"
        made = self._decided("freeze", Held(by, reason, _now_us(), before is not None))
        self._keep(made)
        return made

    def release(self, told: Mapping[str, Any]) -> Held:
        """A person lets it go on: ``name`` and ``reason``. What held it until now; Conflict where nothing did."""
        by, reason = _who(told)
        before = self.held
        if before is None:
            raise Conflict("nothing holds this copy")
        self._decided("release", Held(by, reason, _now_us(), before.braked))
        if before.braked:
            replace(self._path, orjson.dumps({"passes": True}))
        else:
            self._path.unlink()
        self._stamp = None
        return before

    def caught_up(self) -> None:
        """What was let go is through: from now on the brake counts again."""
        if self.passes:
            self._path.unlink()
            self._stamp = None

    def decided(self, what: str, told: Mapping[str, Any]) -> None:
        """Another decision of a person that is to be remembered."""
        self._decided(what, Held(*_who(told), _now_us(), False))

    @property
    def _path(self) -> Path:
        return self.folder / _NAME

    def _look(self) -> None:
        try:
            about = self._path.stat()
            stamp = about.st_mtime_ns, about.st_ino, about.st_size
            if stamp != self._stamp:
                self._held, self._passes = _read(self._path.read_bytes())
                self._stamp = stamp
        except FileNotFoundError:
            self._held, self._passes, self._stamp = None, False, None

    def _keep(self, held: Held) -> None:
        replace(self._path, orjson.dumps(asdict(held)))
        self._stamp = None  # two writes can fall into one tick of the file system's clock

    def _decided(self, what: str, who: Held) -> Held:
        line = orjson.dumps({"what": what, **asdict(who)}, option=orjson.OPT_APPEND_NEWLINE)
        descriptor = os.open(self.folder / "decisions.ndjson", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return who


def _read(content: bytes) -> tuple[Held | None, bool]:
    try:
        told = orjson.loads(content)
        if told.get("passes") is True:
            return None, True
        return Held(str(told["by"]), str(told["reason"]), int(told["at_us"]), bool(told["braked"])), False
    except (ValueError, KeyError, TypeError, AttributeError):
        return Held("unknown", "hold.json cannot be read", 0, False), False


def _who(told: Mapping[str, Any]) -> tuple[str, str]:
    name, reason = told.get("name"), told.get("reason")
    if not isinstance(name, str) or not isinstance(reason, str) or not name.strip() or not reason.strip():
        raise Invalid("a decision needs a name and a reason", help="say who decides, and why")
    return name[:REASON_MAX_CHARS], reason[:REASON_MAX_CHARS]


def _now_us() -> int:
    return time.time_ns() // 1_000
