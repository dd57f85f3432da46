"""Other copies of the region: each entry is held by one of them before it is acknowledged, and all are told of all (S10, S15).

Invariants: ``hold`` counts a copy only once it has said that the entry is on its disk; what a peer was not told stays to be
told, in the order of its changes; a peer that cannot be reached is said, with when it was last heard.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import orjson

from vaka import config, log
from vaka.copy.reserve import draft, programs
from vaka.copy.reserve.entry import Entry, State, wire
from vaka.copy.reserve.store import ReserveStore, now_us

if TYPE_CHECKING:
    import httpx

PATH: Final = "/peer/reserve"
CARRY: Final = "/peer/carry"
DRAFTS: Final = "/peer/drafts"
_CARRY_TRIES: Final = 2
_LATE_S: Final = 3 * (config.RESERVE_EXCHANGE_S + config.RESERVE_HOLD_S)


@dataclass(frozen=True, slots=True)
class Peer:
    """Another copy. ``name``: as people know it; ``url``: where it answers."""

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class OutOfReach:
    """A peer that does not answer: what was entered there since ``since_us`` is not visible here (S10)."""

    name: str
    since_us: int


class Peers:
    """``known``: gives the region's other copies; ``token``: this copy's own, with the scope ``reserve``."""

    def __init__(
        self, store: ReserveStore, known: Callable[[], Sequence[Peer]], token: Callable[[], str], *, verify: Any = True
    ) -> None:
        self._store, self._known, self._token = store, known, token
        self._verify = verify
        self._made: httpx.AsyncClient | None = None
        self._exchanging: float | None = None
        self._reached: dict[str, float] = {}
        self._left: set[asyncio.Task[bool]] = set()

    async def close(self) -> None:
        for task in self._left:
            task.cancel()
        await asyncio.gather(*self._left, return_exceptions=True)
        if self._made is not None:
            await self._made.aclose()

    @property
    def _client(self) -> httpx.AsyncClient:
        """Made when somebody is asked: no start waits for it."""
        if self._made is None:
            import httpx

            self._made = httpx.AsyncClient(verify=self._verify, timeout=config.RESERVE_HOLD_S)
        return self._made

    async def renew(self) -> None:
        """Leaves the connections that stand: who was removed is told nothing on an old one. What is under way may end."""
        old, self._made = self._made, None
        if old is not None:
            await asyncio.sleep(config.RESERVE_HOLD_S)
            await old.aclose()

    async def hold(self, entry: Entry) -> int:
        """How many machines hold ``entry``, this one counted, as soon as there are two; 1 where no other does. They have it as
        waiting: this one may die before it has said so."""
        entry = replace(entry, state=State.WAITING, copies=2)
        return 1 + await self._soonest([self._tell(peer, [entry]) for peer in self._known()])

    async def _soonest(self, asked: Sequence[Coroutine[Any, Any, bool]]) -> int:
        """How many have said yes, as soon as one has; the others are not kept from it. 0 where none does."""
        tasks = [asyncio.create_task(one) for one in asked]
        for task in tasks:
            self._left.add(task)
            task.add_done_callback(self._left.discard)
        waiting = set(tasks)
        while waiting:
            _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if said := sum(task.result() for task in tasks if task.done()):
                return said
        return 0

    async def exchange(self) -> None:
        """Tells each peer what it has not been told, until this is cancelled."""
        self._exchanging = time.monotonic()
        while True:
            known = self._known()
            await asyncio.gather(*map(self._catch_up, known), *map(self._tell_drafts, known))
            await asyncio.sleep(config.RESERVE_EXCHANGE_S)

    async def _catch_up(self, peer: Peer) -> None:
        while True:
            untold = self._store.untold(peer.name)
            if not await self._tell(peer, [entry for _, entry in untold]):
                return
            self._store.told(peer.name, max((revision for revision, _ in untold), default=0))
            self._reached[peer.name] = time.monotonic()
            if len(untold) < config.RESERVE_EXCHANGE_MAX:
                return

    async def _tell_drafts(self, peer: Peer) -> None:
        """Whatever was learnt of drafts, here or from others. A copy of a release without drafts is told later (S36)."""
        import httpx

        drafts = self._store.drafts
        headers = {"Authorization": f"Bearer {self._token()}", "Content-Type": "application/x-ndjson"}
        while untold := drafts.untold(peer.name):
            content = b"\n".join(draft.wire(one) for _, one in untold)
            try:
                answer = await self._client.post(peer.url + DRAFTS, content=content, headers=headers)
            except httpx.HTTPError:
                return
            if answer.status_code != 200:
                if answer.status_code != 404:
                    log.warning("peer refuses drafts", peer=peer.name, status=answer.status_code)
                return
            drafts.told(peer.name, untold[-1][0])

    async def _tell(self, peer: Peer, entries: Sequence[Entry]) -> bool:
        """Whether the peer has all of ``entries`` on its disk."""
        import httpx

        content = b"\n".join(wire(entry) for entry in entries)
        headers = {"Authorization": f"Bearer {self._token()}", "Content-Type": "application/x-ndjson"}
        try:
            answer = await self._client.post(peer.url + PATH, content=content, headers=headers)
            told = orjson.loads(answer.content) if answer.status_code == 200 else {}
        except (httpx.HTTPError, ValueError):
            return False
        if answer.status_code != 200:
            log.warning("peer refuses reserve entries", peer=peer.name, status=answer.status_code)
            return False
        if not isinstance(told, dict):
            return False
        self._store.programs.learn(programs.from_wire(told.get("programs")))
        held = told.get("held")
        return isinstance(held, list) and {entry.id for entry in entries} <= set(held)

    async def carry(self, content: bytes) -> bool:
        """Whether one of them keeps ``content`` on its disk, to bring it to the journal for us (``api.peer.carried``). All are
        asked at once: one that is frozen must not take the time of one that is well. What two keep arrives once."""
        return await self._soonest([self._carry(peer, content) for peer in self._known()]) > 0

    async def _carry(self, peer: Peer, content: bytes) -> bool:
        import httpx

        headers = {"Authorization": f"Bearer {self._token()}", "Content-Type": "application/json"}
        for _ in range(_CARRY_TRIES):
            try:
                answer = await self._client.post(peer.url + CARRY, content=content, headers=headers)
            except httpx.TimeoutException:
                break
            except httpx.HTTPError:  # a kept connection that the peer has closed meanwhile
                continue
            if answer.status_code == 200:
                return True
            log.warning("peer keeps no log for us", peer=peer.name, status=answer.status_code)
            break
        return False

    def reached(self) -> tuple[int, int]:
        """How many peers there are, and how many of them were heard lately."""
        known = len(self._known())
        return known, known - len(self.out_of_reach())

    def out_of_reach(self) -> list[OutOfReach]:
        """Peers that were not heard for three exchanges; where it is this that exchanges, a clock that is set back hides none."""
        heard, late_us = self._store.heard(), now_us() - int(_LATE_S * 1e6)
        return [
            OutOfReach(peer.name, at) for peer in self._known()
            if (at := heard.get(peer.name, 0)) < late_us or self._silent(peer.name)
        ]  # fmt: skip

    def _silent(self, name: str) -> bool:
        began = self._exchanging
        return began is not None and time.monotonic() - self._reached.get(name, began) > _LATE_S
