"""Telling the follower of an entry, by its control socket: it shows it in the record (decision 0013, control)."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Final

import orjson

from vaka import log
from vaka.copy.reserve.entry import Entry

_ANSWER_MAX_S: Final = 1.0


class Telling:
    """``control``: the follower's socket. An entry that it cannot be told of now is shown once the follower is there: it looks
    through the reserve at its start."""

    def __init__(self, control: Path) -> None:
        self._control = control

    async def __call__(self, entry: Entry) -> None:
        """Returns when it shows, or after a second."""
        try:
            async with asyncio.timeout(_ANSWER_MAX_S):
                reader, writer = await asyncio.open_unix_connection(str(self._control))
                try:
                    writer.write(orjson.dumps({"apply": {"reserve": entry.number}}, option=orjson.OPT_APPEND_NEWLINE))
                    await writer.drain()
                    told = orjson.loads(await reader.readline())
                finally:
                    writer.close()
                    with suppress(ConnectionError):
                        await writer.wait_closed()
        except (OSError, TimeoutError, ValueError) as error:
            log.warning("reserve entry not shown yet", entry=entry.id, why=type(error).__name__)
            return
        if not isinstance(told, dict) or told.get("applied") != entry.number:
            log.warning("reserve entry not shown yet", entry=entry.id, why=str(told)[:100])
