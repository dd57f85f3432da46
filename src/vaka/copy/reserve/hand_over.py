"""Handing over what waits, in the follower's process: in order for each patient, each entry once, killable at any point
(S14, S35).

Invariants: nothing is marked as handed over before the journal has said so; what it did not say is asked again with the
same key; while the
mode is reserve or forced nothing goes; a fault of the journal on one entry, often enough, sets that one aside and no other. A
plan is made anew only when all that it let go has gone, from what is known of each entry without what was written in it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Final, TypeAlias

from vaka import config, log
from vaka.copy.reserve.entry import LOST, Entry, State, version_made
from vaka.copy.reserve.giving import get_range
from vaka.copy.reserve.journal import Away, JournalClient, resolved
from vaka.copy.reserve.mode import Committed, Drained, Mode, Silent
from vaka.copy.reserve.plan import outline, plan
from vaka.copy.reserve.store import ReserveStore

_FORGET_EVERY_S: Final = 3_600.0
_LOOK_MAX: Final = 10_000
"""Entries that a plan is made of, the first ones; where more are open, the first of those that can go from here, so that what was
refused, or is held for a copy that is gone, holds up nothing."""
Changed: TypeAlias = Callable[[Entry], Awaitable[None]]
"""Told of each entry that has become something else, so that what is shown of it changes."""


async def _nobody(_: Entry) -> None:
    return None


class HandOver:
    """Works for one copy. ``whose``: ids of the copies whose entries it hands over, this one's own by default; ``may``: whether
    the journal's history is known to be ours, and what it lost is in the reserve: that goes first."""

    def __init__(
        self,
        store: ReserveStore,
        journal: JournalClient,
        *,
        changed: Changed = _nobody,
        whose: Collection[str] | None = None,
        may: Callable[[], bool] = lambda: True,
    ) -> None:
        self._store, self._journal, self._changed, self._may = store, journal, changed, may
        self._whose = frozenset(whose or (store.origin,))
        self._going: dict[int, asyncio.Task[None]] = {}
        self._known: dict[int, Entry] = {}
        self._ready: deque[int] = deque()

    async def follow(self) -> None:
        """Until it is cancelled."""
        loop, forget_at = asyncio.get_running_loop(), 0.0
        try:
            while True:
                self._store.withdraw_unheld(config.RESERVE_UNHELD_S)
                if loop.time() >= forget_at:
                    self._store.forget()
                    forget_at = loop.time() + _FORGET_EVERY_S
                if not await self.step():
                    await asyncio.sleep(config.RESERVE_RETRY_S)
        finally:
            for task in self._going.values():
                task.cancel()
            await asyncio.gather(*self._going.values(), return_exceptions=True)

    async def probe(self) -> None:
        """Looks whether the journal commits, while that is what decides; until it is cancelled."""
        while True:
            if self._store.standing().mode in (Mode.RESERVE, Mode.RETURNING):
                self._store.happened(Committed() if await self._journal.commits() else Silent())
            else:
                await get_range(self._store, self._journal)
            await asyncio.sleep(config.RESERVE_PROBE_S)

    async def step(self) -> bool:
        """Starts what can go now; whether anything does."""
        mode = self._store.standing().mode
        if mode in (Mode.RESERVE, Mode.FORCED) or not self._may():
            self._ready.clear()
            return False
        if not self._ready:
            entries = self._open()
            if not any(one.origin in self._whose and one.state is not State.REFUSED for one in entries):
                if mode is Mode.RETURNING:
                    self._store.happened(Drained())
                return False
            entries.sort(key=lambda one: one.method != LOST)  # what was lost precedes what was written on it since
            self._ready.extend(one.number for one in plan(entries, self._going, whose=self._whose).ready)
        while self._ready and len(self._going) < config.RESERVE_LANES:
            number = self._ready.popleft()
            task = asyncio.create_task(self._one(number))
            self._going[number] = task
            task.add_done_callback(partial(self._gone, number))
        if self._going:
            await asyncio.wait(self._going.values(), return_when=asyncio.FIRST_COMPLETED)
            return True
        return False

    async def all(self) -> None:
        """Until nothing more goes: for the command, and for tests."""
        while await self.step():
            pass

    def _open(self) -> list[Entry]:
        """What is open, as a plan needs it."""
        known: dict[int, Entry] = {}
        found = self._store.open_numbers(_LOOK_MAX)
        if len(found) == _LOOK_MAX:
            found = self._store.open_beside(self._whose, _LOOK_MAX)
        for number, origin, state in found:
            entry = self._known.get(number)
            if entry is None:
                whole = self._store.get(number)
                if whole is None:
                    continue
                entry = outline(whole)
            if (entry.origin, entry.state) != (origin, state):
                entry = replace(entry, origin=origin, state=state)
            known[number] = entry
        self._known = known
        return list(known.values())

    def _gone(self, number: int, _: asyncio.Task[None]) -> None:
        self._going.pop(number, None)

    async def _one(self, number: int) -> None:
        entry = self._store.get(number)
        if entry is None or entry.state is not State.WAITING or entry.origin not in self._whose:
            return  # somebody has decided about it since
        try:
            outcome = await self._journal.take(resolved(entry, self._made))
        except Away as away:
            await self._failed(entry, away)
            return
        self._store.become(entry.number, outcome.state, outcome.reason, outcome.result)
        log.info("reserve entry handed over", entry=entry.id, outcome=outcome.state.name.lower())
        with suppress(OSError):
            await self._changed(self._store.get(entry.number) or entry)

    async def _failed(self, entry: Entry, away: Away) -> None:
        log.warning("reserve entry not handed over", entry=entry.id, why=str(away))
        if not away.fault:
            self._store.happened(Silent())
            await asyncio.sleep(config.RESERVE_RETRY_S)
            return
        if self._store.fault(entry.number) >= config.RESERVE_FAULTS_MAX:
            self._store.become(entry.number, State.REFUSED, "the journal fails on this entry: its log says why")
            with suppress(OSError):
                await self._changed(self._store.get(entry.number) or entry)
        await asyncio.sleep(config.RESERVE_RETRY_S)

    def _made(self, entry_id: str, name: str) -> str | None:
        """Which version of the journal an entry became."""
        entry = self._store.by_id(entry_id)
        return version_made(entry.result, name) if entry is not None else None
