"""Brings to the journal what it is owed of this copy (``copy.own``), oldest first, until nothing is left.

Invariants: an item goes until the journal has answered for it: a kill or a lost answer brings it again, and the journal takes it
once; nothing is taken off on anything but its word; an answer that refuses this copy as a whole leaves all as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import orjson

from vaka import config, log
from vaka.copy.own import Own

Post: TypeAlias = Callable[[str, bytes], Awaitable[tuple[int, bytes]]]
"""Sends a body to an address of the journal; status and body of the answer. OSError where it cannot be reached."""


async def deliver(own: Own, post: Post) -> int:
    """One batch; how many items were settled. OSError where the journal is away or does not take it now."""
    owed = await asyncio.to_thread(own.owed)
    if not owed:
        return 0
    body = b'{"items":[' + b",".join(content.encode() for _, content in owed) + b"]}"
    status, answer = await post("/peer/own", body)
    if status != 200:
        raise ConnectionRefusedError(f"the journal answers {status}")
    told = orjson.loads(answer)
    refused = [(str(one["id"]), str(one["reason"])) for one in told["refused"]]
    for id_, reason in refused:
        log.error("the journal refused what was done here", item=id_, why=reason[:200])
    await asyncio.to_thread(own.settle, [str(id_) for id_ in told["done"]], refused)
    return len(told["done"]) + len(refused)


async def deliver_all(own: Own, post: Post) -> int:
    """Everything that waits now."""
    settled = 0
    while (count := await deliver(own, post)) > 0:
        settled += count
    return settled


async def keep_delivering(own: Own, post: Post, delivered: Callable[[], Awaitable[None]]) -> None:
    """Until cancelled. ``delivered`` is called after something was settled: what shows it must look again (``private.show``)."""
    away = False
    while True:
        try:
            if await deliver_all(own, post):
                await delivered()
            if away:
                log.info("the journal takes what was done here again")
            away = False
        except (OSError, orjson.JSONDecodeError, KeyError, TypeError) as error:
            if not away:
                log.warning("not delivered to the journal", kind=type(error).__name__, waiting=own.waiting())
            away = True
        await asyncio.sleep(config.OWED_RETRY_S)
