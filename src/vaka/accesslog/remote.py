"""A copy's way to the journal's log: ``POST /peer/log``, asked as ``accesslog.store`` is asked of tables.

Invariants: a run goes with all that its blocks need to be read; a lost answer is asked for again, and what the journal has it
leaves out; whatever is not an answer of 200 is an error, and the blocks stay in the copy's files.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeAlias

import orjson

from vaka.accesslog.codec import Described
from vaka.accesslog.runs import Run

Post: TypeAlias = Callable[[str, bytes], Awaitable[tuple[int, bytes]]]
"""Sends a body to an address of the journal; status and body of the answer. OSError where it cannot be reached."""
ADDRESS = "/peer/log"
_AT_ONCE = 8


class JournalStore:
    """The journal's log, through ``post``."""

    may_be_away = True

    def __init__(self, post: Post) -> None:
        self._post = post

    async def _ask(self, what: str, **told: Any) -> Any:
        status, answer = await self._post(ADDRESS, orjson.dumps({"ask": what, **told}))
        if status != 200:
            raise ConnectionRefusedError(f"the journal answers {status} to {what}")
        return orjson.loads(answer)["answer"]

    async def prepare(self, now: datetime) -> None:
        """The journal does that by itself."""

    async def newest(self, stream: str) -> tuple[int, bytes] | None:
        found = await self._ask("newest", stream=stream)
        return (int(found[0]), bytes.fromhex(found[1])) if found is not None else None

    async def described(self, stream: str, chapter: int) -> dict[int, Described]:
        found = await self._ask("described", stream=stream, chapter=chapter)
        return {number: Described(kind, text) for number, kind, text in found}

    async def covered(self, stream: str, *, first: int, last: int | None = None) -> list[tuple[int, int]]:
        return [(a, b) for a, b in await self._ask("covered", stream=stream, first=first, last=last)]

    async def put_run(self, run: Run) -> int:
        named = set[int]()
        for place, block in enumerate(run.blocks):
            told = block.contents()
            run.described.update(told.described)
            named |= told.named
            if place % _AT_ONCE == 0:
                await asyncio.sleep(0)  # a run is thousands of records, and the loop has people to answer
        needed = [(number, one.kind, one.text) for number, one in run.described.items() if number in named]
        sent = {
            "stream": run.stream, "before": run.blocks[0].before.hex(), "described": needed,
            "blocks": base64.b64encode(b"".join(block.bare for block in run.blocks)).decode(),
        }  # fmt: skip
        return int(await self._ask("run", **sent))

    async def put_head(self, stream: str, system: str, block: int, hash_: bytes) -> None:
        await self._ask("head", stream=stream, block=block, hash=hash_.hex())
