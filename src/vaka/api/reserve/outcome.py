"""What the journal says has become of a reserve entry: ``done`` with what it made, ``task``, or ``refused`` with why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from vaka.access.filter import system_filter
from vaka.errors import VakaError

if TYPE_CHECKING:
    from vaka.api.server import Server

AS_TASK: Final = 202
"""Kept with the key of an entry that became a Task."""


async def outcome(server: Server, parts: Sequence[tuple[int, int | None, str | None]]) -> dict[str, Any]:
    """Of what was kept with an entry's key."""
    seqs = [seq for _, seq, _ in parts if seq is not None]
    versions = await server.journal.by_seqs(seqs, access=system_filter("reserve"))
    named = [
        {"name": f"{found.type}/{found.id}", "version": found.version_id, "status": status}
        for status, seq, _ in parts
        if seq is not None and (found := versions.get(seq)) is not None
    ]
    if parts and parts[0][0] == AS_TASK:
        return {"outcome": "task", "task": named[0]["name"] if named else None}
    return {"outcome": "done", "made": named}


def refused(error: VakaError) -> dict[str, Any]:
    return {"outcome": "refused", "status": error.status, "message": error.message, "help": error.help}
