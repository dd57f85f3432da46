"""A copy's way to the journal's log: ``POST /peer/log``, asked as ``accesslog.store`` is asked of tables.

Invariants: a run is taken only where all that its blocks need to be read is there, or comes with it; a lost answer is asked for
again, and what the journal has it leaves out; whatever is not an answer of 200 is an error, and the blocks stay in the copy's
files.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any, TypeAlias

import orjson

from vaka.accesslog.codec import Described, describes
from vaka.accesslog.runs import Run

Post: TypeAlias = Callable[[str, bytes], Awaitable[tuple[int, bytes]]]
"""Sends a body to an address of the journal; status and body of the answer. OSError where it cannot be reached."""
ADDRESS = "/peer/log"


class JournalStore:
    """The journal's log, through ``post``. ``carried``: by a neighbour, who cannot say what the journal lacks: each run goes with
    all that it needs."""

    may_be_away = True

    def __init__(self, post: Post, *, carried: bool = False) -> None:
        self._post = post
        self._carried = carried

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
        # What the blocks use was mostly described in an earlier run. They are not read for it here, where people are answered:
        # the journal reads them, and says what it lacks.
        for block in run.blocks:
            run.described.update(describes(block.payload))
        sent = {
            "stream": run.stream, "before": run.blocks[0].before.hex(),
            "blocks": base64.b64encode(b"".join([block.bare for block in run.blocks])).decode(),
        }  # fmt: skip
        if self._carried:
            needed: Iterable[int] = frozenset[int]().union(*(block.contents().named for block in run.blocks))
        else:
            put = await self._ask("run", **sent)
            if isinstance(put, int):
                return put
            needed = put["lacking"]
        described = [
            (number, one.kind, one.text) for number in needed if (one := run.described.get(number)) is not None
        ]
        return int(await self._ask("run", **sent, described=described))

    async def put_head(self, stream: str, system: str, block: int, hash_: bytes) -> None:
        await self._ask("head", stream=stream, block=block, hash=hash_.hex())
