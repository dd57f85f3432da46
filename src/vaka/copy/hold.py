"""What holds a copy's following up: the brake (S30), or a person (``copy.frozen``, S31); and who let the brake go.

Invariants: a hold outlives a restart; each decision is written down with name, reason and time before it takes effect.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from vaka.copy.files import replace
from vaka.copy.frozen import Frozen, frozen
from vaka.errors import Invalid

REASON_MAX_CHARS = 300


@dataclass(frozen=True, slots=True)
class Decision:
    """``name``: of the person; of the brake ``brake``."""

    name: str
    reason: str
    at: str


@dataclass(slots=True)
class Hold:
    """The holds of the copy in ``folder``: ``hold.json``; all decisions: ``decisions.ndjson``."""

    folder: Path
    braked: Decision | None = None

    def __post_init__(self) -> None:
        try:
            told = orjson.loads((self.folder / "hold.json").read_bytes())
        except FileNotFoundError:
            return
        self.braked = Decision(**told["braked"]) if told["braked"] else None

    @property
    def frozen(self) -> Frozen | None:
        """Who has frozen it, looked for each time: a person needs no process for it."""
        return frozen(self.folder)

    @property
    def held(self) -> bool:
        return self.braked is not None or self.frozen is not None

    def brake(self, reason: str) -> None:
        self.braked = self._decided("brake", {"name": "brake", "reason": reason})
        self._keep()

    def release(self, told: Mapping[str, Any]) -> None:
        self._decided("release", told)
        self.braked = None
        self._keep()

    def decided(self, what: str, told: Mapping[str, Any]) -> None:
        """Another decision of a person that is to be remembered."""
        self._decided(what, told)

    def _decided(self, what: str, told: Mapping[str, Any]) -> Decision:
        name, reason = told.get("name"), told.get("reason")
        if not isinstance(name, str) or not isinstance(reason, str) or not name.strip() or not reason.strip():
            raise Invalid(f"{what} needs a name and a reason", help="say who decides, and why")
        decision = Decision(name[:REASON_MAX_CHARS], reason[:REASON_MAX_CHARS], datetime.now(UTC).isoformat())
        line = orjson.dumps({"what": what, **asdict(decision)}, option=orjson.OPT_APPEND_NEWLINE)
        descriptor = os.open(self.folder / "decisions.ndjson", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return decision

    def _keep(self) -> None:
        replace(self.folder / "hold.json", orjson.dumps({"braked": asdict(self.braked) if self.braked else None}))
