"""POST /peer/reserve on a copy: entries of another copy, to be held and shown here too (S10, S15).

Lines of NDJSON, each an entry as it is now; none: only a sign of life. The answer names those that are on this disk, or
were under another id: the same key is the same entry, whichever copy its sender came to. It also tells what is known here of
programs that were turned away (S35).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import orjson

from vaka import config
from vaka.api.http import Request, Response
from vaka.api.reserve.of_copies import told_lines
from vaka.copy.reserve.entry import Entry, from_wire
from vaka.copy.reserve.store import ReserveStore


async def hold(store: ReserveStore, request: Request, changed: Callable[[Entry], Awaitable[None]]) -> Response:
    """200 with ``{"held": [ids], "programs": [...]}`` once all are durable. ``changed``: shows each here."""
    lines = await told_lines(request, "entries", "reserve", config.RESERVE_EXCHANGE_MAX)
    entries = [from_wire(line) for line in lines]
    held = [(entry.id, entry.digest, await asyncio.to_thread(store.hold, entry)) for entry in entries]
    for _, _, kept in held:
        await changed(kept)
    ids = [id_ for id_, digest, kept in held if kept.id == id_ or kept.digest == digest]
    told = {"held": ids, "programs": await asyncio.to_thread(store.programs.wire)}
    return Response(200, orjson.dumps(told), content_type="application/json")
