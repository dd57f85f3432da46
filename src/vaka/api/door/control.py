"""Asks the follower to do something: one line of JSON each way on the socket ``DIR/control``.

Invariant: a follower that is away or hangs is told as Unavailable, after ``CONTROL_TIMEOUT_S`` at the latest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from vaka import config
from vaka.errors import Unavailable


async def ask(
    socket: Path, message: Mapping[str, Any], *, timeout_s: float = config.CONTROL_TIMEOUT_S
) -> dict[str, Any]:
    """The answer. Unavailable where there is none."""
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_unix_connection(str(socket))
            try:
                writer.write(orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE))
                await writer.drain()
                answer = orjson.loads(await reader.readline())
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError) as error:
        raise Unavailable(
            "this copy's follower does not answer", help="it is started again by itself; try again in a moment"
        ) from error
    if not isinstance(answer, dict) or "error" in answer:
        raise Unavailable("this copy's follower could not do this", help="its log says why")
    return answer
