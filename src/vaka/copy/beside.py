"""Keeps what the copy has beside the record: follows the private feed, and shows what was opened on this copy (``copy.private``).

Invariants: the one writing thread of record.db does it; a file that has taken another's place begins with nothing, and is given
the whole state again; nothing of the record waits for this, and nothing here for the record.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

from vaka import config, log
from vaka.copy import private
from vaka.copy.apply import Applier
from vaka.copy.board import Field, boottime_ns
from vaka.copy.client import Answer, Client
from vaka.copy.follow import Follower
from vaka.copy.own import Own
from vaka.errors import Conflict, VakaError

ADDRESS: Final = "/feed/private"
_FORGET_S: Final = 600.0


class Beside:
    """Of one follower. ``own``: what was done on this copy."""

    def __init__(self, client: Client, follower: Follower, own: Own) -> None:
        self._client, self._follower, self._own = client, follower, own
        self._away = False

    async def show(self) -> None:
        """What was opened and closed here shows in the record that is in use."""
        await self._follower.in_thread(lambda: private.show(self._follower.applier.connection, self._own))

    async def run(self) -> None:
        """Until cancelled."""
        shown: object = None
        while True:
            try:
                if not self._follower.seeds.is_open:
                    await asyncio.sleep(config.COPY_RETRY_MIN_S)
                    continue
                applier = self._follower.applier
                if shown is not applier:
                    await self.show()
                    shown = applier
                await self._answer()
                self._away = False
            except Conflict:
                await self._follower.in_thread(lambda: private.begin_anew(self._follower.applier.connection))
            except VakaError as error:
                if not self._away:
                    log.warning("private feed away", reason=error.message)
                self._away = True
                await asyncio.sleep(config.COPY_REFUSED_RETRY_S if error.status == 403 else 1.0)

    async def forget(self) -> None:
        """Until cancelled: drops what is past its time."""
        while True:
            await asyncio.sleep(_FORGET_S)
            await self._follower.in_thread(lambda: private.forget(self._follower.applier.connection))

    async def _answer(self) -> None:
        applier = self._follower.applier
        after = await self._follower.in_thread(lambda: private.cursor_of(applier.connection))
        asked = {"wait": str(config.COPY_WAIT_S), **({"after": after} if after else {})}
        async with self._client.ask(ADDRESS, asked) as answer:
            await self._take(answer, applier)

    async def _take(self, answer: Answer, applier: Applier) -> None:
        async for line in answer.lines:
            self._follower.board[Field.PRIVATE_NS] = boottime_ns()
            if self._follower.applier is not applier:
                return  # another file is in use: it is read for from the beginning
            if not line.startswith(b'{"heartbeat"'):
                await self._follower.in_thread(partial(private.apply, applier.connection, [line]))
