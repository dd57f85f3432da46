"""The reserve's part of the follower's process: handing over, looking whether the journal commits, exchanging with other
copies, and saying on the board what waits.

Invariant: it goes on whatever happens to the followed record, and beside it: neither waits for the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from vaka import config, log
from vaka.copy.board import Board, Field, boottime_ns
from vaka.copy.files import Folder
from vaka.copy.reserve import lost
from vaka.copy.reserve.entry import State
from vaka.copy.reserve.hand_over import HandOver
from vaka.copy.reserve.journal import JournalClient
from vaka.copy.reserve.lost import Found
from vaka.copy.reserve.mode import Mode
from vaka.copy.reserve.neighbours import Neighbours
from vaka.copy.reserve.opening import token
from vaka.copy.reserve.peers import Peers
from vaka.copy.reserve.store import ReserveStore
from vaka.copy.reserve.telling import Telling
from vaka.copy.tls import Ways


async def run(
    store: ReserveStore,
    folder: Folder,
    board: Board,
    found: Found,
    in_thread: Callable[[Callable[[], Any]], Awaitable[Any]],
    *,
    token_file: Path | None = None,
    ways: Ways,
) -> None:
    """Until it is cancelled. ``found``: what the journal lost, asked of ``in_thread``; ``ways``: to the journal and to
    other copies."""
    journal = JournalClient(folder.about().journal, lambda: token(folder, token_file), verify=ways.journal)
    peers = Peers(store, Neighbours(folder).peers, lambda: token(folder, token_file), verify=ways.copies)
    ways.renew.append(peers.renew)
    telling, site = Telling(folder.control), folder.about().name

    def may() -> bool:
        return not board[Field.DISTRUSTING] and not board[Field.LOST]

    async def give_back() -> None:
        while True:
            if board[Field.LOST]:
                await lost.give(found, store, site, in_thread, telling)
                board[Field.LOST] = await in_thread(found.count)
            await asyncio.sleep(config.RESERVE_EXCHANGE_S)

    hand_over = HandOver(store, journal, changed=telling, may=may)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_lasting(give_back))
            for work in (hand_over.follow, hand_over.probe, peers.exchange):
                tasks.create_task(_lasting(work))
            tasks.create_task(_lasting(lambda: _tell_board(store, peers, board)))
    finally:
        await peers.close()
        await journal.close()


async def _lasting(work: Any) -> None:
    """A fault in one part is told, and the part begins anew: it ends none of the others."""
    while True:
        try:
            await work()
        except Exception as error:
            log.error("fault in the reserve's work", exception=error)
            await asyncio.sleep(config.RESERVE_RETRY_S)


async def _tell_board(store: ReserveStore, peers: Peers, board: Board) -> None:
    while True:
        counts = store.counts()
        board[Field.RESERVE_WAITING] = counts.get(State.WAITING, 0) + counts.get(State.UNHELD, 0)
        board[Field.RESERVE_REFUSED] = counts.get(State.REFUSED, 0)
        board[Field.PEERS_AWAY] = len(peers.out_of_reach())
        board[Field.RESERVE_NS] = boottime_ns()
        board[Field.FORCED_AWAY] = int(store.standing().mode is Mode.FORCED)
        await asyncio.sleep(config.RESERVE_EXCHANGE_S)
